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
from lms_bridge.domain.matching import email_key
from lms_bridge.domain.ports import (
    Account,
    Action,
    Page,
    PageError,
    Pages,
    RawRecord,
    Removal,
    WriteFailed,
    WriteRequest,
    WriteResults,
    Written,
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
    reactivated: set[tuple[str, str]] = field(default_factory=set)
    parsed: list[str] = field(default_factory=list)
    read_scopes: list[str] = field(default_factory=list)
    requests: list[WriteRequest] = field(default_factory=list)
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

    def read_offerings(self) -> Pages:
        self.steps("read")
        shown: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        for course, fields in self.courses.items():
            if course not in self.hidden:
                shown.setdefault(self.categories.get(course, "all"), []).append((course, fields))
        for category, more in self.extra.items():
            shown.setdefault(category, []).extend(more)
        for category in sorted(shown):
            yield self._answer("offerings", category, shown[category])

    def show_enrolments(self, offerings: Sequence[str]) -> Pages:
        self.steps("read")
        for course in offerings:
            places = sorted(
                (f"{key[0]}/{key[1]}", {"state": place.state})
                for key, place in self.roster.items()
                if key[0] == course
            )
            yield self._of_course("roster", course, places)

    def read_results(self, offerings: Sequence[str]) -> Pages:
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
    ) -> Page | PageError:
        if course not in self.courses:
            return PageError(course, RecordRefused("no-such-course", "There is no such course."))
        return self._answer(what, course, records)

    def _answer(
        self, what: str, scope: str, records: Iterable[tuple[str, dict[str, Any]]]
    ) -> Page | PageError:
        self.steps("answer")
        self.read_scopes.append(f"{what} {scope}")
        if scope in self.unreadable:
            return PageError(scope, self.unreadable[scope])
        return Page(scope, *reported(list(records), lambda: self.parsed.append(f"{what} {scope}")))

    # ---- people ------------------------------------------------------------------------

    def accounts_by_stable_id(self, ids: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        self.steps("find")
        return self._accounts(ids, lambda person, desired: person.stable_id == desired)

    def accounts_by_email(self, emails: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        self.steps("find")
        return self._accounts(
            emails, lambda person, desired: email_key(person.email) == email_key(desired)
        )

    def _accounts(
        self, desired: Sequence[str], fits: Callable[[Person, str], bool]
    ) -> dict[str, list[Account]]:
        found = {
            each: [
                Account(key, person.stable_id, person.email, person.name)
                for key, person in self.people.items()
                if fits(person, each)
            ]
            for each in desired
        }
        return {each: accounts for each, accounts in found.items() if accounts}

    def write_learners(self, requests: Sequence[WriteRequest]) -> WriteResults:
        yield from self._carry_out("learner", requests, self._write_learner)

    def _write_learner(self, request: WriteRequest) -> str | Written:
        desired = request.desired
        stable_id, email = str(desired["academy_id"]), str(desired["email"])
        name = f"{desired['given_name']} {desired['family_name']}"
        if request.action is Action.CREATE:
            mine = self.account_of(stable_id) if request.is_retry else []
            if mine:
                return mine[0]
            self._email_is_free(email, "")
            account = self.new_id("u")
            self.people[account] = Person(stable_id, email, name, BRIDGE)
            return account
        if request.external_id not in self.people:
            raise RecordRefused("no-such-account", "There is no such account.")
        self._email_is_free(email, request.external_id)
        person = self.people[request.external_id]
        if person.by == CENTRE:
            self.trespasses.append(f"account {request.external_id} changed")
        person.email, person.name = email, name
        return request.external_id

    def _email_is_free(self, email: str, mine: str) -> None:
        for account, person in self.people.items():
            if account != mine and email_key(person.email) == email_key(email):
                raise RecordRefused("email-taken", "Another account has this address.")

    # ---- enrolments --------------------------------------------------------------------

    def write_enrolments(self, requests: Sequence[WriteRequest], removal: Removal) -> WriteResults:
        yield from self._carry_out(
            "enrolment", requests, lambda request: self._enrol(request, removal)
        )

    def _enrol(self, request: WriteRequest, removal: Removal) -> str | Written:
        course, account = str(request.desired["offering"]), str(request.desired["account"])
        external_id = f"{course}/{account}"
        place = self.roster.get((course, account))
        if request.action is Action.REMOVE:
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
        if place.state == SUSPENDED and place.by == CENTRE:
            self.reactivated.add((course, account))
        place.state = ACTIVE
        return Written(request.key, external_id, created_by_us=request.is_retry)

    def _remove(self, course: str, account: str, place: Place, removal: Removal) -> None:
        if removal is Removal.KEEP:
            return
        undone = (course, account) in self.reactivated and removal is Removal.SUSPEND
        if place.by == CENTRE and not undone:
            self.trespasses.append(f"enrolment {course}/{account} removed")
        if removal is Removal.UNENROL:
            del self.roster[course, account]
            self.grades.pop((course, account), None)
        else:
            place.state = SUSPENDED

    def _carry_out(
        self,
        kind: str,
        requests: Sequence[WriteRequest],
        act: Callable[[WriteRequest], str | Written],
    ) -> WriteResults:
        """Batch by batch: first all effects, then, if nothing comes between, all outcomes."""
        self.requests.extend(requests)
        yield from carry_out(self.steps, kind, requests, self.batch, act, self.refused)

    def close(self) -> None:
        self.closed += 1


def reported(
    records: Sequence[tuple[str, dict[str, Any]]], parsed: Callable[[], object]
) -> tuple[tuple[bytes, ...], Callable[[], list[RawRecord]]]:
    """The bytes of an answer and how they are parsed, which is told when it happens."""
    body = orjson.dumps(records)

    def parse() -> list[RawRecord]:
        parsed()
        return [RawRecord(external_id, fields) for external_id, fields in orjson.loads(body)]

    return (body,), parse


def carry_out(
    steps: Steps,
    kind: str,
    requests: Sequence[WriteRequest],
    batch: int,
    act: Callable[[WriteRequest], str | Written],
    refused: Mapping[str, BridgeError],
) -> Iterator[Written | WriteFailed]:
    for start in range(0, len(requests), batch):
        outcomes: list[Written | WriteFailed] = []
        for request in requests[start : start + batch]:
            steps(f"{kind}.before")
            outcomes.append(_outcome(request, act, refused))
            steps(f"{kind}.after")
        steps("sent")
        yield from outcomes


def _outcome(
    request: WriteRequest,
    act: Callable[[WriteRequest], str | Written],
    refused: Mapping[str, BridgeError],
) -> Written | WriteFailed:
    """Records may fail on demand, by any value of theirs."""
    for value in request.desired.values():
        if isinstance(value, str) and value in refused:
            return WriteFailed(request.key, refused[value])
    try:
        done = act(request)
    except RecordRefused as error:
        return WriteFailed(request.key, error)
    return done if isinstance(done, Written) else Written(request.key, done)
