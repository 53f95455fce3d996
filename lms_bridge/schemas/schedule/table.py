"""Rows of CSV: the format of docs/files.md, read as any other file."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from lms_bridge.domain.errors import NotUnderstood, Problem, Refused
from lms_bridge.schemas.csv import read_offerings
from lms_bridge.schemas.csv.reading import Row, Trouble
from lms_bridge.schemas.schedule.encodings import guess
from lms_bridge.schemas.schedule.rows import PushedRow, bad_row, without_id


def read_table(octets: bytes, time_zone: str) -> Iterator[PushedRow]:
    """The rows, with their numbers in a spreadsheet.

    Raises:
        Refused: the header has a column that is unknown or comes twice, or lacks one.
    """
    try:
        for row in read_offerings(BytesIO(octets), time_zone=time_zone):
            yield _row(row, octets)
    except NotUnderstood as error:
        raise Refused(
            "wrong-encoding" if error.code == "csv-encoding" else "file-unreadable",
            f"{error.message} Nothing was changed.",
            error.remedy,
        ) from None


def _row(row: Row, octets: bytes) -> PushedRow:
    if row.repeats:  # told of together with the row that it repeats
        return PushedRow(row.number, row.repeats)
    if not row.problem:
        return PushedRow(row.number, row.raw.external_id, row.raw.fields)
    if row.trouble is Trouble.NO_ID:
        return without_id(row.number)
    message = row.problem.removeprefix(f"Row {row.number} ").removesuffix(".")
    if row.trouble is Trouble.ENCODING:
        message += f"; they look like {guess(octets)}: save the file as CSV UTF-8"
    problem = Problem("", str(row.trouble), message)
    return bad_row(row.number, problem, "" if row.stray else row.raw.external_id)
