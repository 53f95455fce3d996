"""Which jobs a centre has, and when each is due."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from lms_bridge.cron import Cron, Every, check
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.settings import Clock

_log = structlog.get_logger(__name__)

CATALOGUE, ENROLMENTS, RESULTS = "catalogue", "enrolments", "results"


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of run of one centre. ``id`` is its name in the table ``tick``."""

    centre: str
    kind: str
    flows: tuple[Flow, ...]
    full: bool
    due: Cron | Every

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.centre}"

    def after(self, moment: datetime) -> datetime | None:
        """The first due time later than ``moment``."""
        return self.due.after(moment)


def jobs_of(centre: Centre, clock: Clock) -> list[Job]:
    """The jobs of an active centre: at night everything in full, enrolments and results between.

    The times of all centres are spread, each by an offset that stays its own: thirty centres
    would otherwise start in the same second, and a time drawn anew could come twice.
    """
    if not centre.active:
        return []
    code = centre.code
    nightly = Cron(
        _expression(centre, clock.catalogue),
        _zone(centre),
        offset_of(code, CATALOGUE, clock.jitter_seconds),
    )
    return [
        Job(code, CATALOGUE, tuple(Flow), True, nightly),
        Job(code, ENROLMENTS, (Flow.ENROLMENTS,), False, _every(code, ENROLMENTS, clock)),
        Job(code, RESULTS, (Flow.RESULTS,), False, _every(code, RESULTS, clock)),
    ]


def _every(code: str, kind: str, clock: Clock) -> Every:
    minutes = clock.enrolments_minutes if kind == ENROLMENTS else clock.results_minutes
    return Every(minutes * 60, offset_of(code, kind, minutes * 60))


def offset_of(centre: str, kind: str, most: int) -> float:
    """A number of whole seconds below ``most`` that is this job's own for ever."""
    if most <= 0:
        return 0.0
    drawn = hashlib.blake2b(f"{kind}:{centre}".encode(), digest_size=8).digest()
    return float(int.from_bytes(drawn) % most)


def _expression(centre: Centre, default: str) -> str:
    """The centre's own expression where it has a usable one: a slip in one centre's policy must
    not keep the clock from all the others."""
    own = centre.policy.get("catalogue")
    if own is None:
        return default
    try:
        check(str(own))
    except ValueError as error:
        _log.warning("catalogue is no cron expression", centre=centre.code, problem=str(error))
        return default
    return str(own)


def _zone(centre: Centre) -> str:
    try:
        ZoneInfo(centre.time_zone)
    except (ValueError, OSError, LookupError):
        _log.warning("unknown time zone, UTC instead", centre=centre.code, zone=centre.time_zone)
        return "UTC"
    return centre.time_zone
