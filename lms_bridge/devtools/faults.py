"""Faults on demand: what goes wrong with a simulated system, one request at a time."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any, Self

EVERY = "*"


class FaultKind(StrEnum):
    """The kinds of fault. Their values are the names in the control endpoint's JSON.

    TRUNCATED is a whole HTTP answer with half of its JSON; CUT breaks the connection halfway.
    """

    HTTP = "http"
    RESET = "reset"
    TRUNCATED = "truncated"
    CUT = "cut"
    LOGIN_PAGE = "login_page"
    REDIRECT = "redirect"
    MAINTENANCE = "maintenance"
    XML = "xml"
    EMPTY = "empty"
    SLOW = "slow"
    WRONG_TYPE = "wrong_type"
    DUPLICATE_ROWS = "duplicate_rows"


#: Kinds that spoil the answer of a call whose work was done.
SPOILS_ANSWER = frozenset(
    {
        FaultKind.TRUNCATED,
        FaultKind.CUT,
        FaultKind.XML,
        FaultKind.EMPTY,
        FaultKind.SLOW,
        FaultKind.WRONG_TYPE,
        FaultKind.DUPLICATE_ROWS,
    }
)


@dataclass(frozen=True, slots=True)
class SimulatedFault:
    """One fault.

    ``after_work`` (for the kinds that replace the answer) means that the site did the work
    before the answer was lost: the case in which asking again blindly does the work twice.
    ``status`` and ``retry_after`` belong to HTTP, ``seconds`` to SLOW.
    """

    kind: FaultKind
    after_work: bool = False
    status: int = 503
    retry_after: str | None = None
    seconds: float = 1.0

    @classmethod
    def http(cls, status: int, retry_after: str | None = None, *, after_work: bool = False) -> Self:
        """An HTML page with that status, and a ``Retry-After`` of seconds or a date."""
        return cls(FaultKind.HTTP, after_work, status, retry_after)

    @classmethod
    def reset(cls, *, after_work: bool = False) -> Self:
        """The connection breaks without an answer."""
        return cls(FaultKind.RESET, after_work)

    @classmethod
    def slow(cls, seconds: float) -> Self:
        """The answer drips in over that many seconds."""
        return cls(FaultKind.SLOW, seconds=seconds)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """``{"kind": "http", "status": 502, …}``. Raises ValueError or TypeError if not one."""
        return cls(**{**data, "kind": FaultKind(data["kind"])})


@dataclass(slots=True)
class _Planned:
    pattern: str
    fault: SimulatedFault
    after: int
    times: int


class FaultPlan:
    """Which requests go wrong. Safe for threads; planned faults go before chance.

    A pattern is about functions (Moodle) or paths (the Academy); ``*`` in it stands for anything.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._planned: list[_Planned] = []
        self._chances: list[tuple[str, SimulatedFault, float, random.Random]] = []
        self.happened: Counter[str] = Counter()

    def next(self, pattern: str, fault: SimulatedFault, times: int = 1, *, after: int = 0) -> None:
        """Lets the next ``times`` requests of that pattern go wrong, when those planned before
        have happened and ``after`` others went well."""
        with self._lock:
            self._planned.append(_Planned(pattern, fault, after, times))

    def sometimes(
        self, pattern: str, fault: SimulatedFault, probability: float, seed: int = 0
    ) -> None:
        """Lets each request of that pattern go wrong with that probability."""
        with self._lock:
            chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
            self._chances.append((pattern, fault, probability, chance))

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()
            self._chances.clear()

    def take(self, target: str) -> SimulatedFault | None:
        """The fault of this request, if any."""
        with self._lock:
            fault = self._next_planned(target) or self._by_chance(target)
            if fault is not None:
                self.happened[fault.kind] += 1
            return fault

    def _next_planned(self, target: str) -> SimulatedFault | None:
        for planned in self._planned:
            if not fnmatchcase(target, planned.pattern):
                continue
            if planned.after:
                planned.after -= 1
                return None
            planned.times -= 1
            if not planned.times:
                self._planned.remove(planned)
            return planned.fault
        return None

    def _by_chance(self, target: str) -> SimulatedFault | None:
        for pattern, fault, probability, chance in self._chances:
            if fnmatchcase(target, pattern) and chance.random() < probability:
                return fault
        return None
