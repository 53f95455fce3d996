"""Approved removals of files and pushes, which no run reads a second time.

A run reads an LMS or the Academy again, and makes the removals that a person approved. Nobody reads
a file again: what it left out is removed here, from the links that earlier files made.
"""

from __future__ import annotations

from sqlalchemy import Connection

from lms_bridge.domain.model import Kind
from lms_bridge.store import holds, source_links
from lms_bridge.store.links import SourceLink
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.context import FILES, RunContext
from lms_bridge.sync.enrolments import apply_registrations
from lms_bridge.sync.offerings import apply_offerings_snapshot
from lms_bridge.sync.pull import Snapshot, SourceFeed


def approved_removals(context: RunContext, kind: Kind) -> dict[str, SourceLink]:
    """{external id: link} of what files brought, a later file left out, and a person let go."""
    centre = context.centre.code
    with context.database.reading() as tx:
        rows = holds.about_removals(tx, centre, FILES, kind)
        ids = {id_ for row in rows if row.status == holds.APPROVED for id_ in row.record_ids}
        if not ids:
            return {}
        approved, _ = holds.decided(tx, centre, kind)
        shown = source_links.shown_of(tx, FILES, kind, centre)
    return {each.external_id: each for each in shown if each.record_id in ids & approved}


def remove_approved(
    tx: Connection, context: RunContext, kind: Kind, gone: dict[str, SourceLink]
) -> None:
    """Removes offerings or enrolments. Their file is read anew if it comes again."""
    name = f"source:{context.centre.code}"
    feed = SourceFeed(FILES, kind, name, b"", exhaustive=True, per_centre_ids=True)
    digests = {each.scope: EMPTY for each in gone.values()}
    snapshot = Snapshot(feed, vanished=dict(gone), digests=digests, more=True)
    if kind is Kind.OFFERING:
        apply_offerings_snapshot(tx, context, snapshot)
    else:
        apply_registrations(tx, context, snapshot)
