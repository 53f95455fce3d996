"""Sign-in links, and the sessions that they open.

A link and its session are one row of the database, which has only the hash of their secrets. To
use the link gives the row another secret, in one statement: of several clicks at once one succeeds.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog
from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.audit import PAGE, Actor, Change, Fields, Subject, record
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.settings import SignInSettings
from lms_bridge.store.account_tables import account as account_table
from lms_bridge.store.account_tables import web_session
from lms_bridge.store.database import Database
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.types import Utc

_log = structlog.get_logger(__name__)
PATH = "/sign-in"
LONGEST_NAME = 100
HALF_MINUTES = 10
"""How long a sign-in waits for its second factor."""
SEEN_SECONDS = 60.0
"""How exact ``seen_at`` is: a session that is in use is written to once in so many seconds."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session; a link that nobody used yet where ``signed_in_at`` is None.

    With neither account nor learner it is an operator's, by a link from the command line. ``half``
    means that the second factor is still to be shown.
    """

    number: int
    name: str
    account: int | None
    learner: int | None
    half: bool
    created_at: datetime
    signed_in_at: datetime | None
    seen_at: datetime | None
    expires_at: datetime

    @property
    def is_operators(self) -> bool:
        return self.account is None and self.learner is None

    def ends_at(self, limits: SignInSettings) -> datetime:
        """When it ends if it is not used until then."""
        if self.seen_at is None:
            return self.expires_at
        return min(self.expires_at, self.seen_at + timedelta(minutes=limits.idle_minutes))


_COLUMNS = [
    web_session.c[name]
    for name in (
        *("id", "name", "account_id", "learner_id", "half"),
        *("created_at", "signed_in_at", "seen_at", "expires_at"),
    )
]
_IS_LINK = web_session.c.signed_in_at.is_(None)
_FIND = {
    "link": Prepared(
        select(*_COLUMNS).where(
            web_session.c.digest == bindparam("digest_is"),
            web_session.c.expires_at > bindparam("now", type_=Utc),
            _IS_LINK,
        )
    ),
    "session": Prepared(
        select(*_COLUMNS).where(
            web_session.c.digest == bindparam("digest_is"),
            web_session.c.expires_at > bindparam("now", type_=Utc),
            web_session.c.seen_at > bindparam("seen_after", type_=Utc),
            ~_IS_LINK,
        )
    ),
}


def make_operator_link(
    database: Database, name: str, limits: SignInSettings, by: Actor
) -> tuple[Session, str]:
    """A link for this operator, and its secret, which is kept nowhere.

    Raises:
        Refused: the name cannot be one.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Refused(
            "operator-name",
            f"An operator's name has 1 to {LONGEST_NAME} characters that can be printed.",
            "Name the operator with --name.",
        )
    forget_ended(database, limits, by.at)
    with database.writing() as tx:
        return make_link(tx, name, limits, by)


def make_link(
    tx: Connection,
    name: str,
    limits: SignInSettings,
    by: Actor,
    account: int | None = None,
    learner: int | None = None,
) -> tuple[Session, str]:
    """A link for this account or learner, or for an operator; and its secret, which is kept
    nowhere."""
    row = {
        "name": name,
        "account_id": account,
        "learner_id": learner,
        "created_at": by.at,
        "expires_at": by.at + timedelta(minutes=limits.link_minutes),
    }
    made, secret = _insert(tx, row)
    _record(tx, by, made, "link", {"expires_at": (None, plain(made.expires_at))})
    _log.info("sign-in link made", session=made.number, account=account, by=by.name)
    return made, secret


def make_learner_link(
    tx: Connection, learner: int, limits: SignInSettings, by: Actor
) -> tuple[Session, str]:
    """A link that signs a learner in, without any role. It ends the learner's earlier links."""
    tx.execute(delete(web_session).where(web_session.c.learner_id == learner, _IS_LINK))
    return make_link(tx, f"learner {learner}", limits, by, learner=learner)


def open_links(tx: Connection, account: int, now: datetime) -> int:
    """How many links of this account can still be used."""
    mine = (web_session.c.account_id == account, _IS_LINK, web_session.c.expires_at > now)
    return tx.scalar(select(func.count()).select_from(web_session).where(*mine)) or 0


