"""Which pushes are read and applied now: few at once, in turns, and what ends one.

A push has a place once all of it is here. If it works for long, it lets others go first whenever
they wait. So nobody waits for the end of another centre's largest schedule. The centre whose pushes
took the least time lately goes first. Small pushes and large ones have a place each while both
wait, so neither waits for all of the others.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from lms_bridge.domain.errors import Overloaded

MOST_AT_ONCE = 2
"""Pushes that a process works at at once: the others' requests need its time, too."""
MOST_SMALL = 1024 * 1024
"""Bytes of a small push: some hundred offerings."""
TURN_SECONDS = 0.5
"""How long a push works before it lets others go first."""
AFTER_SECONDS = 10
"""``Retry-After`` while there is no place."""
_CHECK_SECONDS = 0.2
_HALF_LIFE = 60.0
"""Seconds after which work counts half."""


class WorkDeadline:
    """Ends work that takes longer than some seconds, or that nobody waits for any more."""

    def __init__(self, seconds: float, is_gone: Callable[[], bool]) -> None:
        self._seconds, self._is_gone = seconds, is_gone
        self._began = self._checked = time.monotonic()

    def check(self) -> None:
        """Raises Overloaded when the work is to end."""
        now = time.monotonic()
        if now - self._checked < _CHECK_SECONDS:
            return
        self._checked = now
        if now - self._began > self._seconds or self._is_gone():
            raise Overloaded(
                "push-too-slow",
                f"The push took more than {self._seconds:g} seconds, or its sender left. "
                "Nothing was changed.",
                "Send it in parts, with PATCH.",
                after=AFTER_SECONDS,
            )

    def extend(self, seconds: float) -> None:
        """So many seconds were others'."""
        self._began += seconds


class PushPlace:
    """The place of one push of a centre, by one token, of so many bytes."""

    def __init__(self, centre: str, token: str, size: int) -> None:
        self.centre, self.token, self.small = centre, token, size <= MOST_SMALL
        self.since = self.left = 0.0
        """When its turn began, and when it let others go first."""

    def give_way(self, watch: WorkDeadline) -> None:
        """Lets others go first, if they wait and this push has had its turn. It is called where
        the push holds no lock of the database."""
        if time.monotonic() - self.since >= TURN_SECONDS:
            _places.take_turns(self)
            watch.extend(self.since - self.left)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Others may work while the block lasts; then it waits for its next turn."""
        _places.leave(self)
        try:
            yield
        finally:
            _places.go_on(self)


class _Places:
    """Those of this process. Safe for threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._begun: list[PushPlace] = []
        """At most one of each centre and token."""
        self._at_work: list[PushPlace] = []
        self._waiting: list[PushPlace] = []
        self._worked: dict[str, tuple[float, float]] = {}
        """How many seconds a centre was at work, as they count at a moment; and that moment."""

    def begin(self, place: PushPlace, seconds: float) -> bool:
        """Waits so long until no push of the same centre or token is begun, and then for a turn.
        Returns whether it may work."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_alone(place), seconds):
                return False
            self._begun.append(place)
            self._await_turn(place)
        return True

    def leave(self, place: PushPlace) -> None:
        with self._changed:
            self._at_work.remove(place)
            place.left = now = time.monotonic()
            self._worked[place.centre] = self._share(place.centre, now) + now - place.since, now
            self._changed.notify_all()

    def go_on(self, place: PushPlace) -> None:
        with self._changed:
            self._await_turn(place)

    def end(self, place: PushPlace) -> None:
        with self._changed:
            self._begun.remove(place)
        self.leave(place)

    def take_turns(self, place: PushPlace) -> None:
        """Lets those go first that took less, or whose kind has no place. A push that is the first
        one itself goes on at once."""
        with self._changed:
            self.leave(place)
            self._await_turn(place)

    def _await_turn(self, place: PushPlace) -> None:
        """Its end is near: each push that goes first has a turn."""
        self._waiting.append(place)
        self._changed.wait_for(lambda: self._is_next(place))
        self._waiting.remove(place)
        self._at_work.append(place)
        place.since = time.monotonic()
        self._changed.notify_all()

    def _is_next(self, place: PushPlace) -> bool:
        if len(self._at_work) >= MOST_AT_ONCE:
            return False
        return self._first(self._waiting, self._at_work) is place

    def _first(self, waiting: Sequence[PushPlace], at_work: Sequence[PushPlace]) -> PushPlace:
        """Who works next beside those at work. A kind, small or large, that has no place is before
        the other one."""
        now, there = time.monotonic(), {each.small for each in at_work}
        return min(waiting, key=lambda each: (each.small in there, self._share(each.centre, now)))

    def _share(self, centre: str, now: float) -> float:
        """The seconds that its pushes took lately."""
        seconds, at = self._worked.get(centre, (0.0, now))
        return seconds * math.exp2((at - now) / _HALF_LIFE)

    def _is_alone(self, place: PushPlace) -> bool:
        return not any(_are_alike(place, other) for other in self._begun)


def _are_alike(one: PushPlace, other: PushPlace) -> bool:
    return one.centre == other.centre or one.token == other.token


_places = _Places()


@contextmanager
def push_place(centre: str, token: str, size: int, wait_seconds: float) -> Iterator[PushPlace]:
    """A place for a push of so many bytes, of one centre by one token, for as long as the block
    lasts.

    Raises:
        Overloaded: until the end of the wait, another push of this centre or by this token was at
            work.
    """
    place = PushPlace(centre, token, size)
    if not _places.begin(place, wait_seconds):
        raise Overloaded(
            "push-waits",
            "Other pushes are being read at the moment. Nothing was changed.",
            "Send it again after the seconds that Retry-After names.",
            after=AFTER_SECONDS,
        )
    try:
        yield place
    finally:
        _places.end(place)
