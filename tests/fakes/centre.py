"""A centre's LMS in memory: a real implementation of its ports, with state and with faults.

Its points (``Steps``): ``read``, ``answer``, ``find``, ``learner.before``, ``learner.after``,
``enrolment.before``, ``enrolment.after`` and, once a batch's effects are there but nobody knows,
``sent``. An error raised at a point is raised to the bridge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.identity import email_key
from lms_bridge.domain.ports import (
    Account,
    Action,
    Answer,
    Done,
    Failed,
    Order,
    Outcomes,
    Raw,
    Reading,
    Removal,
    Unread,
)
from tests.fakes.steps import Steps

BRIDGE, CENTRE = "bridge", "centre"
ACTIVE, SUSPENDED = "active", "suspended"


@dataclass
class Person:
    """An account. ``by`` says who made it."""

    stable_id: str
    email: str
    name: str = ""
    by: str = CENTRE


@dataclass
class Place:
    """Somebody's place on a roster. ``by`` says who made it: the truth that the bridge must
    never get wrong."""

    state: str = ACTIVE
    by: str = CENTRE


@dataclass
class FakeCentre:
    """Fill it by its dictionaries and methods; it is looked into the same way.

    ``trespasses`` are removals of what the centre itself had made: there must never be any.
    ``unreadable`` are courses (or categories) whose answers fail with an error.
    """

    steps: Steps = field(default_factory=Steps)
    batch: int = 3
    courses: dict[str, dict[str, Any]] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)
    extra: dict[str, list[tuple[str, dict[str, Any]]]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    people: dict[str, Person] = field(default_factory=dict)
    roster: dict[tuple[str, str], Place] = field(default_factory=dict)
    grades: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    unreadable: dict[str, BridgeError] = field(default_factory=dict)
    refused: dict[str, BridgeError] = field(default_factory=dict)
    trespasses: list[str] = field(default_factory=list)
    parsed: list[str] = field(default_factory=list)
    read_scopes: list[str] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    closed: int = 0
    _last: int = 0

    # ---- what the centre's own people do -----------------------------------------------

    def new_id(self, prefix: str) -> str:
        self._last += 1
        return f"{prefix}{self._last}"

    def add_course(self, title: str, *, category: str = "all", **fields: Any) -> str:
        course = self.new_id("c")
        self.courses[course] = {"title": title, **fields}
        self.categories[course] = category
        return course

    def delete_course(self, course: str) -> None:
        del self.courses[course]
        for place in [each for each in self.roster if each[0] == course]:
            del self.roster[place]
            self.grades.pop(place, None)

    def add_person(self, stable_id: str = "", email: str = "", name: str = "") -> str:
        account = self.new_id("u")
        self.people[account] = Person(stable_id, email, name)
        return account

    def delete_person(self, account: str) -> None:
        del self.people[account]
        for place in [each for each in self.roster if each[1] == account]:
            del self.roster[place]
            self.grades.pop(place, None)

    def enrol(self, course: str, account: str) -> None:
        """Enrols by hand; whoever is there already stays whose they were."""
        place = self.roster.setdefault((course, account), Place())
        place.state = ACTIVE

    def account_of(self, stable_id: str) -> list[str]:
        return [key for key, each in self.people.items() if each.stable_id == stable_id]

    # ---- reading -----------------------------------------------------------------------

    def read_offerings(self) -> Reading:
        self.steps("read")
        shown: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        for course, fields in self.courses.items():
            if course not in self.hidden:
                shown.setdefault(self.categories.get(course, "all"), []).append((course, fields))
        for category, more in self.extra.items():
            shown.setdefault(category, []).extend(more)
        for category in sorted(shown):
            yield self._answer("offerings", category, shown[category])

    def show_enrolments(self, offerings: Sequence[str]) -> Reading:
        self.steps("read")
        for course in offerings:
            places = sorted(
                (f"{key[0]}/{key[1]}", {"state": place.state})
                for key, place in self.roster.items()
                if key[0] == course
            )
            yield self._of_course("roster", course, places)

    def read_results(self, offerings: Sequence[str]) -> Reading:
        self.steps("read")
        for course in offerings:
            graded = sorted(
                (f"{key[0]}/{key[1]}", fields)
                for key, fields in self.grades.items()
                if key[0] == course
            )
            yield self._of_course("results", course, graded)

    def _of_course(
        self, what: str, course: str, records: Iterable[tuple[str, dict[str, Any]]]
    ) -> Answer | Unread:
        if course not in self.courses:
            return Unread(course, RecordRefused("no-such-course", "There is no such course."))
        return self._answer(what, course, records)

    def _answer(
        self, what: str, scope: str, records: Iterable[tuple[str, dict[str, Any]]]
    ) -> Answer | Unread:
        self.steps("answer")
        self.read_scopes.append(f"{what} {scope}")
        if scope in self.unreadable:
            return Unread(scope, self.unreadable[scope])
        return Answer(scope, *told(list(records), lambda: self.parsed.append(f"{what} {scope}")))

    # ---- people ------------------------------------------------------------------------

    def accounts_by_stable_id(self, ids: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        self.steps("find")
        return self._accounts(ids, lambda person, wanted: person.stable_id == wanted)

    def accounts_by_email(self, emails: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        self.steps("find")
        return self._accounts(
            emails, lambda person, wanted: email_key(person.email) == email_key(wanted)
        )

    def _accounts(
        self, wanted: Sequence[str], fits: Callable[[Person, str], bool]
    ) -> dict[str, list[Account]]:
        found = {
            each: [
                Account(key, person.stable_id, person.email, person.name)
                for key, person in self.people.items()
                if fits(person, each)
            ]
            for each in wanted
        }
        return {each: accounts for each, accounts in found.items() if accounts}

    def write_learners(self, orders: Sequence[Order]) -> Outcomes:
        yield from self._carry_out("learner", orders, self._write_learner)

    def _write_learner(self, order: Order) -> str | Done:
        wanted = order.wanted
        stable_id, email = str(wanted["academy_id"]), str(wanted["email"])
        name = f"{wanted['given_name']} {wanted['family_name']}"
        if order.action is Action.CREATE:
            mine = self.account_of(stable_id) if order.again else []
            if mine:
                return mine[0]
            self._email_is_free(email, "")
            account = self.new_id("u")
            self.people[account] = Person(stable_id, email, name, BRIDGE)
            return account
        if order.external_id not in self.people:
            raise RecordRefused("no-such-account", "There is no such account.")
        self._email_is_free(email, order.external_id)
        person = self.people[order.external_id]
        if person.by == CENTRE:
            self.trespasses.append(f"account {order.external_id} changed")
        person.email, person.name = email, name
        return order.external_id

    def _email_is_free(self, email: str, mine: str) -> None:
        for account, person in self.people.items():
            if account != mine and email_key(person.email) == email_key(email):
                raise RecordRefused("email-taken", "Another account has this address.")

    # ---- enrolments --------------------------------------------------------------------

    def write_enrolments(self, orders: Sequence[Order], removal: Removal) -> Outcomes:
        yield from self._carry_out("enrolment", orders, lambda order: self._enrol(order, removal))

    def _enrol(self, order: Order, removal: Removal) -> str | Done:
        course, account = str(order.wanted["offering"]), str(order.wanted["account"])
        external_id = f"{course}/{account}"
        place = self.roster.get((course, account))
        if order.action is Action.REMOVE:
            if place is not None:
                self._remove(course, account, place, removal)
            return external_id
        if course not in self.courses:
            raise RecordRefused("no-such-course", "There is no such course.")
        if account not in self.people:
            raise RecordRefused("no-such-account", "There is no such account.")
        if place is None:
            self.roster[course, account] = Place(ACTIVE, BRIDGE)
            return external_id
        place.state = ACTIVE
        return Done(order.key, external_id, made=order.again)

    def _remove(self, course: str, account: str, place: Place, removal: Removal) -> None:
        if removal is Removal.KEEP:
            return
        if place.by == CENTRE:
            self.trespasses.append(f"enrolment {course}/{account} removed")
        if removal is Removal.UNENROL:
            del self.roster[course, account]
            self.grades.pop((course, account), None)
        else:
            place.state = SUSPENDED

    def _carry_out(
        self, kind: str, orders: Sequence[Order], act: Callable[[Order], str | Done]
    ) -> Outcomes:
        """Batch by batch: first all effects, then, if nothing comes between, all outcomes."""
        self.orders.extend(orders)
        yield from carry_out(self.steps, kind, orders, self.batch, act, self.refused)

    def close(self) -> None:
        self.closed += 1


def told(
    records: Sequence[tuple[str, dict[str, Any]]], parsed: Callable[[], object]
) -> tuple[tuple[bytes, ...], Callable[[], list[Raw]]]:
    """The bytes of an answer and how they are parsed, which is told when it happens."""
    body = orjson.dumps(records)

    def parse() -> list[Raw]:
        parsed()
        return [Raw(external_id, fields) for external_id, fields in orjson.loads(body)]

    return (body,), parse


def carry_out(
    steps: Steps,
    kind: str,
    orders: Sequence[Order],
    batch: int,
    act: Callable[[Order], str | Done],
    refused: Mapping[str, BridgeError],
) -> Iterator[Done | Failed]:
    for start in range(0, len(orders), batch):
        outcomes: list[Done | Failed] = []
        for order in orders[start : start + batch]:
            steps(f"{kind}.before")
            outcomes.append(_outcome(order, act, refused))
            steps(f"{kind}.after")
        steps("sent")
        yield from outcomes


def _outcome(
    order: Order, act: Callable[[Order], str | Done], refused: Mapping[str, BridgeError]
) -> Done | Failed:
    """Records may fail on demand, by any value of theirs."""
    for value in order.wanted.values():
        if isinstance(value, str) and value in refused:
            return Failed(order.key, refused[value])
    try:
        done = act(order)
    except RecordRefused as error:
        return Failed(order.key, error)
    return done if isinstance(done, Done) else Done(order.key, done)
