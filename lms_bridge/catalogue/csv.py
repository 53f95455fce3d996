"""The catalogue as CSV, in the columns of docs/files.md, so that the bridge can import it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lms_bridge.catalogue.entry import CatalogueEntry
from lms_bridge.domain.document import document
from lms_bridge.domain.ports import RawRecord
from lms_bridge.schemas.csv.tables import OFFERINGS
from lms_bridge.schemas.csv.writer import pieces

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
PRIVATE = ("coordinators", "lms_course")
"""Columns that the public does not see."""


def table(entries: Iterable[CatalogueEntry]) -> Iterator[bytes]:
    """The header, then one piece per offering."""
    rows = (RawRecord(each.offering.code, document(each.offering)) for each in entries)
    return pieces(OFFERINGS, rows, without=PRIVATE)
