"""The probe: what the platform can do with this token, changing nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from connectors.academy_http.client import Client, Reply
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.ports import Finding, Verdict

CONTRACT = "1"
CLOCK_TOLERANCE = timedelta(minutes=5)

_OFFERINGS, _ENROLMENTS, _RESULTS = "offerings", "enrolments", "results"


def probe(client: Client) -> Iterator[Finding]:
    """Findings on the address, the token, the contract, the clock and each kind of request."""
    try:
        health = client.get("/")
    except BridgeError as error:
        flows = (_OFFERINGS, _ENROLMENTS, _RESULTS)
        yield Finding("health", Verdict.MISSING, error.message, error.remedy, flows)
        return
    yield _contract(health)
    yield _clock(health, datetime.now(UTC))
    for check, flow, request in _requests(client):
        yield _tried(check, flow, request)


def _requests(client: Client) -> Iterator[tuple[str, str, Callable[[], Reply]]]:
    """A name that nothing has and empty batches are answered with empty lists (docs)."""
    yield "offerings: read", _OFFERINGS, lambda: client.get("/offerings", [("ids", "probe")])
    yield "offerings: write", _OFFERINGS, lambda: client.post_batch("/offerings/batch", [])
    yield (
        "enrolments: read",
        _ENROLMENTS,
        lambda: client.get("/enrolments", [("centre", "probe"), ("limit", "1")]),
    )
    yield "results: write", _RESULTS, lambda: client.post_batch("/results/batch", [])


def _tried(check: str, flow: str, request: Callable[[], Reply]) -> Finding:
    try:
        request().items()
    except BridgeError as error:
        return Finding(check, Verdict.MISSING, error.message, error.remedy, (flow,))
    return Finding(check, Verdict.OK, "The platform answers as the contract says.")


def _contract(health: Reply) -> Finding:
    if health.data.get("contract") == CONTRACT:
        return Finding("contract", Verdict.OK, f"The platform speaks version {CONTRACT}.")
    return Finding(
        "contract",
        Verdict.MISSING,
        f"The platform does not say that it speaks version {CONTRACT} of the contract.",
        "See docs/academy-api.md, Health.",
        (_OFFERINGS, _ENROLMENTS, _RESULTS),
    )


def _clock(health: Reply, now: datetime) -> Finding:
    try:
        theirs = datetime.fromisoformat(str(health.data.get("time")))
        apart = abs(theirs - now)
    except (ValueError, TypeError):  # no time, or one without an offset
        return Finding("clock", Verdict.WARNING, "The platform does not tell its time in UTC.")
    if apart > CLOCK_TOLERANCE:
        minutes = int(apart.total_seconds() // 60)
        return Finding("clock", Verdict.WARNING, f"The clocks are {minutes} minutes apart.")
    return Finding("clock", Verdict.OK, "The clocks agree.")
