"""Making tokens and ending them, as operators ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from lms_bridge.domain.access import EVERYTHING, NOT_FOR_CENTRES, Reach, Scope, Token
from lms_bridge.domain.document import Json, difference, plain
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.logs import redacted_text
from lms_bridge.store import centres, tokens
from lms_bridge.store.database import Database
from lms_bridge.sync.auditing import By, Changed, Subject, filled, keep

_log = structlog.get_logger(__name__)
MOST_DAYS, MOST_PER_MINUTE = 36_525, 1_000_000


@dataclass(frozen=True, slots=True)
class Wish:
    """The token that an operator asks for. ``days`` is how long it lasts, 0 for ever."""

    purpose: str
    scopes: Sequence[Scope]
    reach: Reach = EVERYTHING
    days: int = 0
    per_minute: int = 0


def make_token(
    database: Database, wish: Wish, regions: Sequence[str], *, by: By
) -> tuple[Token, str]:
    """A new token, and the text that is shown this once. ``regions`` are those that there are.

    Raises:
        NotFound: there is no such centre or region.
        Refused: the purpose or the scopes are missing, or a scope is not for one centre alone.
    """
    if not wish.purpose.strip():
        raise Refused("no-purpose", "The token's purpose is missing.")
    if wish.days > MOST_DAYS or wish.per_minute > MOST_PER_MINUTE:
        raise Refused(
            "out-of-range",
            f"A token has {MOST_DAYS:,} days and {MOST_PER_MINUTE:,} requests a minute at most.",
            "0 days: it lasts for ever.",
        )
    if not wish.scopes:
        raise Refused("no-scope", "A token needs one scope at least.")
    if wish.reach.centre and wish.reach.region:
        raise Refused("two-reaches", "A token is for a centre or for a region, not for both.")
    for scope in wish.scopes:
        if wish.reach.centre and scope in NOT_FOR_CENTRES:
            raise Refused("scope-not-for-centres", f"{scope} is not for a centre's token.")
    if wish.reach.region and wish.reach.region not in regions:
        raise NotFound(
            "no-such-region", "There is no such region.", f"Known: {', '.join(regions)}."
        )
    with database.writing() as tx:
        if wish.reach.centre and centres.find(tx, wish.reach.centre) is None:
            raise NotFound("no-such-centre", "There is no such centre.", "See `centre list`.")
        made = tokens.create(
            tx,
            purpose=wish.purpose.strip(),
            reach=wish.reach,
            scopes=sorted(set(wish.scopes)),
            at=by.at,
            by=by.who,
            expires_at=by.at + timedelta(days=wish.days) if wish.days else None,
            per_minute=wish.per_minute,
        )
        keep(tx, by, _changed(made[0]), "make", difference({}, _told(made[0])))
    _log_change(made[0].prefix, "made", by)
    return made


def _changed(token: Token) -> Changed:
    return Changed(Subject.TOKEN, token.id, token.prefix, token.reach.centre)


def _told(token: Token) -> dict[str, Json]:
    """What the audit tells of a new token: never its secret or the hash of it."""
    return filled(
        {
            "purpose": redacted_text(token.purpose),
            "centre": token.reach.centre,
            "region": token.reach.region,
            "scopes": plain(sorted(token.scopes)),
            "per_minute": token.per_minute or None,
            "expires_at": plain(token.expires_at),
        }
    )


def _log_change(prefix: str, change: str, by: By) -> None:
    _log.info("token changed", prefix=prefix, change=change, by=by.who)


def end_token(database: Database, prefix: str, *, by: By) -> None:
    """Raises NotFound when there is no such token."""
    with database.writing() as tx:
        ended = tokens.revoke(tx, prefix, by.at, by.who)
        if ended is None:
            return
        keep(tx, by, _changed(ended), "revoke", {"revoked_at": (None, plain(ended.revoked_at))})
    _log_change(prefix, "revoked", by)
