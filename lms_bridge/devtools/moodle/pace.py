"""How fast a site answers: a fixed latency, and a model of a machine that can only do so much."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Condition
from types import MappingProxyType

Latency = float | Callable[[], float]
EVERY = "*"

#: Seconds per call and per row of a real Moodle 4.5 on two cores. The recorded rates follow:
#: enrolling one by one 35/s, in batches of 100 135/s; about 110 people created a second; a roster
#: of 100 in 230 ms; 300 courses in 0.4 s by one function and 1.0 s by the other; the grades of a
#: course of 150 in 2.2 s; the ten courses of a person in 0.4 s.
MEASURED_COSTS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        EVERY: (0.029, 0.0),
        "enrol_manual_enrol_users": (0.02138, 0.00719),
        "enrol_manual_unenrol_users": (0.02138, 0.00719),
        "core_user_create_users": (0.020, 0.0089),
        "core_user_update_users": (0.020, 0.0089),
        "core_enrol_get_enrolled_users": (0.029, 0.0020),
        "tool_mobile_call_external_functions": (0.029, 0.0020),
        "core_enrol_get_users_courses": (0.029, 0.037),
        "gradereport_user_get_grade_items": (0.029, 0.0145),
        "core_course_get_courses": (0.029, 0.00124),
        "core_course_get_courses_by_field": (0.029, 0.00324),
    }
)
#: Four batches at once ran at 352/s instead of 135/s: the machine does 2.6 calls' work at once.
MEASURED_CAPACITY = 352 / 135


class Machine:
    """A processor that all calls in service share.

    Up to ``at_once`` calls are in service, the others queue. Together they get at most
    ``capacity`` seconds of work done per second, and each at most one.
    """

    def __init__(self, at_once: int, capacity: float) -> None:
        self._places = BoundedSemaphore(at_once)
        self._capacity = capacity
        self._changed = Condition()
        self._working = 0
        self._done_each = 0.0
        self._read_at = time.monotonic()

    def work(self, seconds: float) -> None:
        """Take as long as that much work takes beside the other calls."""
        with self._places, self._changed:
            self._advance()
            self._working += 1
            # The others' share shrinks: they reckon their waits anew.
            self._changed.notify_all()
            finish = self._done_each + seconds
            while (left := finish - self._done_each) > 1e-6:
                self._changed.wait(left / self._share())
                self._advance()
            self._working -= 1
            self._changed.notify_all()

    def _share(self) -> float:
        return min(1.0, self._capacity / max(1, self._working))

    def _advance(self) -> None:
        now = time.monotonic()
        self._done_each += (now - self._read_at) * self._share()
        self._read_at = now


@dataclass(frozen=True)
class ServiceTime:
    """What calls cost: function (or ``*``) -> (seconds per call, seconds per row).

    ``at_once`` calls are served at once, doing at most ``capacity`` seconds of work per second;
    by default as much as all of them can.
    """

    costs: Mapping[str, tuple[float, float]]
    at_once: int = 8
    capacity: float | None = None
    machine: Machine = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        capacity = float(self.at_once) if self.capacity is None else self.capacity
        object.__setattr__(self, "machine", Machine(self.at_once, capacity))

    def seconds(self, function: str, rows: int) -> float:
        per_call, per_row = self.costs.get(function) or self.costs.get(EVERY, (0.0, 0.0))
        return per_call + rows * per_row


def measured(scale: float = 1.0, at_once: int = 8) -> ServiceTime:
    """A real Moodle's pace, in proportion; ``scale`` 0.1 is ten times as fast."""
    costs = {name: (call * scale, row * scale) for name, (call, row) in MEASURED_COSTS.items()}
    return ServiceTime(costs, at_once, MEASURED_CAPACITY)


class Pace:
    """A site's slowness: ``latency`` per function or for ``*``, and a service-time model."""

    def __init__(self) -> None:
        self.latency: dict[str, Latency] = {}
        self.service_time: ServiceTime | None = None

    def hold(self, function: str, rows: int) -> None:
        """Wait as long as a call of that many rows takes. Called without the site's lock."""
        if self.service_time is not None:
            self.service_time.machine.work(self.service_time.seconds(function, rows))
        latency = self.latency.get(function, self.latency.get(EVERY, 0.0))
        seconds = latency() if callable(latency) else latency
        if seconds > 0:
            time.sleep(seconds)
