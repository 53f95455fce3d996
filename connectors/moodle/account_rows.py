"""Rows of accounts, as Moodle takes them: of a learner's document, and of the site's settings."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from lms_bridge.connectors.moodle.client import Parameter, without_tags

PREFIX = "itu-"
LONGEST_NAME = 100
"""Characters in a user name, a first or last name, or an e-mail address."""
NO_NAME = "-"
"""Stands for a missing first or last name, since Moodle refuses empty ones."""

_FIELDS = {
    "academy_id": "idnumber",
    "given_name": "firstname",
    "family_name": "lastname",
    "email": "email",
    "language": "lang",
    "country": "country",
}
LEARNER_FIELDS = tuple(_FIELDS)
OWN_TEXT = "="
"""Begins a text of the settings that stands for itself."""
PROFILE_FIELDS = ("institution", "department", "city", "address", "phone1", "phone2")
"""Fields that every account has. All others are custom profile fields."""
NO_PROFILE: Mapping[str, str] = MappingProxyType({})
_NOT_ALLOWED = re.compile(r"[^a-z0-9._@-]")
_MAILED_PASSWORD = ("manual", "email")


def username(academy_id: str, *, second: bool = False) -> str:
    """``itu-<id>`` in the characters that Moodle allows: a-z, 0-9 and ``. _ - @``.

    An id that would lose characters gets a short hash, so that two ids never share a user name.
    The ``second`` name of an id is for when a stranger's account has the first.
    """
    plain = unicodedata.normalize("NFKD", academy_id).lower()
    name = PREFIX + _NOT_ALLOWED.sub("", plain)
    if name == PREFIX + academy_id and len(name) <= LONGEST_NAME and not second:
        return name
    marked = f"second {academy_id}" if second else academy_id
    mark = hashlib.blake2b(marked.encode(), digest_size=5).hexdigest()
    return f"{name[: LONGEST_NAME - 11]}-{mark}"


def new_account(
    document: Mapping[str, Any],
    auth: str,
    missing_languages: Collection[str],
    profile: Mapping[str, str] = NO_PROFILE,
) -> dict[str, Parameter]:
    """The row that creates an account. The site chooses the language if it lacks the learner's."""
    row: dict[str, Parameter] = {
        "username": username_of(document),
        "auth": auth,
        **sent_values(document, _FIELDS, missing_languages),
        **_profile_values(document, profile, profile),
    }
    for name in ("firstname", "lastname"):
        row.setdefault(name, NO_NAME)
    if auth in _MAILED_PASSWORD:
        row["createpassword"] = True
    return row


def username_of(document: Mapping[str, Any]) -> str:
    return username(str(document["academy_id"]), second=bool(document.get("decided")))


def changed_account(
    account: str,
    document: Mapping[str, Any],
    changed: Iterable[str],
    missing_languages: Collection[str],
    profile: Mapping[str, str] = NO_PROFILE,
) -> dict[str, Parameter]:
    """The row that updates an account: its id and the changed fields."""
    names = [name for name in changed if name in _FIELDS]
    row: dict[str, Parameter] = {
        "id": int(account),
        **sent_values(document, names, missing_languages),
        **_profile_values(document, profile, [p for p, name in profile.items() if name in names]),
    }
    for field, name in (("given_name", "firstname"), ("family_name", "lastname")):
        if field in names:
            row.setdefault(name, NO_NAME)
    if "country" in names:
        row.setdefault("country", "")
    return row


def sent_values(
    document: Mapping[str, Any], names: Iterable[str], missing_languages: Collection[str] = ()
) -> dict[str, Parameter]:
    """The values of the named fields as they are sent."""
    values: dict[str, Parameter] = {}
    for name in names:
        value = str(document.get(name) or "")
        if name == "language":
            value = moodle_language(value)
            value = "" if value in missing_languages else value
        elif name in ("given_name", "family_name"):
            value = without_tags(value[:LONGEST_NAME]) if value else ""
        if value:
            values[_FIELDS[name]] = value
    return values


def moodle_language(tag: str) -> str:
    """Moodle's name of a language: ``zh-CN`` is ``zh_cn``."""
    return tag.lower().replace("-", "_")


def _profile_values(
    document: Mapping[str, Any], profile: Mapping[str, str], names: Iterable[str]
) -> dict[str, Parameter]:
    """The members of the row for the named profile fields. ``profile`` is {profile field: a field
    of the learner, or a text after ``=``}."""
    values: dict[str, Parameter] = {}
    custom: list[Parameter] = []
    for name in names:
        source = profile[name]
        text = source[1:] if source.startswith(OWN_TEXT) else str(document.get(source) or "")
        if name in PROFILE_FIELDS:
            values[name] = without_tags(text)
        else:
            custom.append({"type": name, "value": text})
    return {**values, "customfields": custom} if custom else values
