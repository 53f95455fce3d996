"""The two outside systems of a measured run: they give prepared bytes and take every order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from benchmarks.answers import COURSES, REGISTRATIONS, ROSTERS, Answers
from lms_bridge.connectors.academy_http.reads import enrolments_page
from lms_bridge.connectors.embedded import Embedded
from lms_bridge.connectors.moodle.courses import COURSE_LIST, offering_of
from lms_bridge.connectors.moodle.roster import PEOPLE, checked_roster, is_learner
from lms_bridge.domain.document import ITU_FIELDS
from lms_bridge.domain.ports import (
    Account,
    Page,
    Pages,
    RawRecord,
    Removal,
    WriteRequest,
    WriteResults,
    Written,
)
from lms_bridge.http import foreign_json

Parts = tuple[bytes, ...]


def _page(
    scope: str, parts: Parts, records: Callable[[Sequence[Any]], Iterable[RawRecord]]
) -> Page:
    return Page(scope, parts, lambda: records([orjson.loads(part) for part in parts]))


@dataclass
class MoodleBytes:
    """A centre's LMS. ``checks`` has each answer checked as it comes in, by the code of the
    connector for Moodle, which looks into an answer before it believes it, and takes the times of
    visits out of rosters. Otherwise only what changed is looked into.

    ``empty`` shows rosters on which nobody is yet.
    """

    source: Answers
    checks: bool = False
    empty: bool = False

    def read_offerings(self) -> Pages:
        for scope, parts in self.source.bodies(COURSES):
            if self.checks:
                foreign_json.check(parts[0], COURSE_LIST)
            yield _page(scope, parts, _offerings)

    def show_enrolments(self, offerings: Sequence[str]) -> Pages:
        desired = frozenset(offerings)
        for scope, spans in self.source.index[ROSTERS]:
            if scope in desired:
                parts: Parts = (b"[]", b"[]") if self.empty else self.source.body(spans)
                if self.checks:
                    yield _checked_roster(scope, parts)
                else:
                    yield _page(scope, parts, partial(_people, scope))

    def accounts_by_stable_id(self, ids: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        """Everybody has an account, whose number is in the Academy's id (benchmarks.world)."""
        return {each: [Account(str(int(each[-5:]) + 3), each)] for each in ids}

    def accounts_by_email(self, emails: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        return {}

    def write_learners(self, orders: Sequence[WriteRequest]) -> WriteResults:
        for order in orders:
            yield Written(order.key, order.external_id)

    def write_enrolments(self, orders: Sequence[WriteRequest], removal: Removal) -> WriteResults:
        for order in orders:
            yield Written(order.key, f"{order.desired['offering']}/{order.desired['account']}")

    def close(self) -> None:
        self.source.close()


def _checked_roster(scope: str, parts: Parts) -> Page:
    people, late = (foreign_json.check(part, PEOPLE) for part in parts)
    roster = checked_roster(parts[:1], people, parts[1:], late)
    roster.visits()
    roster = roster.without_visits()
    bodies = (*roster.bodies, *roster.also)
    return Page(scope, bodies, lambda: _people(scope, [roster.rows(), orjson.loads(parts[1])]))


def _offerings(values: Sequence[Any]) -> Iterator[RawRecord]:
    for row in values[0]["courses"]:
        yield offering_of(row, ITU_FIELDS, "https://lms.example.org")


def _people(scope: str, values: Sequence[Any]) -> Iterator[RawRecord]:
    rows, suspended = values[0], {row["id"] for row in values[1]}
    for row in rows:
        if is_learner(row, "student"):
            state = "suspended" if row["id"] in suspended else "active"
            yield RawRecord(f"{scope}/{row['id']}", {"state": state})


@dataclass
class AcademyBytes(Embedded):
    """An Academy platform whose registrations are read, besides taking what it is sent."""

    source: Answers

    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Pages:
        for scope, (items,) in self.source.bodies(REGISTRATIONS):
            yield enrolments_page(scope, items)

    def close(self) -> None:
        self.source.close()
