"""Pushing to a bridge elsewhere, through its interface."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from lms_bridge.cli.output import say, warn
from lms_bridge.domain.errors import NotUnderstood, Refused
from lms_bridge.domain.ports import Limits
from lms_bridge.http import Http, Response

_SECONDS = 600.0
_TOLD = (400, 404, 405, 409, 412, 413, 415, 422)
"""Statuses whose problem documents say what to do."""
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Remote:
    """A bridge elsewhere."""

    address: str
    token: str = field(repr=False)


def push_there(
    remote: Remote,
    code: str,
    octets: bytes,
    media: str,
    *,
    whole: bool,
    dry: bool,
    quiet: bool,
) -> Mapping[str, Any]:
    """Pushes and gives the answer. A lost answer is asked for again: by its key, the push is done
    once.

    Raises:
        Refused: the other bridge says what is wrong with the request.
        RetryLater, StopRun: it cannot be reached, or does not know the token.
    """
    place = urlsplit(remote.address)
    if place.scheme == "http" and place.hostname not in _LOCAL:
        warn("The token goes over a connection that is not encrypted.")
    if not quiet:
        say(f"Sending {len(octets) / 1_000_000:.1f} MB to {place.hostname} ...")
    address = f"{remote.address.rstrip('/')}/api/v1/centres/{quote(code, safe='')}/schedule"
    http = Http(Limits(read_seconds=_SECONDS), private_addresses=True, system="The bridge")
    try:
        answer = http.request(
            "PUT" if whole else "PATCH",
            f"{address}?dry_run=true" if dry else address,
            headers={
                "Authorization": f"Bearer {remote.token}",
                "Content-Type": media,
                "Idempotency-Key": str(uuid.uuid4()),
            },
            body=octets,
            repeatable=True,
            returns=_TOLD,
        )
    finally:
        http.close()
    told = _json(answer)
    if answer.status != 200:
        raise Refused(
            str(told.get("code") or "refused"),
            str(told.get("detail") or f"The bridge answered with {answer.status}."),
            str(told.get("remedy") or ""),
        )
    if "summary" not in told:
        raise _strange()
    return told


def _json(answer: Response) -> Mapping[str, Any]:
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        raise _strange()
    return told


def _strange() -> NotUnderstood:
    return NotUnderstood(
        "not-understood",
        "What answered at this address is not a bridge.",
        "Give the address of its pages, without /api.",
    )
