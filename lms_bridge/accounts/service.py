"""Accounts and their roles: made, changed and ended, each with a line in the audit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import available_timezones

import structlog
from marshmallow import ValidationError
from sqlalchemy import Connection

from lms_bridge.audit import Actor, Change, Fields, Subject, record
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.matching import email_key
from lms_bridge.domain.roles import Grant, check_grant
from lms_bridge.schemas.characters import visible
from lms_bridge.schemas.fields import Email
from lms_bridge.settings import SignInSettings
from lms_bridge.store import accounts, centres, learners
from lms_bridge.store.accounts import UserAccount
from lms_bridge.store.database import Database
from lms_bridge.web import sessions
from lms_bridge.web.languages import LANGUAGES
from lms_bridge.web.sessions import Session

_log = structlog.get_logger(__name__)
LONGEST_EMAIL, LONGEST_NAME = 254, 100
MOST_OPEN_LINKS = 3
"""Sign-in links of one account that can be used at the same time."""
MOST_GRANTS = 50
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The account that an operator asks for."""

    email: str
    name: str = ""
    grants: Sequence[Grant] = ()
    language: str = ""


def address_key(email: str) -> str:
    """The address as an account has it.

    Raises:
        Refused: it cannot be an e-mail address.
    """
    try:
        checked: str = Email(longest=LONGEST_EMAIL, required=True).deserialize(email)
    except ValidationError:
        raise Refused(
            "not-an-email", "This is not an e-mail address.", "An example: someone@example.org"
        ) from None
    return email_key(checked)


def clean_name(name: str) -> str:
    """Raises Refused where the name is too long."""
    clean = _BLANKS.sub(" ", visible(name)).strip()
    if len(clean) > LONGEST_NAME:
        raise Refused("name-too-long", "A name has at most 100 characters.")
    return clean


def add_account(
    database: Database, new: NewAccount, regions: Sequence[str], *, by: Actor
) -> UserAccount:
    """A new account. ``regions`` are those that there are.

    Raises:
        Refused: the address, the name or a role cannot be, or there is such an account already.
        NotFound: there is no such centre or region.
    """
    email, name = address_key(new.email), clean_name(new.name)
    check_language(new.language)
    with database.writing() as tx:
        made = accounts.add_account(
            tx, email=email, name=name, language=new.language, at=by.at, by=by.name
        )
        if made is None:
            raise Refused("account-exists", "There is an account with this address already.")
        record_account(tx, by, made.number, "make", {"created_at": (None, plain(by.at))})
        for grant in dict.fromkeys(new.grants):
            _grant(tx, made.number, grant, regions, by)
        found = find_account(tx, made.number)
    _log.info("account made", account=found.number, roles=len(found.grants), by=by.name)
    return found


def grant_role(
    database: Database, who: str | int, grant: Grant, regions: Sequence[str], *, by: Actor
) -> UserAccount:
    """Gives a role; one that the account has already changes nothing.

    Raises:
        Refused: the role cannot have this reach, or the account has too many.
        NotFound: there is no such account, centre or region.
    """
    with database.writing() as tx:
        found = _locked(tx, who)
        if grant not in found.grants:
            if len(found.grants) >= MOST_GRANTS:
                raise Refused("too-many-roles", f"An account has at most {MOST_GRANTS} roles.")
            _grant(tx, found.number, grant, regions, by)
        found = find_account(tx, found.number)
    _log.info("role granted", account=found.number, role=str(grant.role), by=by.name)
    return found


def revoke_role(database: Database, who: str | int, grant: Grant, *, by: Actor) -> UserAccount:
    """Takes a role away, at once.

    Raises:
        NotFound: there is no such account, or it has no such role.
    """
    with database.writing() as tx:
        found = find_account(tx, who)
        if grant not in found.grants:
            known = ", ".join(map(str, found.grants))
            remedy = f"Its roles are: {known}." if known else "The account has no role."
            raise NotFound("no-such-role", f"The account is no {grant}.", remedy)
        accounts.remove_grant(tx, found.number, grant)
        record_account(tx, by, found.number, "revoke role", {"role": (str(grant), None)})
        found = find_account(tx, found.number)
    _log.info("role revoked", account=found.number, role=str(grant.role), by=by.name)
    return found


