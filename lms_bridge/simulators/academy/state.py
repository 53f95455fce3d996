"""What the simulated platform holds: a catalogue, enrolments in two orders, and results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from lms_bridge.simulators.academy.faults import FaultPlan

Record = dict[str, Any]


@dataclass(slots=True)
class Entry:
    """One enrolment. ``number`` never changes; ``changed`` grows with each of its changes."""

    number: int
    centre: str
    changed: int
    record: Record


@dataclass
class Academy:
    """The platform. Hold ``lock`` to look at it while requests come in.

    ``refused`` are codes of offerings and ids of learners whose rows get 422, an offering's with
    the title ``refusal``; ``whole_batches`` makes a batch with such a row be refused as a whole.
    ``oldest_change`` is the oldest cursor of changes that it still knows.
    """

    token: str = "simulated-academy-token"  # noqa: S105  # opens nothing but this simulator
    version: str = "1.0-simulated"
    offerings: dict[str, Record] = field(default_factory=dict)
    results: dict[tuple[str, str], Record] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    refusal: str = "The title is already taken"
    whole_batches: bool = False
    oldest_change: int = 0
    last_change: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    answered: dict[str, tuple[int, Any]] = field(default_factory=dict)
    faults: FaultPlan = field(default_factory=FaultPlan)
    lock: RLock = field(default_factory=RLock, repr=False)

    def enrol(
        self, centre: str, offering: str, learner: Mapping[str, str], status: str = "enrolled"
    ) -> str:
        """Adds an enrolment and gives its id."""
        with self.lock:
            number = len(self.entries) + 1
            enrolment = f"e{number}"
            record: Record = {
                "id": enrolment,
                "offering": offering,
                "status": status,
                "starts_at": None,
                "ends_at": None,
                "learner": dict(learner),
            }
            self.entries[enrolment] = Entry(number, centre, self._tick(), record)
            return enrolment

    def change(self, enrolment: str, **members: object) -> None:
        """Changes members of an enrolment, such as its ``status``."""
        with self.lock:
            entry = self.entries[enrolment]
            entry.record = {**entry.record, **members}
            entry.changed = self._tick()

    def withdraw(self, enrolment: str) -> None:
        self.change(enrolment, status="withdrawn")

    def is_enrolled(self, offering: str, learner: str) -> bool:
        return any(
            entry.record["offering"] == offering and entry.record["learner"]["id"] == learner
            for entry in self.entries.values()
        )

    def _tick(self) -> int:
        self.last_change += 1
        return self.last_change
