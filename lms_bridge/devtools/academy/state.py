"""The simulated Academy: what it holds, and the rules by which it changes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from lms_bridge.devtools.faults import FaultPlan

Record = dict[str, Any]
MOST_ITEMS = 100
_NEEDED = ("centre", "title", "status", "time_zone")
_CURSOR = re.compile(r"([pc])(\d{1,15})")
MOST_ENROLMENTS, USUAL_ENROLMENTS = 1000, 200
_ORDERS: dict[str, Callable[[RegistrationEntry], int]] = {
    "p": lambda entry: entry.number,
    "c": lambda entry: entry.changed,
}


class AcademyProblem(Exception):  # the word of RFC 9457
    """What is wrong with a request; ``pointer`` names the member at fault."""

    def __init__(self, status: int, title: str, pointer: str = "") -> None:
        super().__init__(title)
        self.status, self.title, self.pointer = status, title, pointer

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"title": self.title, "status": self.status}
        if self.pointer:
            document["errors"] = [{"pointer": self.pointer}]
        return document


@dataclass(slots=True)
class RegistrationEntry:
    """One enrolment. ``number`` never changes; ``changed`` grows with each of its changes."""

    number: int
    centre: str
    changed: int
    record: Record


@dataclass
class SimulatedAcademy:
    """The platform. Hold ``lock`` to look at it while requests come in.

    ``refused`` are codes of offerings and ids of learners whose rows get 422, an offering's with
    the title ``refusal``; ``whole_batches`` makes a batch with such a row be refused as a whole.
    ``oldest_change`` is the oldest cursor of changes that it still knows.
    """

    token: str = "simulated-academy-token"  # noqa: S105  # opens nothing but this simulator
    version: str = "1.0-simulated"
    offerings: dict[str, Record] = field(default_factory=dict)
    results: dict[tuple[str, str], Record] = field(default_factory=dict)
    entries: dict[str, RegistrationEntry] = field(default_factory=dict)
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
            self.entries[enrolment] = RegistrationEntry(number, centre, self._tick(), record)
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


Put = Callable[[SimulatedAcademy, Any], int]


def put_offering(academy: SimulatedAcademy, item: Any) -> int:
    """Stores an offering; gives the status. Raises Problem 422 for one that cannot be kept."""
    code = _text(item, "code")
    if code in academy.refused:
        raise AcademyProblem(422, academy.refusal, "#/title")
    _state(item)
    known = code in academy.offerings
    if item["state"] == "active":
        for name in _NEEDED:
            _text(item, name)
        academy.offerings[code] = item
    elif known:
        academy.offerings[code] = {**academy.offerings[code], "state": "removed"}
    return 200 if known or item["state"] == "removed" else 201


def put_result(academy: SimulatedAcademy, item: Any) -> int:
    """Stores a result; gives the status. Raises Problem 422 for one that cannot be kept."""
    offering, learner = _text(item, "offering"), _text(item, "learner")
    _state(item)
    if learner in academy.refused or not academy.is_enrolled(offering, learner):
        raise AcademyProblem(422, "The learner is not enrolled", "#/learner")
    known = (offering, learner) in academy.results
    academy.results[offering, learner] = item
    return 200 if known else 201


def put_batch(academy: SimulatedAcademy, put: Put, body: Any, key: str) -> tuple[int, Any]:
    """Stores what can be stored; gives the status and the answer, the same again for a known key.

    Raises:
        Problem: 400 or 413 for what is no batch; 422 where batches are taken whole or not at all.
    """
    if not key:
        raise AcademyProblem(400, "The Idempotency-Key is missing")
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise AcademyProblem(400, "There is no list of items", "#/items")
    if len(items) > MOST_ITEMS:
        raise AcademyProblem(413, "There are more than 100 items", "#/items")
    if key not in academy.answered:
        academy.answered[key] = (200, {"items": _rows(academy, put, items)})
    return academy.answered[key]


def _rows(academy: SimulatedAcademy, put: Put, items: list[Any]) -> list[Record]:
    before = dict(academy.offerings), dict(academy.results)
    rows: list[Record] = []
    for item in items:
        try:
            rows.append({"status": put(academy, item)})
        except AcademyProblem as problem:
            if academy.whole_batches:
                academy.offerings, academy.results = before
                raise
            rows.append({"status": problem.status, "problem": problem.document()})
    return rows


def _text(item: Any, name: str) -> str:
    value = item.get(name) if isinstance(item, dict) else None
    if not isinstance(value, str) or not value:
        raise AcademyProblem(422, "A member is missing", f"#/{name}")
    return value


def _state(item: Record) -> None:
    if item.get("state") not in ("active", "removed"):
        raise AcademyProblem(422, "The state is neither active nor removed", "#/state")


def page(academy: SimulatedAcademy, centre: str, cursor: str, limit: str) -> dict[str, Any]:
    """One page. Cursors: ``p<number>`` is a place in a whole read, ``c<change>`` in the changes.

    Raises:
        Problem: 400 for a wrong limit or no centre, 410 for a cursor that is not known.
    """
    if not centre:
        raise AcademyProblem(400, "The centre is missing")
    if limit and not (limit.isdecimal() and 1 <= int(limit) <= MOST_ENROLMENTS):
        raise AcademyProblem(400, "The limit is not a whole number from 1 to 1,000")
    order, after = _cursor_place(academy, cursor)
    key = _ORDERS[order]
    found = sorted(
        (
            entry
            for entry in academy.entries.values()
            if entry.centre == centre and key(entry) > after
        ),
        key=key,
    )
    shown = found[: int(limit or USUAL_ENROLMENTS)]
    more = len(found) > len(shown)
    return {
        "items": [entry.record for entry in shown],
        "next": f"{order}{key(shown[-1])}" if more else None,
        "changes": f"c{academy.last_change}",
    }


def _cursor_place(academy: SimulatedAcademy, cursor: str) -> tuple[str, int]:
    if not cursor:
        return "p", 0
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise AcademyProblem(410, "The cursor is not known")
    order, after = found[1], int(found[2])
    if order == "c" and not academy.oldest_change <= after <= academy.last_change:
        raise AcademyProblem(410, "The cursor is not known")
    return order, after
