"""``Idempotency-Key``: the same request with the same key is done once, and answered the same.

The answer is kept in the transaction that does what was asked, so that a crash leaves both or
neither. Requests that come together wait for the first one's answer.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from datetime import timedelta

from flask import Response, request
from sqlalchemy import Connection

from lms_bridge.domain.errors import LeaseLost, Overloaded, Refused
from lms_bridge.store import kept_answers as store
from lms_bridge.store import leases
from lms_bridge.store.kept_answers import Claim
from lms_bridge.sync.work import utc_now
from lms_bridge.web.api.callers import caller
from lms_bridge.web.bridging import the_bridge

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_FORM = re.compile(r"[\x21-\x7e]{1,255}")
_LOOK_SECONDS = 0.05
_STALE = timedelta(minutes=15)
"""A claim that old is of a request whose machine is gone: none is at work for so long."""


def claim() -> Claim | Response | None:
    """The right to do what this request asks for; the answer, where it was done already; None
    where the request has no key.

    Raises:
        Refused: the key is unusable, or came with another request before.
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
    mine = Claim(token.id, key, leases.new_holder())
    digest = _digest()
    end = time.monotonic() + the_bridge().settings.api.wait_seconds
    while True:
        found = _look(mine, digest)
        if found is not None:
            return found
        if time.monotonic() >= end:
            raise Overloaded(
                "key-at-work", "The first request with this key is still at work.", after=1
            )
        time.sleep(_LOOK_SECONDS)


def _look(mine: Claim, digest: bytes) -> Claim | Response | None:
    """None while another request with the key is at work, or has just ended without an answer."""
    bridge, now = the_bridge(), utc_now()
    with bridge.database.writing() as tx:
        store.purge(tx, now - timedelta(hours=bridge.settings.api.answer_hours))
        known = store.claim(tx, mine, digest, now)
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
        if gone and store.take_over(tx, mine, known.holder, now):
            return mine
    return None


def _digest() -> bytes:
    parts = (
        request.method.encode(),
        request.full_path.encode(),
        request.mimetype.encode(),
        request.headers.get("If-Match", "").encode(),
        request.get_data(cache=True),
    )
    # With the lengths apart: no two requests run together into the same bytes.
    framed = b"".join(b"%d:%b" % (len(part), part) for part in parts)
    return hashlib.sha256(framed).digest()


def keep(
    tx: Connection, mine: Claim | None, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Keeps the answer in the transaction that does what was asked.

    Raises:
        LeaseLost: this request was taken for dead and another one does the same.
    """
    if mine is not None and not store.keep(tx, mine, status, headers, body):
        raise LeaseLost("lease-lost", "Another request with the same key has taken over.")


def keep_refusal(mine: Claim, response: Response) -> None:
    with the_bridge().database.writing() as tx:
        headers = {"Content-Type": response.content_type or ""}
        store.keep(tx, mine, response.status_code, headers, response.get_data())


def give_back(mine: Claim) -> None:
    with the_bridge().database.writing() as tx:
        store.give_back(tx, mine)
