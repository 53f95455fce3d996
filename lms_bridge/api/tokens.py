"""API tokens: made, found, revoked."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, case, insert, select, update

from lms_bridge.audit import Actor, Change, Fields, Subject, changed_fields, record
from lms_bridge.domain.access import (
    EVERYTHING,
    NOT_FOR_CENTRES,
    PEOPLE_ONLY,
    DataScope,
    Scope,
    Token,
    check_reach,
)
from lms_bridge.domain.document import Json, plain
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.logs import redacted_text
from lms_bridge.schemas.characters import visible
from lms_bridge.store import centres
from lms_bridge.store.api_tables import api_token
from lms_bridge.store.database import Database

_log = structlog.get_logger(__name__)
MOST_DAYS, MOST_PER_MINUTE = 36_525, 1_000_000
MARK = "lmsb"
_FORM = re.compile(rf"{MARK}_([a-z2-7]{{12}})_([\w-]{{43}})", re.ASCII)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class NewToken:
    """The token that an operator asks for. ``days`` is how long it lasts, 0 for ever."""

    purpose: str
    scopes: Sequence[Scope]
    reach: DataScope = EVERYTHING
    days: int = 0
    per_minute: int = 0


def create_token(
    database: Database, new: NewToken, regions: Sequence[str], *, by: Actor
) -> tuple[Token, str]:
    """A new token, and the text that is shown this once. ``regions`` are those that there are.

    Raises:
        NotFound: there is no such centre or region.
        Refused: the purpose or the scopes are missing, or a scope is not for one centre alone.
    """
    purpose = visible(new.purpose).strip()
    if not purpose:
        raise Refused("no-purpose", "The token's purpose is missing.")
    if new.days > MOST_DAYS or new.per_minute > MOST_PER_MINUTE:
        raise out_of_range()
    if not new.scopes:
        raise Refused("no-scope", "A token needs one scope at least.")
    for scope in new.scopes:
        if scope in PEOPLE_ONLY:
            raise Refused("scope-not-for-tokens", f"{scope} is for people who sign in.")
        if new.reach.centre and scope in NOT_FOR_CENTRES:
            raise Refused("scope-not-for-centres", f"{scope} is not for a centre's token.")
    with database.writing() as tx:
        known = centres.find(tx, new.reach.centre) is not None
        check_reach(new.reach, "A token", regions, centre_known=known)
        made = add(
            tx,
            purpose=purpose,
            reach=new.reach,
            scopes=sorted(set(new.scopes)),
            at=by.at,
            by=by.name,
            expires_at=by.at + timedelta(days=new.days) if new.days else None,
            per_minute=new.per_minute,
        )
        _record(tx, by, made[0], "make", changed_fields(None, _audited(made[0])))
    _log_change(made[0].prefix, "made", by)
    return made


def out_of_range() -> Refused:
    return Refused(
        "out-of-range",
        f"A token has {MOST_DAYS:,} days and {MOST_PER_MINUTE:,} requests a minute at most.",
        "0 days: it lasts for ever.",
    )


def _record(tx: Connection, by: Actor, token: Token, action: str, fields: Fields) -> None:
    centre = token.reach.centre
    record(tx, by, Change(Subject.TOKEN, action, token.id, token.prefix, fields, centre))


def _audited(token: Token) -> dict[str, Json]:
    """The audit's fields of a new token, without its secret and its hash."""
    return {
        "purpose": redacted_text(token.purpose),
        "centre": token.reach.centre,
        "region": token.reach.region,
        "scopes": plain(sorted(token.scopes)),
        "per_minute": token.per_minute or None,
        "expires_at": plain(token.expires_at),
    }


def _log_change(prefix: str, change: str, by: Actor) -> None:
    _log.info("token changed", prefix=prefix, change=change, by=by.name)


