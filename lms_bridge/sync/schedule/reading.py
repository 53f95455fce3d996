"""A centre's schedule as it is now: to be read, changed and pushed again."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from lms_bridge.domain.ports import Raw
from lms_bridge.store import offerings
from lms_bridge.sync.files.records import offering_rows

VERSION = 1
"""Raised when a schedule is shown in another form, so that copies of the old one are outdated."""


def schedule_state(tx: Connection, centre: str) -> str:
    """A text that changes whenever any offering of the centre does."""
    many, revisions = offerings.state_of(tx, centre)
    return f"{VERSION}-{many}-{revisions}"


def schedule_rows(tx: Connection, centre: str) -> Iterator[Raw]:
    """The offerings that are listed, with the fields that a push may have."""
    for raw in offering_rows(tx, centre):
        fields = dict(raw.fields)
        for name in ("code", "listed", "centre"):
            fields.pop(name)
        yield Raw(raw.external_id, fields)
