"""Accounts of learners: found by stable id (Moodle's ID number) or e-mail, created and updated.

``core_user_get_users_by_field`` leaves out accounts whose field the service account may not see,
without an error. So "nobody" counts only where the field is known to be visible.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from lms_bridge.connectors.moodle.account_rows import (
    LONGEST_NAME,
    changed_account,
    moodle_language,
    new_account,
    username_of,
)
from lms_bridge.connectors.moodle.batches import Outcome, failed, write_batch
from lms_bridge.connectors.moodle.client import BY_FIELD, CALL_SEVERAL, Parameter, Rows, as_rows
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.domain.batches import bisected, chunks
from lms_bridge.domain.errors import AccessDenied, BridgeError, RecordRefused
from lms_bridge.domain.ports import (
    ACCOUNT_GONE,
    Account,
    Action,
    WriteFailed,
    WriteRequest,
    WriteResults,
    Written,
)

SEARCH = "core_user_get_users"
CREATE, UPDATE = "core_user_create_users", "core_user_update_users"
AT_ONCE = 100
"""Values looked up in one call."""
SEARCHES_AT_ONCE = 20
REOPENED = "reopened"
"""Marks a request about an account that the bridge had suspended."""

# ---- finding ----------------------------------------------------------------------------------

Each = Callable[[Callable[[Sequence[str]], Rows], Iterable[Sequence[str]]], Iterable[Rows]]
"""How the batches of a look-up are called: one after another (``map``) or at once
(``CallPool.each``). A task of the pool must use ``map``: waiting for its own pool could block."""


def accounts_by_stable_id(site: MoodleSite, ids: Sequence[str]) -> Mapping[str, Sequence[Account]]:
    if not site.visible.stable_ids:
        raise AccessDenied(
            "no-stable-ids",
            "The service account cannot see ID numbers: everybody would seem unknown.",
            "Allow moodle/user:viewdetails and moodle/user:viewalldetails to its role, in "
            "the system context.",
        )
    found: dict[str, list[Account]] = defaultdict(list)
    for row in _look_up(site, "idnumber", ids, site.pool.each):
        found[str(row.get("idnumber"))].append(_account(row))
    return {key: found[key] for key in ids if key in found}


def accounts_by_email(site: MoodleSite, emails: Sequence[str]) -> Mapping[str, Sequence[Account]]:
    if not site.visible.emails:
        raise AccessDenied(
            "no-emails",
            "The service account cannot see e-mail addresses: nobody would be found.",
            "Allow moodle/site:viewuseridentity to its role in the system context, and keep "
            "the e-mail address among 'Show user identity'.",
        )
    found = _find_by_email(site, emails, site.pool.each)
    return {email: found[email.casefold()] for email in emails if email.casefold() in found}


def _account(row: Mapping[str, Any]) -> Account:
    return Account(
        external_id=str(row["id"]),
        stable_id=str(row.get("idnumber") or ""),
        email=str(row.get("email") or ""),
        name=str(row.get("fullname") or ""),
    )


def _look_up(site: MoodleSite, field: str, values: Sequence[str], each: Each = map) -> Rows:
    """Every account that has one of the values. Nobody has a value that Moodle refuses."""

    def send(values: Sequence[str]) -> Rows:
        return site.client.rows(BY_FIELD, {"field": field, "values": [*values]})

    def ask(batch: Sequence[str]) -> Rows:
        rows: Rows = []
        for _, answer in bisected(batch, send):
            if not isinstance(answer, BridgeError):
                rows += answer
            elif answer.code != "invalidparameter":
                raise answer
        return rows

    return [row for rows in each(ask, chunks(values, AT_ONCE)) for row in rows]


def _find_by_email(
    site: MoodleSite, emails: Sequence[str], each: Each = map
) -> dict[str, list[Account]]:
    """The accounts, by their case-folded address.

    A look-up ignores case on MySQL, but not on PostgreSQL. So each address is looked up as it is
    and in lower case. A search that ignores case finds the rest, if the service allows it.
    """
    spellings = dict.fromkeys([*emails, *(email.lower() for email in emails)])
    found = _by_email(_look_up(site, "email", list(spellings), each))
    missed = [email for email in emails if email.casefold() not in found]
    if missed and SEARCH in site.functions:
        for folded, accounts in _by_email(_search(site, missed, each)).items():
            found.setdefault(folded, accounts)
    return found


def _by_email(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Account]]:
    found: dict[str, list[Account]] = defaultdict(list)
    for row in rows:
        found[str(row.get("email") or "").casefold()].append(_account(row))
    return dict(found)


def _search(site: MoodleSite, emails: Sequence[str], each: Each) -> Rows:
    """Searches without regard to case, one address each, in one call if the service allows it.

    It may find more than requested, since Moodle takes ``_`` and ``%`` for wildcards.
    """
    together = CALL_SEVERAL in site.functions

    def ask(batch: Sequence[str]) -> Rows:
        searches = [{"criteria": [{"key": "email", "value": email}]} for email in batch]
        if together:
            return list(_search_together(site, searches))
        criteria: list[Parameter] = [{"key": "email", "value": batch[0]}]
        return site.client.rows(SEARCH, {"criteria": criteria}, "users")

    size = SEARCHES_AT_ONCE if together else 1
    return [row for rows in each(ask, chunks(emails, size)) for row in rows]


def _search_together(
    site: MoodleSite, searches: Sequence[Mapping[str, object]]
) -> Iterator[dict[str, Any]]:
    for answer in site.client.call_several(SEARCH, searches).rows("responses"):
        if answer.get("error"):
            raise RecordRefused("search-refused", f"{SEARCH}: Moodle refuses the search.")
        yield from as_rows(SEARCH, orjson.loads(answer["data"]).get("users"))


# ---- writing ----------------------------------------------------------------------------------

Send = Callable[[Sequence[WriteRequest]], list[Outcome]]


def write_learners(site: MoodleSite, requests: Sequence[WriteRequest]) -> WriteResults:
    """Creates, updates and suspends accounts. None is ever deleted."""
    by_action: dict[Action, list[WriteRequest]] = {action: [] for action in Action}
    for request in requests:
        by_action[request.action].append(request)
    creating = by_action[Action.CREATE]
    by_action[Action.UPDATE] += [_reopened(each) for each in creating if each.external_id]
    by_action[Action.CREATE] = [each for each in creating if not each.external_id]
    for action in (Action.CREATE, Action.UPDATE):
        checked = [(request, _bad_email(request)) for request in by_action[action]]
        yield from (failure for _, failure in checked if failure)
        by_action[action] = [request for request, failure in checked if not failure]
    size = site.settings["people_batch"]
    yield from site.pool.write(partial(_create, site), by_action[Action.CREATE], size)
    for action in (Action.UPDATE, Action.REMOVE):
        yield from site.pool.write(partial(_update, site), by_action[action], size)


def _reopened(request: WriteRequest) -> WriteRequest:
    """The request to make a suspended account active, with all that changed meanwhile."""
    return replace(request, action=Action.UPDATE, changed=(*request.desired, REOPENED))


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}")
"""The addresses that Moodle accepts: ASCII letters alone, and a domain with a dot."""


def _bad_email(request: WriteRequest) -> WriteFailed | None:
    """The failure of a request whose address Moodle would refuse without saying so."""
    sends = request.action is Action.CREATE or "email" in request.changed
    email = str(request.desired.get("email") or "")
    if not sends or (len(email) <= LONGEST_NAME and _EMAIL.fullmatch(email)):
        return None
    error = RecordRefused(
        "bad-email",
        f"Moodle does not accept the e-mail address of learner "
        f"{request.desired.get('academy_id', request.external_id)}.",
        "Correct the address at the Academy. Moodle accepts addresses of up to 100 characters, "
        "without letters such as ü, and with a full domain.",
        field="email",
    )
    return WriteFailed(request.key, error)


def _create(site: MoodleSite, requests: Sequence[WriteRequest]) -> list[Outcome]:
    try:
        holders = _holders(site, [request for request in requests if request.is_retry])
    except BridgeError as error:
        return failed(requests, error)
    taken = [request for request in requests if request.key in holders]
    ours = [_as_update(o, holders[o.key]) for o in taken if not _not_ours(o, holders[o.key])]
    others = [_name_taken(o, holders[o.key]) for o in taken if _not_ours(o, holders[o.key])]
    new = [request for request in requests if request.key not in holders]
    return others + _update(site, ours) + _write(site, new, partial(_send_new, site))


def _send_new(site: MoodleSite, requests: Sequence[WriteRequest]) -> list[Outcome]:
    auth = site.settings["auth"]
    profile = site.settings["profile"]
    rows = [
        new_account(request.desired, auth, site.missing_languages, profile) for request in requests
    ]
    reply = site.client.call(CREATE, {"users": [*rows]}, repeatable=False)
    created = {str(row.get("username")): row.get("id") for row in reply.rows()}
    return [
        Written(request.key, str(created[str(row["username"])]))
        if row["username"] in created
        else WriteFailed(request.key, RecordRefused("not-made", f"{CREATE}: no account was made."))
        for request, row in zip(requests, rows, strict=True)
    ]


def _update(site: MoodleSite, requests: Sequence[WriteRequest]) -> list[Outcome]:
    known = [request for request in requests if request.external_id.isdecimal()]
    others = [request for request in requests if not request.external_id.isdecimal()]
    not_an_account = RecordRefused("not-an-account", "The external id does not name an account.")
    return _write(site, known, partial(_send_changes, site)) + failed(others, not_an_account)


def _send_changes(site: MoodleSite, requests: Sequence[WriteRequest]) -> list[Outcome]:
    """Unlike creating, updating accepts the good rows and warns about the bad ones."""
    rows = [_changes(site, request) for request in requests]
    reply = site.client.call(UPDATE, {"users": [*rows]})
    refused = {
        str(warning.get("itemid")): str(warning.get("warningcode"))
        for warning in reply.rows("warnings")
    }
    return [_updated(site, request, refused.get(request.external_id)) for request in requests]


def _changes(site: MoodleSite, request: WriteRequest) -> dict[str, Parameter]:
    if request.action is Action.REMOVE:
        return {"id": int(request.external_id), "suspended": True}
    row = changed_account(
        request.external_id,
        request.desired,
        request.changed,
        site.missing_languages,
        site.settings["profile"],
    )
    return {**row, "suspended": False} if REOPENED in request.changed else row


def _updated(site: MoodleSite, request: WriteRequest, code: str | None) -> Outcome:
    if code is None:
        return Written(request.key, request.external_id)
    if code == "usernotupdateddeleted":
        return WriteFailed(request.key, account_gone(request.external_id))
    if code == "useremailduplicate":
        return _new_email_taken(site, request)
    field = "email" if "email" in code else ""
    message = f"{UPDATE}: Moodle refuses this change ({code})."
    return WriteFailed(request.key, RecordRefused(code, message, field=field))


def _new_email_taken(site: MoodleSite, request: WriteRequest) -> WriteFailed:
    email, learner = str(request.desired.get("email") or ""), request.desired.get("academy_id", "")
    holders = _find_by_email(site, [email]).get(email.casefold(), ())
    others = [each.external_id for each in holders if each.external_id != request.external_id]
    error = RecordRefused(
        "email-taken",
        f"Another account has the new e-mail address of learner {learner}. Their account "
        f"{request.external_id} stays as it is.",
        "Correct the address at the Academy, or change that of the other account.",
        field="email",
    )
    return WriteFailed(request.key, error, tuple((each, "same-email") for each in others))


def shown_account(site: MoodleSite, account: int) -> Rows:
    """What Moodle shows of the account with that id, also of a deleted one; empty for none."""
    site.require_details()
    return _look_up(site, "id", [str(account)])


def account_gone(account: object) -> RecordRefused:
    return RecordRefused(
        ACCOUNT_GONE,
        f"Account {account} was deleted in Moodle.",
        "Nothing has to be done: the next run looks for another account of the learner, or "
        "creates one.",
    )


def _write(site: MoodleSite, requests: Sequence[WriteRequest], send: Send) -> list[Outcome]:
    def refused(request: WriteRequest, error: RecordRefused) -> Outcome:
        return _retry_without_language(site, request, send) or _explained(site, request, error)

    return write_batch(requests, send, refused)


def _retry_without_language(site: MoodleSite, request: WriteRequest, send: Send) -> Outcome | None:
    """The outcome without the learner's language, or None if the language is not the reason.

    Moodle refuses a row with a language that is not installed, but does not say why.
    """
    language = moodle_language(str(request.desired.get("language") or ""))
    if not language or language in site.missing_languages:
        return None
    site.missing_languages.add(language)
    try:
        outcome = send([request])[0]
    except RecordRefused:
        site.missing_languages.discard(language)
        return None
    if isinstance(outcome, Written):
        outcome = replace(outcome, note="its language is not installed there")
    return outcome


def _explained(site: MoodleSite, request: WriteRequest, error: RecordRefused) -> Outcome:
    """The outcome of a refused row, once it is known why an account was not created."""
    if request.action is not Action.CREATE:
        return WriteFailed(request.key, error)
    for holder in _holders(site, [request]).values():
        return _name_taken(request, holder)
    email = str(request.desired.get("email") or "")
    others = _find_by_email(site, [email]).get(email.casefold(), ())
    if not others:
        return WriteFailed(request.key, error)
    taken = RecordRefused(
        "email-taken",
        f"{CREATE}: another account has the e-mail address of learner {_id(request)}.",
        "Match the learner with that account, or change the address there.",
        field="email",
    )
    return WriteFailed(
        request.key, taken, tuple((each.external_id, "same-email") for each in others)
    )


# ---- whose account ----------------------------------------------------------------------------


def _holders(site: MoodleSite, requests: Sequence[WriteRequest]) -> dict[int, dict[str, Any]]:
    """{key of the request: the account with the user name that a new account would get}"""
    names = {username_of(request.desired): request.key for request in requests}
    rows = _look_up(site, "username", list(names)) if names else ()
    return {names[row["username"]]: row for row in rows if row.get("username") in names}


def _not_ours(request: WriteRequest, account: Mapping[str, Any]) -> str:
    """Why the account may be a stranger's, or an empty text if an earlier attempt made it.

    A user name proves nothing: on many sites people choose their own.
    """
    if not request.is_retry:
        return "the bridge did not try to make it"
    if str(account.get("idnumber") or "") not in ("", _id(request)):
        return "its ID number is another"
    if str(account.get("email") or "").casefold() != str(request.desired.get("email")).casefold():
        return "its e-mail address is another"
    return ""


def _name_taken(request: WriteRequest, account: Mapping[str, Any]) -> WriteFailed:
    reason = _not_ours(request, account) or "it was made meanwhile"
    error = RecordRefused(
        "user-name-taken",
        f"{CREATE}: account {account['id']} has the user name that learner {_id(request)} is to "
        f"get: {reason}.",
        "Match the learner with that account if it is theirs. Else have another one made: "
        "`lms-bridge person match --create`.",
        field="username",
    )
    return WriteFailed(request.key, error, ((str(account["id"]), reason),))


def _id(request: WriteRequest) -> str:
    return str(request.desired["academy_id"])


def _as_update(request: WriteRequest, account: Mapping[str, Any]) -> WriteRequest:
    """The request to bring an existing account up to date."""
    return replace(
        request,
        action=Action.UPDATE,
        external_id=str(account["id"]),
        changed=tuple(request.desired),
    )