def revoke_token(database: Database, prefix: str, *, by: Actor) -> None:
    """Raises NotFound when there is no such token."""
    with database.writing() as tx:
        ended = revoke(tx, prefix, by.at, by.name)
        if ended is None:
            return
        _record(tx, by, ended, "revoke", {"revoked_at": (None, plain(ended.revoked_at))})
    _log_change(prefix, "revoked", by)


def add(
    tx: Connection,
    *,
    purpose: str,
    reach: DataScope,
    scopes: Sequence[Scope],
    at: datetime,
    by: str,
    expires_at: datetime | None = None,
    per_minute: int = 0,
) -> tuple[Token, str]:
    """Stores a new token; returns it, and the text that is shown this once."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    secret = secrets.token_urlsafe(32)
    row = {
        "prefix": prefix,
        "digest": _digest(secret),
        "purpose": purpose[:255],
        "centre": reach.centre,
        "region": reach.region,
        "scopes": sorted(scopes),
        "per_minute": per_minute,
        "created_at": at,
        "created_by": by[:100],
        "expires_at": expires_at,
    }
    made = tx.execute(insert(api_token).values(row).returning(*_COLUMNS)).one()
    return _token(made), f"{MARK}_{prefix}_{secret}"


def find(tx: Connection, text: str) -> Token | None:
    """The token that a text is, usable or not; None when it is none that was ever made."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    row = tx.execute(_BY_PREFIX, {"of_prefix": form[1]}).first()
    if row is None or not hmac.compare_digest(row.digest, _digest(form[2])):
        return None
    return _token(row)


def is_usable(tx: Connection, token: Token, at: datetime) -> bool:
    """Whether a token that was found a while ago can still be used."""
    row = tx.execute(_BY_PREFIX, {"of_prefix": token.prefix}).first()
    return row is not None and _token(row).usable(at)


def all_tokens(tx: Connection) -> list[Token]:
    return [_token(row) for row in tx.execute(select(*_COLUMNS).order_by(api_token.c.id))]


def revoke(tx: Connection, prefix: str, at: datetime, by: str) -> Token | None:
    """Ends a token at once, and gives it; one that is ended already stays as it is (None).

    Raises:
        NotFound: there is no such token.
    """
    known = tx.scalar(select(api_token.c.id).where(api_token.c.prefix == prefix))
    if known is None:
        raise NotFound("no-such-token", f"There is no token {prefix[:20]}.", "See `token list`.")
    row = tx.execute(
        update(api_token)
        .where(api_token.c.id == known, api_token.c.revoked_at.is_(None))
        .values(revoked_at=at, revoked_by=by[:100])
        .returning(*_COLUMNS)
    ).first()
    return None if row is None else _token(row)


def reserve(tx: Connection, token_id: int, minute: int, many: int, at: datetime) -> int:
    """Reserves requests of one minute (counted from 1970). Returns how many of that minute all
    processes have reserved now, these included."""
    this_minute = api_token.c.minute == minute
    reserved: int = tx.execute(
        update(api_token)
        .where(api_token.c.id == token_id)
        .values(
            reserved=case((this_minute, api_token.c.reserved + many), else_=many),
            minute=minute,
            used_at=at,
        )
        .returning(api_token.c.reserved)
    ).scalar_one()
    return reserved


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


_COLUMNS = [
    api_token.c[name]
    for name in (
        *("id", "prefix", "purpose", "centre", "region", "scopes", "per_minute"),
        *("created_at", "created_by", "expires_at", "revoked_at", "used_at", "digest"),
    )
]
_BY_PREFIX = select(*_COLUMNS).where(api_token.c.prefix == bindparam("of_prefix"))


def _token(row: Any) -> Token:
    return Token(
        row.id,
        row.prefix,
        row.purpose,
        DataScope(row.centre, row.region),
        frozenset(Scope(each) for each in row.scopes if each in _KNOWN),
        row.per_minute,
        row.created_at,
        row.created_by,
        row.expires_at,
        row.revoked_at,
        row.used_at,
    )


_KNOWN = frozenset(map(str, Scope))
