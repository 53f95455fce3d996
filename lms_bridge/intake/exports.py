"""Records as rows of the CSV files that `import` reads again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from lms_bridge.domain.document import document, plain
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import RawRecord
from lms_bridge.store import enrolments, learners, links, offerings, results
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.sync.context import FILES

Records = Callable[[Connection, str], Iterable[RawRecord]]
"""Gives the records of one centre, by its code."""


def offering_rows(tx: Connection, centre: str) -> Iterable[RawRecord]:
    """The offerings that are listed."""
    found = offerings.offerings_of(tx, centre)
    names = links.external_ids(tx, FILES, Kind.OFFERING, found)
    for record_id, record in found.items():
        if record.listed:
            yield RawRecord(names.get(record_id, record.code), document(record))


def registration_rows(tx: Connection, centre: str) -> Iterable[RawRecord]:
    stored = _enrolments(tx, centre)
    people = learners.learners(tx, {each.learner_id for each in stored.values()})
    names = links.external_ids(tx, FILES, Kind.ENROLMENT, stored)
    for record_id, each in stored.items():
        learner, record = people[each.learner_id], each.record
        name = names.get(record_id, f"{record.offering}/{record.learner}")
        person = document(learner)
        person["id"] = person.pop("academy_id")
        yield RawRecord(
            name,
            {
                "offering": name.rpartition("/")[0],
                "learner": person,
                "status": plain(record.status),
                "starts_at": plain(record.starts_at),
                "ends_at": plain(record.ends_at),
            },
        )


def result_rows(tx: Connection, centre: str) -> Iterable[RawRecord]:
    for _, record in results.results_of(tx, _enrolments(tx, centre)).values():
        yield RawRecord(f"{record.offering}/{record.learner}", document(record))


def _enrolments(tx: Connection, centre: str) -> dict[int, StoredEnrolment]:
    return enrolments.enrolments_in(tx, offerings.offerings_of(tx, centre), shown=True)
