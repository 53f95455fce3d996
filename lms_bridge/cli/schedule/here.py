"""Pushing into the bridge of this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.progress import watching
from lms_bridge.domain.errors import Overloaded, Refused
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.schemas.schedule import MOST_BYTES, Body
from lms_bridge.sync.run import BUSY, Report
from lms_bridge.sync.schedule.answers import Answer
from lms_bridge.sync.schedule.pushing import Push, take_in_push
from lms_bridge.sync.schedule.scanning import scan
from lms_bridge.sync.trial import trial_of
from lms_bridge.sync.work import Progress, Work

_LOOK_SECONDS = 0.1


def push_here(
    bridge: Bridge,
    code: str,
    octets: bytes,
    media: str,
    *,
    whole: bool,
    dry: bool,
    quiet: bool,
) -> Mapping[str, Any]:
    """Pushes and gives the answer, as the interface would.

    Raises:
        NotFound: there is no such centre.
        Refused: the file cannot be read, or is too large.
        Overloaded: the centre is being synced, and was not done while we waited.
    """
    centre = bridge.centre(code)
    if len(octets) > MOST_BYTES:
        raise Refused("too-large", f"The file has more than {MOST_BYTES:,} bytes.", "Split it.")
    body = Body(octets, media, centre.time_zone)
    push = Push(body, scan(body), whole)
    if dry:
        work = trial_of(bridge.database, centre, bridge.policy_of(centre))
        with work.writing() as tx:
            answer = take_in_push(tx, work, push, bridge.settings.rules)
    else:
        with watching([centre.code], quiet=quiet) as watch:
            answer, report = _in_turn(bridge, centre, push, watch.progress)
            watch.done(report)
    document: Mapping[str, Any] = orjson.loads(orjson.dumps(answer.document()))
    return document


def _in_turn(
    bridge: Bridge, centre: Centre, push: Push, progress: Progress
) -> tuple[Answer, Report]:
    answers: list[Answer] = []

    def act(work: Work) -> None:
        with work.writing() as tx:
            answer = take_in_push(tx, work, push, bridge.settings.rules)
        answers.append(answer)  # only now: what was not committed is not told

    request = bridge.request(centre, (Flow.OFFERINGS,), trigger="push")
    end = time.monotonic() + bridge.settings.api.wait_seconds
    while (report := bridge.runner(progress).run(request, act)).status == BUSY:
        if time.monotonic() >= end:
            raise Overloaded(
                "centre-busy",
                f"{centre.code} is being synced at the moment. Nothing was changed.",
                "Try again in a while.",
            )
        time.sleep(_LOOK_SECONDS)
    if not answers:
        raise report.errors[0][1]
    return answers[0], report
