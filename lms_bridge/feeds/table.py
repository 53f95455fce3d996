"""CSV in the columns of docs/files.md: what is written here, the bridge reads again unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lms_bridge.domain.document import document
from lms_bridge.domain.ports import Raw
from lms_bridge.feeds.entry import Entry
from lms_bridge.schemas.csv import OFFERINGS, pieces

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
PRIVATE = ("coordinators", "lms_course")
"""Columns that the public is not shown."""


def table(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The header, then one piece per offering."""
    return pieces(OFFERINGS, (_raw(entry) for entry in entries), without=PRIVATE)


def _raw(entry: Entry) -> Raw:
    return Raw(entry.offering.code, document(entry.offering))
