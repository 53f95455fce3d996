"""A database with something of everything on it: sample centres, offerings, runs, holds, people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from lms_bridge.domain.desired_state import GONE, offering_document
from lms_bridge.domain.document import digest
from lms_bridge.domain.model import (
    ACADEMY,
    Centre,
    Enrolment,
    EnrolmentStatus,
    Kind,
    Learner,
    Level,
    Meeting,
    Modality,
    Offering,
    RegistrationType,
    Result,
)
from lms_bridge.domain.network import Cycle
from lms_bridge.store import (
    centres,
    cycles,
    enrolments,
    holds,
    learners,
    leases,
    links,
    memberships,
    offerings,
    runs,
)
from lms_bridge.store import results as result_rows
from lms_bridge.store.database import Database
from tests.filled_once import filled_once

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTILE = "<script>alert('x')</script> & \"quotes\""
ARABIC = "أمن المعلومات <الشبكات>"
LEAKY = "the record of ann.other@example.org has wstoken=0123456789abcdef in it"

CENTRES = (
    Centre(
        code="AFR",
        name="Sample Centre Nairobi",
        region="africa",
        connector="moodle",
        address="https://lms.example.org/?wstoken=abcdef123",
        country="KE",
        languages=("en", "fr"),
        time_zone="Africa/Nairobi",
        sample=True,
    ),
    Centre("ARB", "مركز العينة", "arab_states", "moodle", time_zone="Africa/Cairo", sample=True),
    Centre("EUR", "Real <b>Centre</b>", "europe", "files", time_zone="Europe/Warsaw"),
    Centre("OFF", "Closed Centre", "cis", "files", active=False),
)


def sample_offerings() -> list[Offering]:
    start = NOW.replace(hour=6, minute=0, second=0)
    described = replace(
        Offering("AFR-1", "AFR", "CYB", HOSTILE),
        modality=Modality.INSTRUCTOR_LED,
        level=Level.INTERMEDIATE,
        starts_at=datetime(2040, 3, 1, 21, 30, tzinfo=UTC),  # the 2nd already in Nairobi
        ends_at=datetime(2040, 3, 12, 20, 59, 59, tzinfo=UTC),
        time_zone="Africa/Nairobi",
        hours=Decimal(12),
        registration=RegistrationType.APPLICATION,
        registration_closes=datetime(2040, 2, 20, 20, 59, 59, tzinfo=UTC),
        seats=30,
        price=Decimal("150.00"),
        currency="USD",
        languages=("en", "ar"),
        topics=("Cybersecurity",),
        coordinators=("Ann Other <ann.other@example.org>",),
        location="Global or multi-regional",
        description="<p onclick='x()'>All <strong>you</strong> need<script>bad()</script>"
        "<a href='javascript:bad()'>here</a> <a href='https://example.org/'>there</a></p>",
        audience="First line\nSecond <line",
        address="javascript:alert(1)",
        meetings=(Meeting(start, start + timedelta(hours=2), "Room <1>"),),
    )
    arabic = replace(
        Offering("ARB-1", "ARB", "NET", ARABIC),
        modality=Modality.SELF_PACED,
        level=Level.INTRODUCTORY,
        languages=("ar",),
        time_zone="Africa/Cairo",
        address="https://lms.example.org/course/1",
    )
    many = [
        replace(
            Offering(f"EUR-{number}", "EUR", f"E{number}", f"Spectrum management {number}"),
            modality=Modality.FACE_TO_FACE,
            level=Level.ADVANCED,
            starts_at=start + timedelta(days=number),
            ends_at=start + timedelta(days=number + 5),
            time_zone="Europe/Warsaw",
        )
        for number in range(60)
    ]
    over = replace(
        Offering("EUR-OVER", "EUR", "OLD", "Over and done École"),
        starts_at=NOW - timedelta(days=90),
        ends_at=NOW - timedelta(days=80),
        modality=Modality.BLENDED,
    )
    return [described, arabic, *many, over]


@filled_once
def fill(database: Database) -> None:
    """Fills an empty database."""
    with database.writing() as tx:
        for centre in CENTRES:
            centres.add(tx, centre, b"")
        cycles.add_cycle(tx, Cycle("2023-", "Sample programme", date(2023, 1, 1)))
        always = memberships.OwnDays(None, None)
        memberships.add_membership(tx, "AFR", "2023-", always, ("Cybersecurity",))
        records = sample_offerings()
        ids = offerings.add_offerings(tx, records)
        publish_all(tx, dict(zip(ids, records, strict=True)))
        for code, held in (("EUR-NEW", None), ("EUR-GONE", dict(GONE))):
            record = Offering(code, "EUR", code, f"Never shown {code}")
            publish(tx, offerings.add_offerings(tx, [record])[0], record, held)
        _people(tx, ids[0], records[0].code)
        _reports(tx, ids)
        leases.take(tx, "clock", "somebody", NOW, 3600)


def publish(tx: Any, id_: int, record: Offering, held: Mapping[str, Any] | None) -> None:
    """The Academy acknowledged a document, or nothing yet."""
    links.insert_links(tx, [_link(id_, record, held)])


def publish_all(tx: Any, records: Mapping[int, Offering]) -> None:
    """The Academy acknowledged all these offerings as they are."""
    rows = [_link(id_, each, offering_document(each)) for id_, each in records.items()]
    links.insert_links(tx, rows)


def _link(id_: int, record: Offering, held: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "system": ACADEMY,
        "kind": Kind.OFFERING,
        "centre": record.centre,
        "record_id": id_,
        "external_id": record.code,
        "source_hash": b"",
        "desired": digest(offering_document(record)),
        "acknowledged": digest(held) if held else b"",
        "held_document": held,
        "tolerated": b"",
    }


def _people(tx: Any, offering_id: int, code: str) -> None:
    people = [
        Learner(f"L{number}", "Given", "Family", f"person{number}@example.org")
        for number in range(3)
    ]
    learner_ids = learners.add_learners(tx, people)
    rows = [
        (id_, offering_id, Enrolment(person.academy_id, code, EnrolmentStatus.ENROLLED))
        for id_, person in zip(learner_ids, people, strict=True)
    ]
    enrolment_ids = enrolments.add_enrolments(tx, rows)
    result_rows.add_results(tx, [(enrolment_ids[0], Result("L0", code, Decimal(71)))])
    holds.queue_person(
        tx,
        [
            {
                "centre": "AFR",
                "learner_id": learner_ids[1],
                "suggestions": [["4711", "same-email, other name"]],
                "reason": "same-email",
                "since": NOW,
            }
        ],
    )


def _reports(tx: Any, ids: Sequence[int]) -> None:
    start = NOW - timedelta(minutes=5)
    for number in range(60):
        run_id = runs.start_run(tx, "EUR", "enrolments", "clock", start)
        word = ("done", "done", "partial", "cut off")[number % 4]
        runs.finish_run(tx, run_id, word, {"pages.read": 3}, start + timedelta(seconds=8))
    run_id = runs.start_run(tx, "AFR", "offerings,enrolments,results", "clock", start)
    counts = {
        "pages.read": 12,
        "offering.create.acknowledged": 1,
        "offering.update.failed": 1,
        "learner.update.acknowledged": 1,
    }
    error = ("moodle-refused", f"offerings sent: {LEAKY}")
    runs.finish_run(tx, run_id, "partial", counts, NOW, error)
    runs.add_items(tx, list(_items(run_id, ids)))
    holds.ask(
        tx,
        centre="EUR",
        system="centre:EUR",
        kind=Kind.OFFERING,
        reason=holds.REMOVALS,
        record_ids=ids[2:32],
        out_of=61,
        run_id=run_id,
        at=NOW,
    )
    runs.put_in_quarantine(
        tx,
        [
            {
                "system": "centre:AFR",
                "kind": Kind.OFFERING,
                "centre": "AFR",
                "external_id": "<course 9>",
                "scope": "1",
                "source_hash": b"",
                "code": "field-invalid",
                "reason": f"title: {LEAKY}",
                "since": NOW,
                "run_id": run_id,
            }
        ],
    )
    runs.start_run(tx, "ARB", "results", "clock", NOW)


def _items(run_id: int, ids: Sequence[int]) -> list[dict[str, Any]]:
    def item(kind: Kind, action: str, state: str, **more: Any) -> dict[str, Any]:
        empty = {"record_id": None, "external_id": "", "fields": None, "code": "", "message": ""}
        where = {"run_id": run_id, "system": "academy", "at": NOW}
        return {**where, "kind": kind, "action": action, "state": state, **empty, **more}

    return [
        item(
            Kind.OFFERING,
            "update",
            "failed",
            record_id=ids[0],
            external_id="AFR-1",
            fields={"title": [None, HOSTILE], "seats": [20, 30]},
            code="moodle-refused",
            message=LEAKY,
        ),
        item(Kind.OFFERING, "create", "acknowledged", record_id=ids[1], external_id="ARB-1"),
        item(
            Kind.LEARNER,
            "update",
            "acknowledged",
            record_id=1,
            fields={"email": None, "given_name": None},
        ),
        item(
            Kind.RESULT,
            "create",
            "acknowledged",
            record_id=1,
            fields={"score": [None, "71.5"], "learner": [None, "L0"]},
        ),
    ]
