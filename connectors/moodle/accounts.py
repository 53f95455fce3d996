"""Finding people's accounts by their stable id (Moodle's ID number) or their e-mail address.

``core_user_get_users_by_field`` leaves out in silence every account whose field the service
account may not see. "Nobody" is believed only where the field is known to be visible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from connectors.moodle.client import as_rows, part
from connectors.moodle.site import Part, Site
from connectors.moodle.work import chunks, halving
from lms_bridge.domain.errors import AccessDenied, BridgeError, RecordRefused
from lms_bridge.domain.ports import Account

BY_FIELD, SEARCH = "core_user_get_users_by_field", "core_user_get_users"
TOGETHER = "tool_mobile_call_external_functions"
Rows = list[dict[str, Any]]
AT_ONCE = 100
"""Values looked up in one call."""
SEARCHES_AT_ONCE = 20


class Accounts(Part):
    """Look-ups of accounts."""

    def accounts_by_stable_id(self, ids: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        if not self._site.sight.stable_ids:
            raise AccessDenied(
                "no-stable-ids",
                "The service account cannot see ID numbers: everybody would seem unknown.",
                "Allow moodle/user:viewdetails and moodle/user:viewalldetails to its role, in "
                "the system context.",
            )
        found: dict[str, list[Account]] = defaultdict(list)
        for row in look_up(self._site, "idnumber", ids, self._site.pool.each):
            found[str(row.get("idnumber"))].append(account(row))
        return {key: found[key] for key in ids if key in found}

    def accounts_by_email(self, emails: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        if not self._site.sight.emails:
            raise AccessDenied(
                "no-emails",
                "The service account cannot see e-mail addresses: nobody would be found.",
                "Allow moodle/site:viewuseridentity to its role in the system context, and keep "
                "the e-mail address among 'Show user identity'.",
            )
        found = find_by_email(self._site, emails, self._site.pool.each)
        return {email: found[email.casefold()] for email in emails if email.casefold() in found}


def account(row: Mapping[str, Any]) -> Account:
    return Account(
        external_id=str(row["id"]),
        stable_id=str(row.get("idnumber") or ""),
        email=str(row.get("email") or ""),
        name=str(row.get("fullname") or ""),
    )


Each = Callable[[Callable[[Sequence[str]], Rows], Iterable[Sequence[str]]], Iterable[Rows]]
"""How batches are gone through: one after the other (``map``), or side by side in the pool. What
runs in the pool must not wait for the pool, so there it is the former."""


def look_up(site: Site, field: str, values: Sequence[str], each: Each = map) -> Rows:
    """Every account that has one of the values. A value that Moodle refuses is nobody's."""

    def ask(batch: Sequence[str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for _, answer in halving(
            batch, lambda some: site.client.rows(BY_FIELD, {"field": field, "values": [*some]})
        ):
            if not isinstance(answer, BridgeError):
                rows += answer
            elif answer.code != "invalidparameter":
                raise answer
        return rows

    return [row for rows in each(ask, chunks(values, AT_ONCE)) for row in rows]


def find_by_email(site: Site, emails: Sequence[str], each: Each = map) -> dict[str, list[Account]]:
    """The accounts by their address with its case folded.

    PostgreSQL tells capitals from small letters in a look-up, and MySQL does not. So both
    spellings are looked up; a search that ignores case finds the rest, where it is in the service.
    """
    asked = dict.fromkeys([*emails, *(email.lower() for email in emails)])
    found = _by_email(look_up(site, "email", list(asked), each))
    missed = [email for email in emails if email.casefold() not in found]
    if missed and SEARCH in site.functions:
        for folded, accounts in _by_email(_search(site, missed, each)).items():
            found.setdefault(folded, accounts)
    return found


def _by_email(rows: Iterable[dict[str, Any]]) -> dict[str, list[Account]]:
    found: dict[str, list[Account]] = defaultdict(list)
    for row in rows:
        found[str(row.get("email") or "").casefold()].append(account(row))
    return dict(found)


def _search(site: Site, emails: Sequence[str], each: Each) -> Rows:
    """Finds addresses in whatever case they are written; one search each, several in one call
    where the service allows it. Moodle takes ``_`` and ``%`` for wildcards: more may be found."""
    together = TOGETHER in site.functions
    size = SEARCHES_AT_ONCE if together else 1

    def ask(batch: Sequence[str]) -> list[dict[str, Any]]:
        criteria = [{"criteria": [{"key": "email", "value": e}]} for e in batch]
        if not together:
            reply = site.client.ask(SEARCH, {"criteria": [{**criteria[0]["criteria"][0]}]})
            return part(SEARCH, reply.value, "users")
        return [user for answer in _together(site, criteria) for user in answer]

    return [row for rows in each(ask, chunks(emails, size)) for row in rows]


def _together(site: Site, arguments: Sequence[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    reply = site.client.ask(
        TOGETHER,
        {
            "requests": [
                {"function": SEARCH, "arguments": orjson.dumps(each).decode()} for each in arguments
            ]
        },
    )
    answers = part(TOGETHER, reply.value, "responses")
    for answer in answers:
        if answer.get("error"):
            raise RecordRefused("search-refused", f"{SEARCH}: Moodle refuses the search.")
        yield as_rows(SEARCH, orjson.loads(answer["data"]).get("users"))
