"""Writing the same files: UTF-8 with a mark, as spreadsheet programs expect, and CRLF."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import BinaryIO

from lms_bridge.domain.ports import RawRecord
from lms_bridge.schemas.csv.cells import cell_of, neutralised
from lms_bridge.schemas.csv.tables import OFFERINGS, REGISTRATIONS, RESULTS, CsvColumn, CsvTable


def write_offerings(stream: BinaryIO, records: Iterable[RawRecord]) -> int:
    """Writes records with the fields of ``OfferingSchema``; gives how many there were."""
    return _write(stream, OFFERINGS, records)


def write_registrations(stream: BinaryIO, records: Iterable[RawRecord]) -> int:
    """Writes records with the fields of ``RegistrationSchema``; gives how many there were."""
    return _write(stream, REGISTRATIONS, records)


def write_results(stream: BinaryIO, records: Iterable[RawRecord]) -> int:
    """Writes records with ``offering``, ``learner`` and the fields of ``ResultSchema``."""
    return _write(stream, RESULTS, records)


def pieces(
    table: CsvTable, records: Iterable[RawRecord], *, without: Collection[str] = ()
) -> Iterator[bytes]:
    """The same file in pieces, one for the header and one for each record; without some columns."""
    columns = [column for column in table.columns if column.name not in without]
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    yield _octets("\ufeff" + writer.writerow([column.name for column in columns]))
    for record in records:
        yield _octets(writer.writerow([_cell(record, column) for column in columns]))


class _Echo:
    """What a CSV writer writes to, so that it gives each row back."""

    def write(self, text: str) -> str:
        return text


def _octets(text: str) -> bytes:
    # A lone surrogate has no bytes in UTF-8: it must not lose the other rows.
    return text.encode("utf-8", "replace")


def _write(stream: BinaryIO, table: CsvTable, records: Iterable[RawRecord]) -> int:
    count = -1  # the header is no record
    for piece in pieces(table, records):
        stream.write(piece)
        count += 1
    return count


def _cell(record: RawRecord, column: CsvColumn) -> str:
    if column.name == "id":
        return neutralised(record.external_id)
    value: object = record.fields
    for part in column.path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return neutralised(cell_of(value, column.shape))
