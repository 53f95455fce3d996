"""Changing something: under the centre's lease, with its audit, and with the answer kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Response
from sqlalchemy import Connection

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.errors import BridgeError, LeaseLost, Overloaded, StopRun
from lms_bridge.domain.model import Centre, Flow, Kind
from lms_bridge.store.kept_answers import Claim
from lms_bridge.sync.offering_acts import API
from lms_bridge.sync.run import BUSY, RunRequest
from lms_bridge.sync.work import Work
from lms_bridge.web.api import keys
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.problems import problem
from lms_bridge.web.api.replies import JSON, Reply
from lms_bridge.web.api.waiting import room
from lms_bridge.web.bridging import the_bridge

Act = Callable[[Connection, Work], Reply]
_FLOWS = {
    Kind.OFFERING: Flow.OFFERINGS,
    Kind.ENROLMENT: Flow.ENROLMENTS,
    Kind.LEARNER: Flow.ENROLMENTS,
    Kind.RESULT: Flow.RESULTS,
}
_LOOK_SECONDS = 0.1
BUSY_SECONDS = 30
"""When to come back while a centre is being synced."""


def change(centre: Centre, kind: Kind, act: Act) -> Response:
    """Does what was asked in one transaction under the centre's lease, as a run of its own.

    Raises:
        Overloaded: a run of the centre is going, and did not end while we waited.
        Refused: as the act says; nothing was changed then.
    """
    return done_once(lambda claim: _under_lease(the_bridge(), centre, kind, act, claim))


def done_once(do: Callable[[Claim | None], Reply]) -> Response:
    """Does what was asked, unless it was done already with the same key. What is given to ``do``
    is to be kept, by ``keys.keep``, in the transaction that changes something."""
    claim = keys.claim()
    if isinstance(claim, Response):
        return claim
    try:
        reply = do(claim)
    except BridgeError as error:
        if claim is not None:
            _keep_refusal(claim, error)
        raise
    except BaseException:
        if claim is not None:
            keys.give_back(claim)
        raise
    return Response(reply.body, reply.status, reply.head(), mimetype=JSON)


def _keep_refusal(claim: Claim, error: BridgeError) -> None:
    """What was refused for good is refused again; what may go well later may be tried again."""
    response = problem(error)
    if response is not None and 400 <= response.status_code < 500:
        keys.keep_refusal(claim, response)
    else:
        keys.give_back(claim)


@dataclass
class _Done:
    reply: Reply | None = None
    error: BridgeError | None = None


def _under_lease(
    bridge: Bridge, centre: Centre, kind: Kind, act: Act, claim: Claim | None
) -> Reply:
    done = _Done()

    def run(work: Work) -> None:
        reply = None
        with work.writing() as tx:
            try:
                with work.part(tx):
                    reply = act(tx, work)
                    head = {**reply.head(), "Content-Type": JSON}
                    keys.keep(tx, claim, reply.status, head, reply.body)
            except LeaseLost:
                raise
            except BridgeError as error:
                reply, done.error = None, error
                work.note(kind, API, "change", "refused", error=error)
        done.reply = reply  # only now: what was not committed is not told

    order = RunRequest(
        centre, bridge.policy_of(centre), (_FLOWS[kind],), API, asked_by=caller().name
    )
    report = bridge.runner().run(order, run)
    if report.status == BUSY:
        with room().place() as may_wait:
            end = time.monotonic() + bridge.settings.api.wait_seconds * may_wait
            while report.status == BUSY:
                if time.monotonic() >= end:
                    raise _busy(centre)
                time.sleep(_LOOK_SECONDS)
                report = bridge.runner().run(order, run)
    if done.error is not None:
        raise done.error
    if done.reply is None:
        lost = any(isinstance(error, LeaseLost) for _, error in report.errors)
        raise _busy(centre) if lost else StopRun("change-failed", "The change failed.")
    return done.reply


def _busy(centre: Centre) -> Overloaded:
    return Overloaded(
        "centre-busy",
        f"{centre.code} is being synced at the moment. Nothing was changed.",
        "Try again after the seconds that Retry-After names.",
        after=BUSY_SECONDS,
    )
