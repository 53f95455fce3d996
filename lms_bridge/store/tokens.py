"""Tokens: shown once when made, kept as hashes, found by their prefix.

A token reads ``lmsb_<prefix>_<secret>``. The prefix is public: it names the token in lists and in
the audit. The secret has 256 random bits, so that one round of SHA-256 protects it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, insert, select, update

from lms_bridge.domain.access import Reach, Scope, Token
from lms_bridge.domain.errors import NotFound
from lms_bridge.store.api_tables import api_token

MARK = "lmsb"
_FORM = re.compile(rf"{MARK}_([a-z2-7]{{12}})_([\w-]{{43}})", re.ASCII)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def create(
    tx: Connection,
    *,
    purpose: str,
    reach: Reach,
    scopes: Sequence[Scope],
    at: datetime,
    by: str,
    expires_at: datetime | None = None,
    per_minute: int = 0,
) -> tuple[Token, str]:
    """Makes a token; gives it, and the text that is shown this once."""
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
    """Gives out requests of one minute (counted from 1970), whichever process asks; gives how
    many of that minute are given out now, these included."""
    this_minute = api_token.c.minute == minute
    given: int = tx.execute(
        update(api_token)
        .where(api_token.c.id == token_id)
        .values(
            given=case((this_minute, api_token.c.given + many), else_=many),
            minute=minute,
            used_at=at,
        )
        .returning(api_token.c.given)
    ).scalar_one()
    return given


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
        Reach(row.centre, row.region),
        frozenset(Scope(each) for each in row.scopes if each in _KNOWN),
        row.per_minute,
        row.created_at,
        row.created_by,
        row.expires_at,
        row.revoked_at,
        row.used_at,
    )


_KNOWN = frozenset(map(str, Scope))