def open_session(
    tx: Connection,
    name: str,
    account: int | None,
    limits: SignInSettings,
    now: datetime,
    *,
    half: bool,
    learner: int | None = None,
) -> tuple[Session, str]:
    """A session of this account or learner, without a link: by a password or another system's
    word.

    Raises:
        ValueError: it would be nobody's, and so an operator's.
    """
    if account is None and learner is None:
        raise ValueError("a session needs an account or a learner")
    row = {
        "name": name,
        "account_id": account,
        "learner_id": learner,
        "half": half,
        "created_at": now,
        "signed_in_at": now,
        "seen_at": now,
        "expires_at": now + _time_for(limits, half=half),
    }
    made, secret = _insert(tx, row)
    _record_sign_in(tx, made, now)
    return made, secret


def _insert(tx: Connection, row: Mapping[str, Any]) -> tuple[Session, str]:
    """The new link or session, and its secret, of which the hash alone is kept."""
    secret = secrets.token_urlsafe(32)
    new = insert(web_session).values({**row, "digest": digest_of(secret)})
    return _session(tx.execute(new.returning(*_COLUMNS)).one()), secret


def _time_for(limits: SignInSettings, *, half: bool) -> timedelta:
    return timedelta(minutes=HALF_MINUTES) if half else timedelta(hours=limits.session_hours)


def _record_sign_in(tx: Connection, session: Session, now: datetime) -> None:
    if session.half:
        return
    by = Actor(session.name, PAGE, now)
    _record(tx, by, session, "sign in", {"signed_in_at": (None, plain(now))})
    _log.info("signed in", session=session.number, account=session.account)


def complete(
    tx: Connection, session: Session, limits: SignInSettings, now: datetime
) -> tuple[Session, str] | None:
    """The session after its second factor, with another secret. None where it has ended."""
    secret = secrets.token_urlsafe(32)
    row = tx.execute(
        update(web_session)
        .where(web_session.c.id == session.number, web_session.c.half)
        .values(
            digest=digest_of(secret),
            half=False,
            seen_at=now,
            expires_at=now + _time_for(limits, half=False),
        )
        .returning(*_COLUMNS)
    ).first()
    if row is None:
        return None
    made = _session(row)
    _record_sign_in(tx, made, now)
    return made, secret


def find(
    database: Database,
    kind: Literal["link", "session"],
    secret: str,
    limits: SignInSettings,
    now: datetime,
) -> Session | None:
    """The link or the session that this is the secret of, while it can be used."""
    values = {
        "digest_is": digest_of(secret),
        "now": now,
        "seen_after": now - timedelta(minutes=limits.idle_minutes),
    }
    row = database.at_once(_FIND[kind], values, writing=False)
    return None if row is None else Session(*row)


def find_ended(tx: Connection, secret: str) -> Session | None:
    """The session of this secret, also where its time is over: it says whose form comes too late,
    and lets nobody in."""
    mine = (web_session.c.digest == digest_of(secret), ~_IS_LINK, ~web_session.c.half)
    row = tx.execute(select(*_COLUMNS).where(*mine)).first()
    return None if row is None else _session(row)


def use_link(
    database: Database,
    secret: str,
    limits: SignInSettings,
    now: datetime,
    *,
    needs_factor: Callable[[Connection, int], bool] = lambda tx, account: False,
) -> tuple[Session, str] | None:
    """Uses a link: its session, and the session's secret. None when the link is used or over.
    ``needs_factor`` says whether an account has a second factor to show."""
    found = find(database, "link", secret, limits, now)
    if found is None:  # guesses do not get to write
        return None
    new = secrets.token_urlsafe(32)
    unused = (
        web_session.c.digest == digest_of(secret),
        web_session.c.expires_at > now,
        _IS_LINK,
    )
    with database.writing() as tx:
        half = found.account is not None and needs_factor(tx, found.account)
        opened = {
            "digest": digest_of(new),
            "half": half,
            "signed_in_at": now,
            "seen_at": now,
            "expires_at": now + _time_for(limits, half=half),
        }
        row = tx.execute(
            update(web_session).where(*unused).values(opened).returning(*_COLUMNS)
        ).first()
        if row is None:
            return None
        session = _session(row)
        _record_sign_in(tx, session, now)
    return session, new


def keep_alive(database: Database, session: Session, now: datetime) -> None:
    """Notes that a session is in use, at most once a minute. A database that cannot be written to,
    or is being written to, keeps nobody from reading."""
    if session.seen_at is None or (now - session.seen_at).total_seconds() < SEEN_SECONDS:
        return
    try:
        with database.writing_now() as tx:
            tx.execute(
                update(web_session).where(web_session.c.id == session.number).values(seen_at=now)
            )
    except SQLAlchemyError as error:
        _log.debug("session not kept alive", error=type(error).__name__)