def _grant(tx: Connection, number: int, grant: Grant, regions: Sequence[str], by: Actor) -> None:
    code = grant.reach.centre
    known = bool(code) and centres.find(tx, code) is not None
    check_grant(grant, regions, centre_known=known)
    accounts.add_grant(tx, number, grant)
    record_account(tx, by, number, "grant role", {"role": (None, str(grant))})


def disable_account(database: Database, who: str | int, *, by: Actor) -> UserAccount:
    """Ends every session and link of an account and of its learner, also the launch links that were
    handed out, and the address of the learner's calendar; and lets nobody sign in with it.

    Raises:
        NotFound: there is no such account.
    """
    with database.writing() as tx:
        found = find_account(tx, who)
        if found.disabled_at is None:
            accounts.change_account(tx, found.number, disabled_at=by.at)
            record_account(tx, by, found.number, "disable", {"disabled_at": (None, plain(by.at))})
        sessions.end_of_account(tx, found.number, by, learner=found.learner)
        _end_calendar(tx, found, by)
        _end_launch_links(tx, found, by)
        found = find_account(tx, found.number)
    _log.info("account disabled", account=found.number, by=by.name)
    return found


def enable_account(database: Database, who: str | int, *, by: Actor) -> UserAccount:
    """Raises NotFound when there is no such account."""
    with database.writing() as tx:
        found = find_account(tx, who)
        if found.disabled_at is not None:
            accounts.change_account(tx, found.number, disabled_at=None)
            before = plain(found.disabled_at)
            record_account(tx, by, found.number, "enable", {"disabled_at": (before, None)})
        found = find_account(tx, found.number)
    _log.info("account enabled", account=found.number, by=by.name)
    return found


def reset_factors(database: Database, who: str | int, *, by: Actor) -> UserAccount:
    """Takes an account's password and second factor away, for a person who has lost them, and ends
    its sessions.

    Raises:
        NotFound: there is no such account.
    """
    with database.writing() as tx:
        found = find_account(tx, who)
        accounts.change_account(
            tx,
            found.number,
            password="",
            totp_secret=b"",
            totp_period=0,
            failures=0,
            failed_at=None,
            wrong_codes=0,
            code_tried_at=None,
        )
        fields: dict[str, None] = {}
        if found.has_password:
            fields["password"] = None
        if found.has_totp:
            fields["second_factor"] = None
        record_account(tx, by, found.number, "reset", fields)
        sessions.end_of_account(tx, found.number, by)
        found = find_account(tx, found.number)
    _log.info("sign-in of account reset", account=found.number, by=by.name)
    return found


def make_account_link(
    database: Database,
    who: str | int,
    limits: SignInSettings,
    *,
    by: Actor,
    by_number: bool = True,
) -> tuple[UserAccount, Session, str]:
    """A link that signs this account in, once; and its secret, which is kept nowhere.

    Raises:
        NotFound: there is no such account.
        Refused: the account is disabled, or has enough links that can be used.
    """
    sessions.forget_ended(database, limits, by.at)
    with database.writing() as tx:
        found = find_account(tx, who, by_number=by_number)
        if found.disabled_at is not None:
            raise Refused("account-disabled", "The account is disabled.", "See `account enable`.")
        if sessions.open_links(tx, found.number, by.at) >= MOST_OPEN_LINKS:
            raise Refused(
                "too-many-links",
                f"The account has {MOST_OPEN_LINKS} links that nobody has used yet.",
                f"They end within {limits.link_minutes:g} minutes.",
            )
        made, secret = sessions.make_link(tx, found.audit_name, limits, by, found.number)
    return found, made, secret


