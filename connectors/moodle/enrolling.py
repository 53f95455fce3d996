"""One course's enrolments: rows for Moodle, and the batches of one course's orders.

``enrol_manual_enrol_users`` is all or nothing, and doing it twice does no harm: it also sets times
and suspension anew. So every call here is safe to repeat.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from connectors.moodle.form import Parameter
from connectors.moodle.groups import add_members, editions, group_members, made_group
from connectors.moodle.places import Place, Roster
from connectors.moodle.proof import roster_before
from connectors.moodle.refusals import stops_everything
from connectors.moodle.site import Site
from connectors.moodle.work import halving
from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.ports import Done, Failed, Order

ENROL = "enrol_manual_enrol_users"
Outcome = Done | Failed


@dataclass(frozen=True, slots=True)
class Entry:
    """An order with what its document says, parsed once."""

    order: Order
    place: Place
    person: int
    external_id: str

    @classmethod
    def of(cls, order: Order) -> Entry:
        """Raises ``RecordRefused`` when the offering or the account is not one of Moodle's."""
        wanted = order.wanted
        offering, account = str(wanted.get("offering") or ""), str(wanted.get("account") or "")
        if not (offering and account) and "/" in order.external_id:
            offering, _, account = order.external_id.rpartition("/")
        if not (account.isascii() and account.isdecimal()):
            raise RecordRefused("not-an-account", "The order does not name a Moodle account.")
        return cls(order, Place.of(offering), int(account), f"{offering}/{account}")


@dataclass(slots=True)
class Course:
    """What is known of a course while its orders are carried out."""

    id: int
    roster: Roster | None = None
    groups: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, site: Site) -> Roster:
        """The course's roster as it was before this call wrote anything, read once."""
        if self.roster is None:
            self.roster = roster_before(site, self.id)
        return self.roster


@lru_cache(maxsize=4096)
def epoch(text: str) -> int:
    """Seconds since 1970 of a UTC time in ISO 8601; the same few dates occur thousands of times."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def row(entry: Entry, role: int, *, suspend: int) -> dict[str, Parameter]:
    """The row that enrols, or changes, one person. Times of 0 mean without limit."""
    wanted = entry.order.wanted
    starts, ends = wanted.get("starts_at"), wanted.get("ends_at")
    return {
        "roleid": role,
        "userid": entry.person,
        "courseid": entry.place.course,
        "timestart": epoch(str(starts)) if starts else 0,
        "timeend": epoch(str(ends)) if ends else 0,
        "suspend": suspend,
    }


def activate(site: Site, course: Course, entries: Sequence[Entry]) -> list[Outcome]:
    """Enrols one batch; the course's roster has been looked at where an entry is new."""
    there, late = _already(course, entries)
    make = [entry for entry in entries if entry.person not in there or entry.person in late]
    outcomes: list[Outcome] = []
    good = [entry for entry in entries if entry.person in there and entry.person not in late]

    try:
        for part, answer in _sent(site, course, make):
            if isinstance(answer, RecordRefused):
                outcomes.append(Failed(part[0].order.key, answer))
            else:
                good += part
        outcomes += _into_groups(site, course, good, there)
    except BridgeError as error:
        if stops_everything(error) and not outcomes:
            raise
        answered = {outcome.key for outcome in outcomes}
        outcomes += [Failed(e.order.key, error) for e in entries if e.order.key not in answered]
    return outcomes


def _sent(
    site: Site, course: Course, entries: Sequence[Entry]
) -> Iterator[tuple[Sequence[Entry], RecordRefused | None]]:
    role = site.settings["role_id"]

    def send(some: Sequence[Entry]) -> None:
        site.client.ask(ENROL, {"enrolments": [row(entry, role, suspend=0) for entry in some]})

    try:
        if entries:
            send(entries)
            yield entries, None
    except RecordRefused:
        if course.roster is None:
            course.look(site)  # a course that is gone refuses every row: tell before halving
        yield from halving(entries, send)


def _already(course: Course, entries: Sequence[Entry]) -> tuple[frozenset[int], frozenset[int]]:
    """Who was there before, of the new entries; and who of these is suspended and has to be
    activated all the same."""
    if course.roster is None:
        return frozenset(), frozenset()
    new = {entry.person for entry in entries if is_new(entry.order)}
    return course.roster.ids() & new, course.roster.suspended & new


def is_new(order: Order) -> bool:
    return order.action == "create" and not order.again


def _into_groups(
    site: Site, course: Course, entries: Sequence[Entry], there: frozenset[int]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    by_edition: dict[str, list[Entry]] = {}
    for entry in entries:
        by_edition.setdefault(entry.place.edition, []).append(entry)
    for edition, some in by_edition.items():
        not_ours = there
        if edition:
            already = [entry.person for entry in some if entry.person in there]
            if already:
                not_ours = _not_in_editions(site, course, edition, already)
            with course.lock:
                if edition not in course.groups:
                    course.groups[edition] = made_group(site.client, course.id, edition)
            add_members(site.client, course.groups[edition], [entry.person for entry in some])
        outcomes += [
            Done(entry.order.key, entry.external_id, made=entry.person not in not_ours)
            for entry in some
        ]
    return outcomes


def _not_in_editions(
    site: Site, course: Course, edition: str, people: Sequence[int]
) -> frozenset[int]:
    """Those who are not on the course for the sake of other editions only: who are in this
    edition's group already, or in no edition's group."""
    groups = editions(site.client, course.id)
    members = group_members(site.client, list(groups.values()))
    here = members.get(groups.get(edition, 0), frozenset())
    others = {p for name in groups if name != edition for p in members.get(groups[name], ())}
    return frozenset(person for person in people if person in here or person not in others)


def failed(entries: Sequence[Any], error: BridgeError) -> list[Outcome]:
    return [Failed(entry.order.key, error) for entry in entries]
