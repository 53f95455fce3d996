"""How an account proves that it is itself: a password, then a code where it has a second factor.

Wrong tries make the next one wait, longer each time. A sign-in link needs no password, so nobody is
locked out by a stranger's tries.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from lms_bridge.accounts import passwords, totp
from lms_bridge.accounts.provider import Person
from lms_bridge.accounts.service import link_learner, record_account
from lms_bridge.audit import PAGE, Actor
from lms_bridge.domain.errors import NotNow, Overloaded, Refused
from lms_bridge.domain.matching import email_key
from lms_bridge.domain.model import realm_of
from lms_bridge.secrets import Vault
from lms_bridge.settings import SignInSettings
from lms_bridge.store import accounts, learners
from lms_bridge.store.accounts import UserAccount, find_account
from lms_bridge.store.database import Database
from lms_bridge.web import sessions
from lms_bridge.web.access import SignInNeeded
from lms_bridge.web.sessions import Session

_log = structlog.get_logger(__name__)
FREE_TRIES = 5
LONGEST_WAIT = 900
"""Seconds between two tries, after many that were wrong."""


class StrangersTries:
    """Wrong tries of addresses that no account has, in this process. Without them only an account
    would make people wait, and so tell that it exists."""

    def __init__(self) -> None:
        self._tries: dict[str, tuple[int, datetime]] = {}
        self._lock = threading.Lock()

    def check(self, key: str, now: datetime) -> None:
        """Raises Overloaded while this address must wait."""
        with self._lock:
            failures, failed_at = self._tries.get(key, (0, None))
        _check_wait(failures, failed_at, now)

    def note(self, key: str, now: datetime) -> None:
        with self._lock:
            failures, _ = self._tries.pop(key, (0, now))
            if len(self._tries) >= MOST_STRANGERS:
                del self._tries[next(iter(self._tries))]  # whose last try is longest ago
            self._tries[key] = (failures + 1, now)


MOST_STRANGERS = 10_000
_strangers = StrangersTries()


def _check_wait(
    failures: int,
    failed_at: datetime | None,
    now: datetime,
    remedy: str = "Wait, or sign in by a link.",
) -> None:
    """Raises Overloaded while the account must wait after its last wrong try."""
    if failures < FREE_TRIES or failed_at is None:
        return
    seconds = min(LONGEST_WAIT, 2 ** min(failures - FREE_TRIES + 2, 20))
    left = (failed_at + timedelta(seconds=seconds) - now).total_seconds()
    if left > 0:
        raise Overloaded("too-many-tries", "There were too many wrong tries.", remedy, after=left)


def sign_in_by_password(
    database: Database, email: str, password: str, limits: SignInSettings, now: datetime
) -> tuple[Session, str]:
    """A session of the account with this address and password, and the session's secret.

    Raises:
        Refused: the two do not belong together, or the account is disabled. It says no more.
        Overloaded: the account must wait after wrong tries, or too many passwords are checked.
    """
    key = email_key(email)
    with database.reading() as tx:
        found = find_account(tx, email=key) if key else None
        # What an account costs, a stranger costs as well: the time must not tell them apart.
        credentials = accounts.credentials_of(tx, found.number if found else 0)
    _check_wait(credentials.failures, credentials.failed_at, now)
    if found is None:
        _strangers.check(key, now)
    right = passwords.is_right(password, credentials.password)
    if found is None or not right or found.disabled_at is not None:
        with database.writing() as tx:
            accounts.note_failure(tx, found.number if found else 0, now)
        if found is not None:
            _log.warning("wrong password", account=found.number)
        else:
            _strangers.note(key, now)
        raise _wrong_pair()
    with database.writing() as tx:
        proved = _still_proved(tx, found.number, credentials.password)
        if proved is None:
            raise _wrong_pair()
        if not proved.has_totp:
            accounts.change_account(tx, found.number, failures=0, failed_at=None)
        return open_session(tx, proved, limits, now)


def _wrong_pair() -> Refused:
    return Refused(
        "sign-in-refused",
        "The address and the password do not belong together.",
        "Try again, or sign in by a link.",
    )


def _still_proved(tx: Connection, number: int, password: str) -> UserAccount | None:
    """The account as it is now; None where it was disabled, or got another password, while its
    password was being checked. Until the transaction ends nobody changes it."""
    accounts.lock(tx, number)
    found = find_account(tx, number=number)
    same = accounts.credentials_of(tx, number).password == password
    return found if found is not None and found.disabled_at is None and same else None


def open_session(
    tx: Connection, account: UserAccount, limits: SignInSettings, now: datetime
) -> tuple[Session, str]:
    """A session of an account that has proved itself, but for its second factor."""
    return sessions.open_session(
        tx, account.audit_name, account.number, limits, now, half=account.has_totp
    )


def account_of(tx: Connection, person: Person) -> UserAccount:
    """The account of a person whom the provider signed in. The first time, the address that the
    provider vouches for finds it; from then on only the provider's own id does.

    Raises:
        Refused: there is none, or it is disabled.
    """
    found = _known_account(tx, person)
    if found is None or found.disabled_at is not None:
        raise _no_account()
    return found


def _no_account() -> Refused:
    return Refused(
        "no-account",
        "You have no account here, or it is disabled.",
        "Ask an operator of the bridge for one.",
    )


def _known_account(tx: Connection, person: Person) -> UserAccount | None:
    found = find_account(tx, subject=person.subject)
    if found is None and person.email:
        by_email = find_account(tx, email=email_key(person.email))
        if by_email is not None and not by_email.subject:
            accounts.change_account(tx, by_email.number, subject=person.subject)
            found = by_email
    return found


def open_for_person(
    tx: Connection, person: Person, limits: SignInSettings, now: datetime
) -> tuple[Session, str]:
    """A session of a person whom the provider signed in: of their account, or, where they have
    none, of the learner whose id the provider names. The latter has no role.

    Raises:
        Refused: there is neither, or the account is disabled.
    """
    number = _learner_of(tx, person)
    account = _known_account(tx, person)
    if account is None and number is not None:
        theirs = find_account(tx, learner=number)
        if theirs is not None and theirs.disabled_at is not None:
            raise _no_account()
        name = f"learner {number}"
        return sessions.open_session(tx, name, None, limits, now, half=False, learner=number)
    account = account_of(tx, person)
    accounts.lock(tx, account.number)
    account = account_of(tx, person)  # as it is now: until the transaction ends nobody changes it
    is_free = number is not None and find_account(tx, learner=number) is None
    if number is not None and is_free and account.learner is None:
        link_learner(tx, account, number, Actor(account.audit_name, PAGE, now))
    return open_session(tx, account, limits, now)


def _learner_of(tx: Connection, person: Person) -> int | None:
    """Identities that a centre made are no learners of the Academy."""
    if not person.learner or realm_of(person.learner):
        return None
    found = learners.learners_by_academy_id(tx, [person.learner]).get(person.learner)
    return None if found is None else found[0]


def has_factor(tx: Connection, number: int) -> bool:
    """Whether the account has a second factor to show."""
    found = find_account(tx, number=number)
    return found is not None and found.has_totp


def complete_by_code(
    database: Database,
    vault: Vault,
    session: Session,
    code: str,
    limits: SignInSettings,
    now: datetime,
) -> tuple[Session, str]:
    """The session after its second factor.

    Raises:
        Refused: the code is wrong, or was used before.
        Overloaded: the account must wait after wrong codes.
        NotNow: the session waits for no code, or no longer.
    """
    number = session.account
    if number is None or not session.half:
        raise _no_longer()
    _use_code(database, vault, number, code, now)
    with database.writing() as tx:
        completed = sessions.complete(tx, session, limits, now)
    if completed is None:
        raise _no_longer()
    return completed


def _no_longer() -> NotNow:
    return NotNow("sign-in-over", "This sign-in waits for no code, or no longer.", "Sign in again.")


def _use_code(
    database: Database,
    vault: Vault,
    number: int,
    code: str,
    now: datetime,
) -> None:
    with database.reading() as tx:
        credentials = accounts.credentials_of(tx, number)
    tried, tried_at = credentials.wrong_codes, credentials.code_tried_at
    _check_wait(tried, tried_at, now, remedy="")
    secret = vault.unlock(credentials.totp_secret)
    period = totp.period_of(secret, code, now, credentials.totp_period) if secret else None
    with database.writing() as tx:
        if not accounts.begin_code(tx, number, tried, now):
            raise Overloaded("code-at-work", "Another code is being checked.", after=1)
        if period is not None and accounts.use_period(tx, number, period):
            return
    _log.warning("wrong code", account=number)
    raise Refused(
        "wrong-code", "This code is not good, or was used before.", "Wait for the next one."
    )


def set_password(
    database: Database, account: UserAccount, old: str, new: str, session: Session, by: Actor
) -> None:
    """Sets or changes the password, and ends the account's other sessions.

    Raises:
        SignInNeeded: this session has ended meanwhile.
        Refused: the old password is wrong, or the new one is too short or too long.
        Overloaded: the account must wait after wrong tries.
    """
    with database.reading() as tx:
        credentials = accounts.credentials_of(tx, account.number)
    if credentials.password:
        _check_wait(credentials.failures, credentials.failed_at, by.at)
        if not passwords.is_right(old, credentials.password):
            with database.writing() as tx:
                accounts.note_failure(tx, account.number, by.at)
            raise _wrong_password()
    kept = passwords.hash_of(new)
    with database.writing() as tx:
        if _still_proved(tx, account.number, credentials.password) is None:
            raise _wrong_password()
        _check_open(tx, session)
        accounts.change_account(tx, account.number, password=kept, failures=0, failed_at=None)
        record_account(tx, by, account.number, "password", {"password": None})
        sessions.end_of_account(tx, account.number, by, but=session.number)
    _log.info("password set", account=account.number)


def _check_open(tx: Connection, session: Session) -> None:
    """Raises SignInNeeded where the session was ended while its request was under way: who held it
    may be why it was ended, and must not stay in by a password or second factor of theirs."""
    if not sessions.is_open(tx, session.number):
        raise SignInNeeded


def _wrong_password() -> Refused:
    return Refused("wrong-password", "The present password is another one.")


def start_totp(account: UserAccount) -> str:
    """The secret of a second factor that is to be confirmed by a first code.

    Raises:
        NotNow: the account has one.
    """
    if account.has_totp:
        raise _has_factor()
    return totp.new_secret()


def _has_factor() -> NotNow:
    return NotNow("has-second-factor", "The account has a second factor already.")


def confirm_totp(
    database: Database,
    vault: Vault,
    account: UserAccount,
    secret: str,
    code: str,
    session: Session,
    by: Actor,
) -> None:
    """Keeps the second factor, once a code shows that the person's app has it.

    Raises:
        SignInNeeded: this session has ended meanwhile.
        Refused: the code is wrong.
        NotNow: the account has a second factor.
    """
    if account.has_totp:
        raise _has_factor()
    period = totp.period_of(secret, code, by.at, 0)
    if period is None:
        raise Refused("wrong-code", "This code is not good.", "Enter the one that the app shows.")
    with database.writing() as tx:
        accounts.lock(tx, account.number)
        _check_open(tx, session)
        if has_factor(tx, account.number):  # of another device, meanwhile
            raise _has_factor()
        accounts.change_account(
            tx, account.number, totp_secret=vault.lock(secret), totp_period=period
        )
        record_account(tx, by, account.number, "second factor", {"second_factor": None})
        sessions.end_of_account(tx, account.number, by, but=session.number)
    _log.info("second factor set", account=account.number)


def remove_totp(
    database: Database, vault: Vault, account: UserAccount, code: str, session: Session, by: Actor
) -> None:
    """Takes the second factor away, against one of its codes.

    Raises:
        SignInNeeded: this session has ended meanwhile.
        Refused: the code is wrong.
        Overloaded: the account must wait after wrong codes.
    """
    _use_code(database, vault, account.number, code, by.at)
    with database.writing() as tx:
        accounts.lock(tx, account.number)
        _check_open(tx, session)
        accounts.change_account(tx, account.number, totp_secret=b"", totp_period=0)
        record_account(tx, by, account.number, "second factor removed", {"second_factor": None})
        sessions.end_of_account(tx, account.number, by, but=session.number)
    _log.info("second factor removed", account=account.number)
