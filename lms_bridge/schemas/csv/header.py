"""The header: which column is which, or an error that names what is wrong and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from lms_bridge.domain.errors import NotUnderstood
from lms_bridge.schemas.csv.tables import Column, Table, header_key

# A file without a header has a person's data in its first line, which no error may hold: only
# what looks like a column's name is repeated.
_NAME_LIKE = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]{0,39}")


def header_columns(cells: Sequence[str], table: Table) -> list[Column]:
    """The column of each header cell.

    Raises:
        NotUnderstood: a column is unknown, appears twice or is missing, or there is no header.
    """
    found = [table.column(cell) for cell in cells]
    if not any(found):
        raise _error(table, "csv-no-header", "names none of the columns in its first line.")
    unknown = [
        _shown(cell, place) + _meant(cell, table)
        for place, (cell, column) in enumerate(zip(cells, found, strict=True), start=1)
        if column is None
    ]
    if unknown:
        raise _error(table, "csv-unknown-column", f"has unknown columns: {', '.join(unknown)}.")
    columns = [column for column in found if column is not None]
    names = [column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _error(table, "csv-column-twice", f"has columns twice: {', '.join(twice)}.")
    missing = [name for name in table.required if name not in names]
    if missing:
        raise _error(table, "csv-missing-column", f"lacks columns: {', '.join(missing)}.")
    return columns


def _shown(cell: str, place: int) -> str:
    name = cell.strip()
    if not name:
        return f"number {place}, which has no name"
    return f'"{name}"' if _NAME_LIKE.fullmatch(name) else f"number {place}"


def _meant(cell: str, table: Table) -> str:
    near = get_close_matches(header_key(cell), table.names, n=2)
    return f" (meant: {' or '.join(near)}?)" if near else ""


def _error(table: Table, code: str, problem: str) -> NotUnderstood:
    return NotUnderstood(
        code, f"The file of {_title(table)} {problem}", f"Allowed: {', '.join(table.names)}."
    )


def _title(table: Table) -> str:
    return table.file.removesuffix(".csv")
