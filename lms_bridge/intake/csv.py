"""Schedules as CSV: rows of a pushed table, and an empty table to begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from io import RawIOBase
from typing import Any, BinaryIO, cast

from lms_bridge.domain.errors import NotUnderstood, Problem, Refused
from lms_bridge.domain.model import Centre, Level, Modality, OfferingStatus, RegistrationType
from lms_bridge.domain.ports import RawRecord
from lms_bridge.intake.rows import Octets, PushedRow, bad_row, guess, without_id
from lms_bridge.schemas.csv.reader import CsvRow, CsvTrouble, read_offerings
from lms_bridge.schemas.csv.tables import OFFERINGS
from lms_bridge.schemas.csv.writer import pieces


class _Reading(RawIOBase):
    """Bytes as a file, without a copy of them."""

    def __init__(self, octets: Octets) -> None:
        self._left = memoryview(octets)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def read_table(octets: Octets, time_zone: str) -> Iterator[PushedRow]:
    """The rows, with their numbers in a spreadsheet.

    Raises:
        Refused: the header has a column that is unknown or comes twice, or lacks one.
    """
    encoding = cache(lambda: guess(octets))
    try:
        for row in read_offerings(cast(BinaryIO, _Reading(octets)), time_zone=time_zone):
            yield _row(row, encoding)
    except NotUnderstood as error:
        raise Refused(
            _CODES.get(error.code, "file-unreadable"),
            f"{error.message} Nothing was changed.",
            error.remedy,
        ) from None


_CODES = {
    "csv-encoding": "wrong-encoding",
    "csv-row-too-long": "too-large",
    "csv-too-many-empty-rows": "too-large",
}


def _row(row: CsvRow, encoding: Callable[[], str]) -> PushedRow:
    if row.repeats:  # reported together with the row that it repeats
        return PushedRow(row.number, row.repeats)
    if not row.problem:
        return PushedRow(row.number, row.raw.external_id, row.raw.fields)
    if row.trouble is CsvTrouble.NO_ID:
        return without_id(row.number)
    message = row.why
    if row.trouble is CsvTrouble.ENCODING:
        likely = encoding()
        message = f"{message}; they look like {likely}: save the file as CSV UTF-8"
    problem = Problem(row.field, str(row.trouble), message)
    return bad_row(row.number, problem, "" if row.stray else row.raw.external_id)


_ALLOWED: Mapping[str, str] = {
    "id": "#allowed",
    "title": "required: up to 500 characters",
    "course_code": "up to 100 characters",
    "modality": " | ".join(Modality),
    "level": " | ".join(Level),
    "status": f"{' | '.join(OfferingStatus)} (published where empty)",
    "starts_at": "2027-03-01, or 2027-03-01 09:00",
    "ends_at": "2027-03-12, or 2027-03-12 17:00",
    "time_zone": "such as Africa/Nairobi (the centre's where empty)",
    "hours": "a number",
    "registration": " | ".join(RegistrationType),
    "registration_opens": "a date or a time",
    "registration_closes": "a date or a time",
    "seats": "a whole number; only with registration = application",
    "price": "a number; empty where it is free",
    "currency": "three letters (USD where empty)",
    "location": "text",
    "description": "text",
    "audience": "text",
    "requirements": "text",
    "objectives": "text",
    "address": "https://...",
    "lms_course": "the course in the LMS, where several editions share one",
    "payment_methods": "texts with ; between them",
    "languages": "codes with ; between them",
    "topics": "texts with ; between them",
    "coordinators": "names with ; between them",
    "organisers": "names with ; between them",
    "meetings": "one per line: 2027-03-01 09:00/2027-03-01 12:30 Room 4",
}


def template(centre: Centre) -> Iterator[bytes]:
    """An empty table for one centre. A push ignores its two rows: what each column may hold, and an
    example."""
    sample: dict[str, object] = {
        "title": "SAMPLE: Spectrum monitoring (this row is ignored)",
        "modality": Modality.BLENDED.value,
        "level": Level.INTERMEDIATE.value,
        "starts_at": "2027-03-01",
        "ends_at": "2027-03-12",
        "time_zone": centre.time_zone,
        "hours": "40",
        "registration": RegistrationType.APPLICATION.value,
        "seats": "25",
        "languages": list(centre.languages),
        "topics": ["Spectrum management"],
        "location": "Room 4",
        "meetings": [
            {"starts_at": "2027-03-01 09:00", "ends_at": "2027-03-01 12:30", "place": "Room 4"}
        ],
    }
    allowed, example = OFFERINGS.remarks
    rows = [RawRecord(allowed, _ALLOWED), RawRecord(example, sample)]
    return pieces(OFFERINGS, rows, without=("centre",))
