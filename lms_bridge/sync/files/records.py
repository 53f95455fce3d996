"""Records as rows of a file.

A record that came in a file keeps the id that it had there; any other has the bridge's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from lms_bridge.domain.document import document, plain
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Raw
from lms_bridge.store import enrolments, learners, links, offerings, results
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.sync.work import FILES

Records = Callable[[Connection, str], Iterable[Raw]]
"""Gives the records of one centre, by its code."""


def offering_rows(tx: Connection, centre: str) -> Iterable[Raw]:
    """The offerings that are listed."""
    found = offerings.offerings_of(tx, centre)
    names = links.external_ids(tx, FILES, Kind.OFFERING, found)
    for record_id, record in found.items():
        if record.listed:
            yield Raw(names.get(record_id, record.code), document(record))


def registration_rows(tx: Connection, centre: str) -> Iterable[Raw]:
    stored = _enrolments(tx, centre)
    people = learners.learners(tx, {each.learner_id for each in stored.values()})
    names = links.external_ids(tx, FILES, Kind.ENROLMENT, stored)
    for record_id, each in stored.items():
        learner, record = people[each.learner_id], each.record
        name = names.get(record_id, f"{record.offering}/{record.learner}")
        person = document(learner)
        person["id"] = person.pop("academy_id")
        yield Raw(
            name,
            {
                "offering": name.rpartition("/")[0],
                "learner": person,
                "status": plain(record.status),
                "starts_at": plain(record.starts_at),
                "ends_at": plain(record.ends_at),
            },
        )


def result_rows(tx: Connection, centre: str) -> Iterable[Raw]:
    for _, record in results.results_of(tx, _enrolments(tx, centre)).values():
        yield Raw(f"{record.offering}/{record.learner}", document(record))


def _enrolments(tx: Connection, centre: str) -> dict[int, StoredEnrolment]:
    return enrolments.enrolments_in(tx, offerings.offerings_of(tx, centre))
