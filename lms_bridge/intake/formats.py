"""The body of a push: its format, its size, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from lms_bridge.domain.errors import Refused
from lms_bridge.intake.csv import read_table
from lms_bridge.intake.ical import read_ical
from lms_bridge.intake.json import read_json
from lms_bridge.intake.rows import Octets, PushedRow, weighed

JSON, CSV, CALENDAR = "application/json", "text/csv", "text/calendar"
MOST_ROWS = 20_000
MOST_BYTES = 64 * 1024 * 1024
MOST_VALUES = 200 * MOST_ROWS
"""Of a whole schedule: what an offering with some meetings has, and as much again."""
MOST_UNKNOWN = MOST_ROWS
"""Fields of a whole schedule that no offering has: one that a program adds to each row."""
MOST_CALENDAR_BYTES = 32 * 1024 * 1024
"""A calendar costs ten times the time of a table of its size."""

_READERS: Mapping[str, Callable[[Octets, str], Iterator[PushedRow]]] = {
    JSON: read_json,
    CSV: read_table,
    CALENDAR: read_ical,
}
FORMATS = tuple(_READERS)
_SUFFIXES: Mapping[str, str] = {
    ".json": JSON,
    **dict.fromkeys((".csv", ".tsv", ".txt"), CSV),
    ".ics": CALENDAR,
}
"""What the end of a file's name says of its format."""
_WORKBOOKS = frozenset({".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"})
"""Those of spreadsheet programs, which the bridge does not read."""


def format_of(name: str) -> str:
    """The format of a file of that name.

    Raises:
        Refused: the name does not say, or it is a workbook.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix in _WORKBOOKS:
        raise _workbook(name)
    if suffix not in _SUFFIXES:
        raise Refused(
            "file-unreadable",
            f"{name}: its name does not say what it holds.",
            f"Known: {', '.join(_SUFFIXES)}.",
        )
    return _SUFFIXES[suffix]


def _workbook(file: str) -> Refused:
    """The refusal of a workbook, with what to do."""
    return Refused(
        "file-unreadable",
        f"{file}: this is a workbook of a spreadsheet program. Nothing was changed.",
        "Save its sheet as CSV UTF-8, and send that.",
    )


@dataclass(frozen=True, slots=True)
class Body:
    """A body that gives its rows one by one.

    ``time_zone`` is that of local times in rows which name none. ``check`` is called for each row,
    and raises what ends the work. ``give_way`` is called where others may go first.
    """

    octets: Octets
    format: str
    time_zone: str
    check: Callable[[], None] = lambda: None
    give_way: Callable[[], None] = lambda: None

    def rows(self) -> Iterator[PushedRow]:
        """The rows in their order, made one at a time, so that few of them are in memory at once.

        Raises:
            Refused: the body is not in its format, or is too much.
        """
        return (row for row, _ in self.weighed_rows())

    def weighed_rows(self) -> Iterator[tuple[PushedRow, int]]:
        """The same, each with the number of its values."""
        if self.format == CALENDAR and len(self.octets) > MOST_CALENDAR_BYTES:
            raise _too_large(f"{MOST_CALENDAR_BYTES:,} bytes, which a calendar may have")
        values = unknown = 0
        for count, read in enumerate(_READERS[self.format](self.octets, self.time_zone)):
            self.check()
            row, more = weighed(read)
            values += more.values
            unknown += more.unknown
            if values > MOST_VALUES:
                raise _too_large(f"{MOST_VALUES:,} values")
            if unknown > MOST_UNKNOWN:
                raise _too_large(f"{MOST_UNKNOWN:,} fields that no offering has")
            if count == MOST_ROWS:
                raise Refused(
                    "too-many-rows",
                    f"A schedule may have {MOST_ROWS:,} rows; this one has more. Nothing was "
                    "changed.",
                    "Send it in parts, with PATCH.",
                )
            yield row, more.values


def _too_large(what: str) -> Refused:
    return Refused(
        "too-large",
        f"The schedule has more than {what}. Nothing was changed.",
        "Send it in parts, with PATCH.",
    )
