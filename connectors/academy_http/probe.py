"""Checks what the platform lets the bridge do with its token. Nothing is changed there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from lms_bridge.connectors.academy_http.client import AcademyHttpClient, AcademyHttpReply
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.ports import ProbeFinding, Verdict

CONTRACT = "1"
CLOCK_TOLERANCE = timedelta(minutes=5)

_OFFERINGS, _ENROLMENTS, _RESULTS = "offerings", "enrolments", "results"


def probe(client: AcademyHttpClient) -> Iterator[ProbeFinding]:
    """Checks the address, the token, the contract, the clock and each kind of request."""
    try:
        health = client.get("/")
    except BridgeError as error:
        flows = (_OFFERINGS, _ENROLMENTS, _RESULTS)
        yield ProbeFinding("health", Verdict.MISSING, error.message, error.remedy, flows)
        return
    yield _contract(health)
    yield _clock(health, datetime.now(UTC))
    for check, flow, request in _requests(client):
        yield _tried(check, flow, request)


def _requests(
    client: AcademyHttpClient,
) -> Iterator[tuple[str, str, Callable[[], AcademyHttpReply]]]:
    """An unknown name and an empty batch get empty lists (docs/academy-api.md)."""
    yield "offerings: read", _OFFERINGS, lambda: client.get("/offerings", [("ids", "probe")])
    yield "offerings: write", _OFFERINGS, lambda: client.post_batch("/offerings/batch", [])
    yield (
        "enrolments: read",
        _ENROLMENTS,
        lambda: client.get("/enrolments", [("centre", "probe"), ("limit", "1")]),
    )
    yield "results: write", _RESULTS, lambda: client.post_batch("/results/batch", [])


def _tried(check: str, flow: str, request: Callable[[], AcademyHttpReply]) -> ProbeFinding:
    try:
        request().items()
    except BridgeError as error:
        return ProbeFinding(check, Verdict.MISSING, error.message, error.remedy, (flow,))
    return ProbeFinding(check, Verdict.OK, "The platform answers as the contract says.")


def _contract(health: AcademyHttpReply) -> ProbeFinding:
    if health.data.get("contract") == CONTRACT:
        return ProbeFinding("contract", Verdict.OK, f"The platform speaks version {CONTRACT}.")
    return ProbeFinding(
        "contract",
        Verdict.MISSING,
        f"The platform does not say that it speaks version {CONTRACT} of the contract.",
        "See docs/academy-api.md, Health.",
        (_OFFERINGS, _ENROLMENTS, _RESULTS),
    )


def _clock(health: AcademyHttpReply, now: datetime) -> ProbeFinding:
    try:
        theirs = datetime.fromisoformat(str(health.data.get("time")))
        apart = abs(theirs - now)
    except (ValueError, TypeError):  # the time is missing or has no offset
        return ProbeFinding("clock", Verdict.WARNING, "The platform does not tell its time in UTC.")
    if apart > CLOCK_TOLERANCE:
        minutes = int(apart.total_seconds() // 60)
        return ProbeFinding("clock", Verdict.WARNING, f"The clocks differ by {minutes} min.")
    return ProbeFinding("clock", Verdict.OK, "The clocks agree.")
