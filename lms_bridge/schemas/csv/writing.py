"""Writing the same files: UTF-8 with a mark, as spreadsheet programs expect, and CRLF."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from lms_bridge.domain.ports import Raw
from lms_bridge.schemas.csv.cells import cell_of, neutralised
from lms_bridge.schemas.csv.tables import OFFERINGS, REGISTRATIONS, RESULTS, Column, Table


def write_offerings(stream: BinaryIO, records: Iterable[Raw]) -> int:
    """Writes records with the fields of ``OfferingSchema``; gives how many there were."""
    return _write(stream, OFFERINGS, records)


def write_registrations(stream: BinaryIO, records: Iterable[Raw]) -> int:
    """Writes records with the fields of ``RegistrationSchema``; gives how many there were."""
    return _write(stream, REGISTRATIONS, records)


def write_results(stream: BinaryIO, records: Iterable[Raw]) -> int:
    """Writes records with ``offering``, ``learner`` and the fields of ``ResultSchema``."""
    return _write(stream, RESULTS, records)


def _write(stream: BinaryIO, table: Table, records: Iterable[Raw]) -> int:
    # A lone surrogate has no bytes in UTF-8: it must not lose the other rows.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(table.names)
        count = 0
        for record in records:
            writer.writerow([_cell(record, column) for column in table.columns])
            count += 1
        text.flush()
        return count
    finally:
        text.detach()


def _cell(record: Raw, column: Column) -> str:
    if column.name == "id":
        return neutralised(record.external_id)
    value: object = record.fields
    for part in column.path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return neutralised(cell_of(value, column.shape))
