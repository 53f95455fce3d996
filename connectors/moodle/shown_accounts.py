"""Accounts as Moodle shows them now: active, suspended or deleted, with their names."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from lms_bridge.connectors.moodle.account_rows import NO_NAME, sent_values
from lms_bridge.connectors.moodle.accounts import AT_ONCE
from lms_bridge.connectors.moodle.client import BY_FIELD, CALL_SEVERAL, Parameters, Rows
from lms_bridge.connectors.moodle.refusals import read_scope
from lms_bridge.connectors.moodle.roster_check import USERS_COURSES
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.domain.batches import chunks
from lms_bridge.domain.document import Document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.ports import Page, Pages, RawRecord

ASKED_TOGETHER = 20
"""People whose courses are asked for in one request."""
NO_LOGIN = "nologin"
"""The authentication method of accounts by which nobody can log in."""
_DELETED_NAME = re.compile(r".*\.\d{9,11}")
_DELETED_EMAIL = re.compile(r"[0-9a-f]{32}")
"""Moodle keeps the row of a deleted account: the user name is the address with the time, and the
address a hash."""


def show_accounts(site: MoodleSite, documents: Mapping[str, Document]) -> Pages:
    """The accounts with these ids, each compared with the document that was written to it."""
    site.require_details()

    def read(ids: list[str]) -> Page:
        reply = site.client.call(BY_FIELD, {"field": "id", "values": [*ids]})
        return Page(ids[0], (reply.body,), lambda: _records(reply.rows(), documents))

    known = [each for each in documents if each.isdecimal()]
    return site.pool.each(lambda ids: read_scope(ids[0], lambda: read(ids)), chunks(known, AT_ONCE))


def _records(rows: Rows, documents: Mapping[str, Document]) -> Iterator[RawRecord]:
    for row in rows:
        key, state = str(row.get("id")), state_of(row)
        if key in documents:
            changed = {} if state == "gone" else _changed(row, documents[key])
            yield RawRecord(key, {**documents[key], **changed, "state": state})


def accounts_in_use(site: MoodleSite, ids: Collection[str]) -> frozenset[str]:
    """Those of the accounts that are active in a course, whoever enrolled them, as far as the
    service may ask. One that cannot be asked about counts as in use."""
    if USERS_COURSES not in site.functions:
        return frozenset()

    def read(batch: Sequence[str]) -> set[str]:
        questions: dict[str, Parameters] = {
            each: {"userid": int(each), "returnusercount": False} for each in batch
        }
        if CALL_SEVERAL in site.functions:
            site.client.ask_ahead([(USERS_COURSES, asked) for asked in questions.values()])
        return {each for each, asked in questions.items() if _is_in_a_course(site, asked)}

    known = sorted(each for each in ids if each.isdecimal())
    return frozenset().union(*site.pool.each(read, chunks(known, ASKED_TOGETHER)))


def _is_in_a_course(site: MoodleSite, asked: Parameters) -> bool:
    try:
        return bool(site.client.rows(USERS_COURSES, asked))
    except RecordRefused:
        return True


def state_of(row: Mapping[str, Any]) -> str:
    """``active``, ``suspended``, ``unconfirmed``, ``locked`` or ``gone``."""
    renamed = _DELETED_NAME.fullmatch(str(row.get("username") or ""))
    hashed = "email" not in row or _DELETED_EMAIL.fullmatch(str(row["email"]))
    if renamed and hashed and not row.get("idnumber"):
        return "gone"
    if row.get("suspended"):
        return "suspended"
    if not row.get("confirmed", True):
        return "unconfirmed"
    return "locked" if row.get("auth") == NO_LOGIN else "active"


_COMPARED = {
    "academy_id": "idnumber",
    "given_name": "firstname",
    "family_name": "lastname",
    "email": "email",
}


def _changed(row: Mapping[str, Any], document: Document) -> dict[str, str]:
    """The fields that hold something else than what the bridge would send for the document."""
    sent = sent_values(document, _COMPARED)
    if "username" in row:  # who sees that sees ID numbers, too: Moodle leaves out empty ones
        row = {"idnumber": "", **row}
    changed = {}
    for name, source in _COMPARED.items():
        if name in document and source in row:
            expected = sent.get(source, "" if name == "email" else NO_NAME)
            if _same(name, str(row[source]), str(expected)):
                continue
            changed[name] = str(row[source])
    return changed


def _same(name: str, shown: str, expected: str) -> bool:
    if name == "email":  # Moodle writes domains in lower case
        return shown.casefold() == expected.strip().casefold()
    return shown.split() == expected.split()


class SuspendedAccounts:
    """Which people's accounts are suspended. Rosters do not tell it. Each account is read once."""

    def __init__(self, site: MoodleSite) -> None:
        self._site = site
        self._known: set[int] = set()
        self._suspended: set[int] = set()
        self._lock = threading.Lock()

    def of(self, people: Collection[int]) -> frozenset[int]:
        """Those of the people whose accounts are suspended, as far as the account sees them."""
        with self._lock:
            new = sorted(set(people) - self._known)
        for ids in chunks(new, AT_ONCE):
            rows = self._site.client.rows(BY_FIELD, {"field": "id", "values": [*ids]})
            suspended = {int(row["id"]) for row in rows if state_of(row) == "suspended"}
            with self._lock:
                self._known.update(ids)
                self._suspended |= suspended
        with self._lock:
            return frozenset(self._suspended.intersection(people))
