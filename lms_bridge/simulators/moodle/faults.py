"""Faults on demand: what goes wrong between the bridge and a Moodle, one call at a time."""

import random
from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum
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
class Fault:
    """One fault.

    ``after_work`` (for the kinds that replace the answer) means that the site did what was asked
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


class FaultPlan:
    """Which calls go wrong. ``*`` stands for every function; planned faults go before chance."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._next: dict[str, deque[Fault]] = {}
        self._chances: list[tuple[str, Fault, float, random.Random]] = []
        self.happened: Counter[str] = Counter()

    def next(self, function: str, fault: Fault, times: int = 1) -> None:
        """Let the next ``times`` calls of the function go wrong, after those planned before."""
        with self._lock:
            self._next.setdefault(function, deque()).extend([fault] * times)

    def sometimes(self, function: str, fault: Fault, probability: float, seed: int = 0) -> None:
        """Let each call of the function go wrong with that probability."""
        with self._lock:
            chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
            self._chances.append((function, fault, probability, chance))

    def clear(self) -> None:
        """Plan nothing any more."""
        with self._lock:
            self._next.clear()
            self._chances.clear()

    def take(self, function: str) -> Fault | None:
        """The fault of this call, if any."""
        with self._lock:
            fault = self._planned(function) or self._by_chance(function)
            if fault is not None:
                self.happened[fault.kind] += 1
            return fault

    def _planned(self, function: str) -> Fault | None:
        for key in (function, EVERY):
            if queue := self._next.get(key):
                return queue.popleft()
        return None

    def _by_chance(self, function: str) -> Fault | None:
        for key, fault, probability, chance in self._chances:
            if key in (function, EVERY) and chance.random() < probability:
                return fault
        return None