def link_learner(tx: Connection, account: UserAccount, learner: int, by: Actor) -> None:
    """Says which learner a person is. Only a stable id, or what the settings accept as proof, may
    decide that (docs/security.md).

    Raises:
        Refused: the account is another learner already, or the learner has another account.
    """
    other = accounts.find_account(tx, learner=learner)
    if other is not None and other.number == account.number:
        return
    if other is not None or not accounts.set_learner(tx, account.number, learner):
        raise Refused(
            "learner-taken",
            "This learner has another account, or the account is another learner.",
            "An operator can part them: `account learner WHO --none`.",
        )
    record_account(tx, by, account.number, "link learner", {"learner": (None, learner)})


def part_learner(tx: Connection, account: UserAccount, by: Actor) -> None:
    """The account is no learner any more. Registrations and results stay with the learner. Whoever
    had the account may know the address of the learner's calendar: it ends."""
    if account.learner is not None:
        _end_calendar(tx, account, by)
        accounts.change_account(tx, account.number, learner_id=None)
        record_account(tx, by, account.number, "part learner", {"learner": (account.learner, None)})


def _end_calendar(tx: Connection, account: UserAccount, by: Actor) -> None:
    if account.learner is not None and accounts.end_calendar(tx, account.learner):
        record_account(tx, by, account.number, "end calendar", {"calendar": None})


def _end_launch_links(tx: Connection, account: UserAccount, by: Actor) -> None:
    if account.learner is None:
        return
    (learner,) = learners.learners(tx, [account.learner]).values()
    if accounts.end_launch_links(tx, learner.academy_id):
        fields = {"launch_links": None}
        record_account(tx, by, account.number, "end launch links", fields)


@dataclass(frozen=True, slots=True)
class OwnFacts:
    """What people may change of their own account. An empty ``time_zone`` stands for the zone that
    each time belongs to."""

    name: str
    language: str = ""
    time_zone: str = ""


def change_own(database: Database, account: UserAccount, own: OwnFacts, by: Actor) -> None:
    """Changes what a person may change of their own account.

    Raises:
        Refused: the name, the language or the time zone cannot be.
    """
    name, language, time_zone = clean_name(own.name), own.language, own.time_zone.strip()
    check_language(language)
    if time_zone and time_zone not in available_timezones():
        raise Refused(
            "no-such-time-zone", "There is no such time zone.", "An example: Africa/Nairobi"
        )
    fields: dict[str, tuple[str, str] | None] = {}
    if account.language != language:
        fields["language"] = (account.language, language)
    if account.time_zone != time_zone:
        fields["time_zone"] = (account.time_zone, time_zone)
    if account.name != name:
        fields["name"] = None
    with database.writing() as tx:
        accounts.change_account(
            tx, account.number, name=name, language=language, time_zone=time_zone
        )
        record_account(tx, by, account.number, "change", fields)


def check_language(language: str) -> None:
    """Raises Refused where it is none of ours; "" stands for the browser's."""
    if language and language not in LANGUAGES:
        raise Refused("no-such-language", f"The languages are {', '.join(LANGUAGES)}.")


def find_account(tx: Connection, who: str | int, *, by_number: bool = True) -> UserAccount:
    """The account with this e-mail address, or with this number.

    Raises:
        NotFound: there is none.
    """
    if isinstance(who, int):
        found = accounts.find_account(tx, number=who)
    elif by_number and who.isascii() and who.isdigit() and len(who) < 10:
        found = accounts.find_account(tx, number=int(who))
    else:
        found = accounts.find_account(tx, email=email_key(who))
    if found is None:
        raise NotFound("no-such-account", "There is no such account.", "See `account list`.")
    return found


def _locked(tx: Connection, who: str | int) -> UserAccount:
    """As ``find_account``; nobody else changes the account before the transaction ends."""
    accounts.lock(tx, find_account(tx, who).number)
    return find_account(tx, who)


def record_account(tx: Connection, by: Actor, number: int, action: str, fields: Fields) -> None:
    record(tx, by, Change(Subject.ACCOUNT, action, number, f"account {number}", fields))
