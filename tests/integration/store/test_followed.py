"""What readers follow changes by: revisions and times of rows, and tags of offerings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from lms_bridge.domain.model import Enrolment, EnrolmentStatus, Learner, Offering
from lms_bridge.store import enrolments, learners, offerings
from lms_bridge.store.database import Database
from lms_bridge.store.offerings import LONGEST, tag_key
from lms_bridge.store.tables import enrolment, offering, offering_tag

SAMPLE = Offering(
    "SAMPLE-1", "SAMPLE", "C1", "Sample", topics=("Cyber", "CYBER", "x" * 600), languages=("en",)
)


def tags(database: Database) -> set[tuple[str, str, int]]:
    with database.reading() as tx:
        return {tuple(row) for row in tx.execute(select(offering_tag))}


def test_a_row_knows_when_and_how_often_it_was_written(database: Database) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    with database.writing() as tx:
        ids = offerings.add_offerings(tx, [SAMPLE, replace(SAMPLE, code="SAMPLE-2")])
        (learner_id,) = learners.add_learners(tx, [Learner("L1", "A", "B", "a@example.org")])
        record = Enrolment("L1", "SAMPLE-1", EnrolmentStatus.APPLIED)
        (enrolment_id,) = enrolments.add_enrolments(tx, [(learner_id, ids[0], record)])
    with database.writing() as tx:
        offerings.change_offerings(tx, {ids[0]: replace(SAMPLE, title="Renamed")})
        selected = replace(record, status=EnrolmentStatus.SELECTED)
        enrolments.change_enrolments(tx, {enrolment_id: selected})
    with database.reading() as tx:
        query = select(offering.c.revision, offering.c.changed_at).order_by(offering.c.id)
        (first, changed), (second, made) = tx.execute(query).all()
        assert (first, second) == (2, 1)
        assert began <= made <= changed
        assert tx.scalar(select(enrolment.c.revision)) == 2


def test_tags_follow_their_offering(database: Database) -> None:
    with database.writing() as tx:
        (id_,) = offerings.add_offerings(tx, [SAMPLE])
    assert tags(database) == {
        ("topic", "cyber", id_),
        ("topic", "x" * LONGEST, id_),
        ("language", "en", id_),
    }
    with database.writing() as tx:
        offerings.change_offerings(tx, {id_: replace(SAMPLE, topics=("Été",), languages=())})
    assert tags(database) == {("topic", tag_key("ÉTÉ"), id_)}
