"""`Idempotency-Key`: a request that is repeated with the same key is done once.

The first request claims the key, and keeps its response in the transaction that makes the change:
a crash leaves both or neither. The same request with the same key gets the kept response; while
the first one is at work, others wait for it.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Response, request
from sqlalchemy import Connection, delete, select, update

from lms_bridge.api.auth import caller
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import LeaseLost, Overloaded, Refused
from lms_bridge.store import leases
from lms_bridge.store.api_tables import kept_response
from lms_bridge.store.bulk import insert_missing
from lms_bridge.web.access import the_bridge
from lms_bridge.web.environ import body_of_request

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_FORM = re.compile(r"[\x21-\x7e]{1,255}")
_POLL_SECONDS = 0.05
_STALE = timedelta(minutes=15)
"""The machine of an older claim is gone: no request takes so long."""


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """One request's right to do what its key stands for."""

    token_id: int
    key: str
    holder: str


def claim() -> KeyClaim | Response | None:
    """Claims the key of this request, or returns the kept response; None: there is no key.

    Raises:
        Refused: the key is not usable, or came with another request before.
        Overloaded: the first request with this key is still at work.
    """
    key = request.headers.get(HEADER)
    token = caller().token
    if key is None or token is None:
        return None
    if not _FORM.fullmatch(key):
        raise Refused(
            "key-invalid",
            "An Idempotency-Key has 1 to 255 visible ASCII characters.",
            "A UUID is a good one.",
        )
    mine = KeyClaim(token.id, key, leases.new_holder())
    digest = _request_digest()
    end = time.monotonic() + the_bridge().settings.api.wait_seconds
    while True:
        found = _try_claim(mine, digest)
        if found is not None:
            return found
        if time.monotonic() >= end:
            raise Overloaded(
                "key-at-work", "The first request with this key is still at work.", after=1
            )
        time.sleep(_POLL_SECONDS)


def keep(
    tx: Connection, mine: KeyClaim | None, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Keeps the response, in the transaction that makes the change.

    Raises:
        LeaseLost: another request has taken over the key and makes the same change.
    """
    if mine is not None and not keep_response(tx, mine, status, headers, body):
        raise LeaseLost("lease-lost", "Another request with the same key has taken over.")


def keep_refusal(mine: KeyClaim, response: Response) -> None:
    with the_bridge().database.writing() as tx:
        headers = {"Content-Type": response.content_type or ""}
        keep_response(tx, mine, response.status_code, headers, response.get_data())


def release(mine: KeyClaim) -> None:
    """Nothing was done: the next request with the key may try."""
    with the_bridge().database.writing() as tx:
        tx.execute(delete(kept_response).where(*_of(mine), kept_response.c.holder == mine.holder))


def keep_response(
    tx: Connection, mine: KeyClaim, status: int, headers: Mapping[str, str], body: bytes
) -> bool:
    """Returns False when another request has taken over the key."""
    kept = tx.execute(
        update(kept_response)
        .where(*_of(mine), kept_response.c.holder == mine.holder)
        .values(holder="", status=status, headers=dict(headers), body=body)
    )
    return kept.rowcount == 1


def _try_claim(mine: KeyClaim, digest: bytes) -> KeyClaim | Response | None:
    """None while another request with the key is at work, or has just released it."""
    bridge, now = the_bridge(), utc_now()
    with bridge.database.writing() as tx:
        oldest = now - timedelta(hours=bridge.settings.api.answer_hours)
        tx.execute(delete(kept_response).where(kept_response.c.at < oldest))
        insert_missing(tx, kept_response, [_new_row(mine, digest, now)], ("token_id", "key"))
        known = tx.execute(select(kept_response).where(*_of(mine))).first()
        if known is None:
            return None
        if known.holder == mine.holder:
            return mine
        if known.digest != digest:
            raise Refused(
                "key-reused",
                "This Idempotency-Key came with another request before.",
                "Use a new key for a new request.",
            )
        if not known.holder:
            response = Response(known.body, known.status, dict(known.headers))
            response.headers[REPLAYED] = "true"
            return response
        gone = leases.is_dead(known.holder) or known.at < now - _STALE
        if gone and _take_over(tx, mine, known.holder, now):
            return mine
    return None


def _new_row(mine: KeyClaim, digest: bytes, at: datetime) -> dict[str, Any]:
    return {
        "token_id": mine.token_id,
        "key": mine.key,
        "digest": digest,
        "holder": mine.holder,
        "headers": {},
        "at": at,
    }


def _take_over(tx: Connection, mine: KeyClaim, holder: str, at: datetime) -> bool:
    """Takes over the claim of a request that ended without a response."""
    taken = tx.execute(
        update(kept_response)
        .where(*_of(mine), kept_response.c.holder == holder)
        .values(holder=mine.holder, at=at)
    )
    return taken.rowcount == 1


def _of(mine: KeyClaim) -> tuple[Any, ...]:
    return kept_response.c.token_id == mine.token_id, kept_response.c.key == mine.key


def _request_digest() -> bytes:
    parts = (
        request.method.encode(),
        request.full_path.encode(),
        request.mimetype.encode(),
        request.headers.get("If-Match", "").encode(),
        body_of_request(),
    )
    hashed = hashlib.sha256()
    for part in parts:
        # Each part has its length before it, so that no two requests have the same bytes.
        hashed.update(b"%d:" % len(part))
        hashed.update(part)
    return hashed.digest()
