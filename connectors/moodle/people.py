"""Learners as Moodle's accounts: the names of fields, and user names that Moodle accepts."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.moodle.form import Parameter, without_tags

PREFIX = "itu-"
LONGEST_NAME = 100
"""Characters in a user name, a first or a last name, an e-mail address."""
WITHOUT_NAME = "-"
"""Moodle refuses empty names; people with one name only have the other shown like this."""

_FIELDS = {
    "academy_id": "idnumber",
    "given_name": "firstname",
    "family_name": "lastname",
    "email": "email",
    "language": "lang",
    "country": "country",
}
_NOT_ALLOWED = re.compile(r"[^a-z0-9._@-]")
_MAILED_PASSWORD = ("manual", "email")


def username(academy_id: str) -> str:
    """``itu-<id>`` in Moodle's characters: a-z, 0-9 and ``. _ - @``.

    An id that would lose something (capitals, other letters) gets a short hash of itself, so that
    two ids never share a name.
    """
    plain = unicodedata.normalize("NFKD", academy_id).lower()
    name = PREFIX + _NOT_ALLOWED.sub("", plain)
    if name == PREFIX + academy_id and len(name) <= LONGEST_NAME:
        return name
    mark = hashlib.blake2b(academy_id.encode(), digest_size=5).hexdigest()
    return f"{name[: LONGEST_NAME - 11]}-{mark}"


def new_account(
    wanted: Mapping[str, Any], auth: str, without: frozenset[str] | set[str]
) -> dict[str, Parameter]:
    """The row that creates a learner's account; languages in ``without`` are left to the site."""
    row: dict[str, Parameter] = {
        "username": username(str(wanted["academy_id"])),
        "auth": auth,
        **_values(wanted, _FIELDS, without),
    }
    for name in ("firstname", "lastname"):
        row.setdefault(name, WITHOUT_NAME)
    if auth in _MAILED_PASSWORD:
        row["createpassword"] = True
    return row


def changes(
    account: str,
    wanted: Mapping[str, Any],
    changed: Iterable[str],
    without: frozenset[str] | set[str],
) -> dict[str, Parameter]:
    """The row that updates an account: its id and the fields that changed."""
    names = [name for name in changed if name in _FIELDS]
    row = {"id": int(account), **_values(wanted, names, without)}
    for field, name in (("given_name", "firstname"), ("family_name", "lastname")):
        if field in names:
            row.setdefault(name, WITHOUT_NAME)
    if "country" in names:
        row.setdefault("country", "")
    return row


def _values(
    wanted: Mapping[str, Any], names: Iterable[str], without: frozenset[str] | set[str]
) -> dict[str, Parameter]:
    values: dict[str, Parameter] = {}
    for name in names:
        value = wanted.get(name)
        if value and not (name == "language" and moodle_language(str(value)) in without):
            values[_FIELDS[name]] = str(value)
    for name in ("firstname", "lastname"):
        if name in values:
            values[name] = without_tags(str(values[name]))[:LONGEST_NAME]
    if "lang" in values:
        values["lang"] = moodle_language(str(values["lang"]))
    return values


def moodle_language(tag: str) -> str:
    """Moodle names languages with small letters and underscores: ``zh-CN`` is ``zh_cn``."""
    return tag.lower().replace("-", "_")