def is_open(tx: Connection, number: int) -> bool:
    """Whether nobody has ended the session of this number, also since a request of it began."""
    return tx.scalar(select(web_session.c.id).where(web_session.c.id == number)) is not None


def is_learners(tx: Connection, number: int, learner: int) -> bool:
    """Whether nobody has ended the session of this number, and it still is this learner's: it is
    not where their account was disabled, or parted from the learner."""
    own = func.coalesce(web_session.c.learner_id, account_table.c.learner_id)
    of_account = account_table.c.id == web_session.c.account_id
    found = (
        select(web_session.c.id)
        .join(account_table, of_account, isouter=True)
        .where(
            web_session.c.id == number,
            own == learner,
            account_table.c.disabled_at.is_(None),
        )
    )
    return tx.scalar(found) is not None


def sign_out(database: Database, session: Session, now: datetime) -> None:
    with database.writing() as tx:
        ended = _end(tx, web_session.c.id == session.number)
        for each in ended:
            by = Actor(each.name, PAGE, now)
            _record(tx, by, each, "sign out", {"signed_in_at": (plain(each.signed_in_at), None)})
    _log.info("signed out", session=session.number, account=session.account)


def revoke(database: Database, numbers: Sequence[int], name: str, by: Actor) -> list[Session]:
    """Ends these sessions and links at once, and those of the operator with this name.

    Raises:
        NotFound: none of them is there.
    """
    chosen = or_(web_session.c.id.in_(numbers), web_session.c.name == (name.strip() or None))
    with database.writing() as tx:
        ended = _end(tx, chosen)
        for each in ended:
            _record(tx, by, each, "revoke", {"expires_at": (plain(each.expires_at), plain(by.at))})
    if not ended:
        raise NotFound(
            "no-such-session",
            "There is no such session and no such link.",
            "See `operator sessions`.",
        )
    for each in ended:
        _log.info("session revoked", session=each.number, account=each.account, by=by.name)
    return ended


def end_of_account(
    tx: Connection, account: int, by: Actor, *, but: int | None = None, learner: int | None = None
) -> list[Session]:
    """Ends the links and sessions of this account, but for one session; and those that another
    system's word opened for its ``learner``."""
    chosen = web_session.c.account_id == account
    if learner is not None:
        chosen = or_(chosen, web_session.c.learner_id == learner)
    if but is not None:
        chosen = and_(chosen, web_session.c.id != but)
    ended = _end(tx, chosen)
    for each in ended:
        _record(tx, by, each, "revoke", {"expires_at": (plain(each.expires_at), plain(by.at))})
    return ended


def all_sessions(
    tx: Connection, limits: SignInSettings, now: datetime, account: int | None = None
) -> list[Session]:
    """Every session that is good, and every link that can still be used; of one account, or of
    all."""
    query = select(*_COLUMNS).order_by(web_session.c.id)
    if account is not None:
        query = query.where(web_session.c.account_id == account)
    rows = map(_session, tx.execute(query))
    return [each for each in rows if each.ends_at(limits) > now]


KNOWN_AFTER_END = timedelta(days=7)


def forget_ended(database: Database, limits: SignInSettings, now: datetime) -> None:
    """Deletes the rows of links and sessions that are over for a week: until then whoever left a
    form open over the night, or over the weekend, is known, and their text is kept."""
    long_ago = now - KNOWN_AFTER_END
    idle = long_ago - timedelta(minutes=limits.idle_minutes)
    over = or_(web_session.c.expires_at <= long_ago, web_session.c.seen_at <= idle)
    with database.writing() as tx:
        _end(tx, over)


def link_address(public_address: str, secret: str) -> str:
    return f"{public_address}{PATH}/{secret}"


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def _end(tx: Connection, chosen: Any) -> list[Session]:
    rows = tx.execute(delete(web_session).where(chosen).returning(*_COLUMNS))
    return list(map(_session, rows))


def _record(tx: Connection, by: Actor, session: Session, action: str, fields: Fields) -> None:
    subject = Subject.OPERATOR if session.is_operators else Subject.ACCOUNT
    record(tx, by, Change(subject, action, session.number, session.name, fields))


def _session(row: Any) -> Session:
    return Session(*row)
