"""The body of a push: its format, its size, and its rows as often as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lms_bridge.domain.errors import Refused
from lms_bridge.schemas.schedule.ical import read_ical
from lms_bridge.schemas.schedule.json import read_json
from lms_bridge.schemas.schedule.rows import PushedRow
from lms_bridge.schemas.schedule.table import read_table

JSON, CSV, CALENDAR = "application/json", "text/csv", "text/calendar"
MOST_ROWS = 20_000
MOST_BYTES = 64 * 1024 * 1024

_READERS: Mapping[str, Callable[[bytes, str], Iterator[PushedRow]]] = {
    JSON: read_json,
    CSV: read_table,
    CALENDAR: read_ical,
}
FORMATS = tuple(_READERS)


@dataclass(frozen=True, slots=True)
class Body:
    """``time_zone`` is that of local times in rows which name none."""

    octets: bytes
    format: str
    time_zone: str

    def rows(self) -> Iterator[PushedRow]:
        """The rows in their order, made one at a time, so that few of them are in memory at once.

        Raises:
            Refused: the body is not in its format, so that no row of it can be trusted; or it has
                more rows than are taken.
        """
        for count, row in enumerate(_READERS[self.format](self.octets, self.time_zone)):
            if count == MOST_ROWS:
                raise Refused(
                    "too-many-rows",
                    f"A schedule may have {MOST_ROWS:,} rows; this one has more. Nothing was "
                    "changed.",
                    "Send it in parts, with PATCH.",
                )
            yield row
