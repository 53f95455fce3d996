"""A large catalogue, put into an empty database by bulk insertion."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import text

from lms_bridge.domain.desired_state import offering_document
from lms_bridge.domain.document import digest
from lms_bridge.domain.model import (
    ACADEMY,
    Centre,
    Kind,
    Level,
    Meeting,
    Modality,
    Offering,
    RegistrationType,
)
from lms_bridge.reference import reference
from lms_bridge.store import centres, links, migrate, offerings, runs
from lms_bridge.store.database import Database

CENTRES, AT_ONCE = 100, 5_000
_START = datetime(2060, 1, 1, 8, tzinfo=UTC)
_WORDS = "A course for those who plan, build, license or watch over networks and services. " * 8


def fill(address: str, many: int) -> None:
    """So many offerings of a hundred centres, all of them acknowledged; half have meetings."""
    database = Database(address)
    migrate.upgrade(database)
    regions = list(reference().regions)
    with database.writing() as tx:
        for number in range(CENTRES):
            name, region = f"Sample centre {number}", regions[number % len(regions)]
            centres.add(tx, Centre(f"C{number:02}", name, region, "files", sample=True), b"")
    for first in range(0, many, AT_ONCE):
        records = [sample_offering(number) for number in range(first, min(first + AT_ONCE, many))]
        with database.writing() as tx:
            ids = offerings.add_offerings(tx, records)
            links.insert_links(tx, list(_links(ids, records)))
            runs.add_items(tx, list(_items(ids)))
            if not first:
                tx.execute(text("ANALYZE"))  # or PostgreSQL takes the tables for empty
    with database.writing() as tx:
        tx.execute(text("ANALYZE"))
    if not database.embedded:  # what a server does by itself after a while
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as alone:
            alone.execute(text("VACUUM"))
    database.close()


def sample_offering(number: int) -> Offering:
    """One of the offerings, by its number."""
    starts = _START + timedelta(days=number % 1_000)
    length = 1 + number % 30
    meetings = [
        Meeting(starts + timedelta(days=day), starts + timedelta(days=day, hours=3), "Room 4")
        for day in range(2 if number % 2 else 0)
    ]
    return Offering(
        code=f"C{number % CENTRES:02}-{number:08}",
        centre=f"C{number % CENTRES:02}",
        course_code=f"SPM-{number // 5:06}",
        title=f"Spectrum management and monitoring, edition {number}",
        modality=list(Modality)[number % 4],
        level=list(Level)[number % 3],
        starts_at=starts,
        ends_at=starts + timedelta(days=length),
        time_zone="Africa/Nairobi",
        hours=Decimal(12 + number % 40),
        registration=RegistrationType.DIRECT,
        price=Decimal(150) if number % 3 == 0 else None,
        currency="USD" if number % 3 == 0 else "",
        languages=("en", "fr"),
        topics=("Spectrum management", "Policy and regulation"),
        location="Global or multi-regional",
        description=f"<p>{_WORDS}</p>",
        objectives=_WORDS[:160],
        address=f"https://lms.example.org/course/{number}",
        meetings=tuple(meetings),
    )


def _links(ids: list[int], records: list[Offering]) -> Iterator[dict[str, object]]:
    for id_, record in zip(ids, records, strict=True):
        document = offering_document(record)
        hashed = digest(document)
        yield {
            "system": ACADEMY,
            "kind": Kind.OFFERING,
            "centre": record.centre,
            "record_id": id_,
            "external_id": record.code,
            "desired": hashed,
            "acknowledged": hashed,
            "held_document": document,
        }


def _items(ids: list[int]) -> Iterator[dict[str, object]]:
    for id_ in ids:
        yield {
            "run_id": 1,
            "system": ACADEMY,
            "kind": Kind.OFFERING,
            "record_id": id_,
            "external_id": str(id_),
            "action": "create",
            "state": "acknowledged",
            "fields": None,
            "code": "",
            "message": "",
            "at": _START,
        }
