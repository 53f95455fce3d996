"""Changes by requests: under the centre's lease, audited, with the response kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Response
from sqlalchemy import Connection

from lms_bridge.api import idempotency
from lms_bridge.api.auth import caller, check_token_again
from lms_bridge.api.idempotency import KeyClaim
from lms_bridge.api.problems import problem
from lms_bridge.api.responses import JSON, ApiResponse
from lms_bridge.bridge import Aside, Bridge
from lms_bridge.domain.errors import (
    BridgeError,
    LeaseLost,
    Overloaded,
    Refused,
    RetryLater,
    StopRun,
)
from lms_bridge.domain.model import Centre, Flow, Kind
from lms_bridge.sync.context import API, Asked, RunContext
from lms_bridge.sync.run import RunRequest
from lms_bridge.sync.run_state import BUSY
from lms_bridge.web.access import the_bridge

Act = Callable[[Connection, RunContext], ApiResponse]
_Results = list[ApiResponse | BridgeError]
_Run = Callable[[RunContext, KeyClaim | None, _Results], None]
_FLOWS = {
    Kind.OFFERING: Flow.OFFERINGS,
    Kind.ENROLMENT: Flow.ENROLMENTS,
    Kind.LEARNER: Flow.ENROLMENTS,
    Kind.RESULT: Flow.RESULTS,
}
BUSY_SECONDS = 30
"""``Retry-After`` while a centre is being synced."""


def change(centre: Centre, kind: Kind, act: Act, aside: Aside | None = None) -> Response:
    """Makes a change in one transaction under the centre's lease, as a run of its own.

    Raises:
        Overloaded: another run of the centre did not end while the request waited.
        Refused: as ``act`` says; nothing was changed then.
    """

    def run(context: RunContext, claim: KeyClaim | None, results: _Results) -> None:
        result: ApiResponse | BridgeError
        context.asked = Asked(kind, "change")  # the act itself says more
        with context.writing() as tx:
            try:
                with context.savepoint(tx):
                    result = act(tx, context)
                    _keep(tx, claim, result)
            except LeaseLost:
                raise
            except BridgeError as error:
                result = error
                context.note_refusal(error)
        results.append(result)  # only after the commit

    return done_once(lambda claim: _under_lease(the_bridge(), centre, kind, run, claim, aside))


def change_in_parts(
    centre: Centre,
    kind: Kind,
    act: Callable[[RunContext], ApiResponse],
    aside: Aside | None = None,
) -> Response:
    """The same for an ``act`` that makes transactions of its own. If it breaks off, what it did
    before stays, and the request may be repeated."""

    def run(context: RunContext, claim: KeyClaim | None, results: _Results) -> None:
        context.asked = Asked(kind, "change")
        try:
            result = act(context)
        except LeaseLost:
            raise
        except BridgeError as error:
            with context.writing():
                context.note_refusal(error)
            results.append(error)
            return
        with context.writing() as tx:
            _keep(tx, claim, result)
        results.append(result)

    return done_once(lambda claim: _under_lease(the_bridge(), centre, kind, run, claim, aside))


def _keep(tx: Connection, claim: KeyClaim | None, result: ApiResponse) -> None:
    headers = {**result.all_headers(), "Content-Type": JSON}
    idempotency.keep(tx, claim, result.status, headers, result.body)


def done_once(do: Callable[[KeyClaim | None], ApiResponse]) -> Response:
    """Calls ``do``, unless a request with the same Idempotency-Key was done already.

    ``do`` keeps its response by ``idempotency.keep``, in the transaction that makes the change.
    """
    claim = idempotency.claim()
    if isinstance(claim, Response):
        return claim
    try:
        reply = do(claim)
    except BridgeError as error:
        kept = _keep_refusal(claim, error) if claim is not None else None
        if kept is None:
            raise
        return kept
    except BaseException:
        if claim is not None:
            idempotency.release(claim)
        raise
    return Response(reply.body, reply.status, reply.all_headers(), mimetype=JSON)


def _keep_refusal(claim: KeyClaim, error: BridgeError) -> Response | None:
    """A final refusal is kept, and repeated with its reference; after a passing failure the key may
    be used again."""
    response = problem(error)
    if response is not None and 400 <= response.status_code < 500:
        idempotency.keep_refusal(claim, response)
        return response
    idempotency.release(claim)
    return None


def _under_lease(
    bridge: Bridge,
    centre: Centre,
    kind: Kind,
    act: _Run,
    claim: KeyClaim | None,
    aside: Aside | None,
) -> ApiResponse:
    results: _Results = []

    def run(context: RunContext) -> None:
        try:
            check_token_again()  # the request may have waited for minutes
        except Refused as error:
            results.append(error)
            return
        act(context, claim, results)

    request = RunRequest(
        centre, bridge.policy_of(centre), (_FLOWS[kind],), API, requested_by=caller().name
    )
    report = bridge.in_turn(centre, lambda: bridge.runner().run(request, run), aside)
    if report.status == BUSY:
        raise _busy(centre)
    if not results:
        raise _reason(centre, [error for _, error in report.errors])
    (result,) = results
    if isinstance(result, BridgeError):
        raise result
    return result


def _reason(centre: Centre, errors: Sequence[BridgeError]) -> BridgeError:
    """Why a change was not made."""
    if any(isinstance(error, LeaseLost) for error in errors):
        return Overloaded(
            "centre-busy",
            f"Another run of {centre.code} began before the change was complete.",
            "Send it again after the seconds that Retry-After names.",
            after=BUSY_SECONDS,
        )
    passing = (error for error in errors if isinstance(error, RetryLater))
    return next(passing, StopRun("change-failed", "The change failed."))


def _busy(centre: Centre) -> Overloaded:
    return Overloaded(
        "centre-busy",
        f"{centre.code} is being synced at the moment. Nothing was changed.",
        "Try again after the seconds that Retry-After names.",
        after=BUSY_SECONDS,
    )
