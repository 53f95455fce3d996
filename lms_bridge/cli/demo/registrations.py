"""The registrations at the (embedded) Academy: a file, imported as any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.demo.samples import SampleCentre
from lms_bridge.cli.files.rows import rows_of
from lms_bridge.cli.files.taking import Taken, take_in
from lms_bridge.domain.document import document
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Raw
from lms_bridge.schemas.csv import write_registrations
from lms_bridge.store import offerings


def write(path: Path, bridge: Bridge, samples: list[SampleCentre]) -> None:
    """Writes the file for the offerings that there are."""
    with path.open("wb") as stream:
        write_registrations(stream, _raws(bridge, samples))


def _raws(bridge: Bridge, samples: list[SampleCentre]) -> Iterator[Raw]:
    for sample in samples:
        with bridge.database.reading() as tx:
            there = offerings.offerings_of(tx, sample.centre.code).values()
        codes = {each.course_code: each.code for each in there}
        for place in sample.places:
            code = codes.get(place.course)
            if code is None:
                continue  # the bad record, and what is not published
            person = document(place.learner)
            person["id"] = person.pop("academy_id")
            fields = {"offering": code, "learner": person, "status": str(place.status)}
            yield Raw(f"{code}/{place.learner.academy_id}", fields)


def take(path: Path, bridge: Bridge) -> Taken:
    rows = rows_of(path, Kind.ENROLMENT, bridge.database, None)
    return take_in(bridge, Kind.ENROLMENT, rows, whole=True, dry=False)
