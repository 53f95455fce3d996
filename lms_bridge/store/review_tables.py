"""The tables of an offering's life: its history, its outline, comments on it, and its reports."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Table, Text

from lms_bridge.domain.model import OfferingStatus
from lms_bridge.domain.reviews import ReportState
from lms_bridge.store.tables import Id, metadata, offering, row_id, words
from lms_bridge.store.types import Utc, Word

status_change = Table(
    "status_change",
    metadata,
    row_id(),
    Column("offering_id", Id, ForeignKey(offering.c.id), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    # Who did it; empty: time.
    words("by", 100),
    words("action", 12),
    Column("before", Word(OfferingStatus), nullable=False),
    Column("after", Word(OfferingStatus), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    # Of an objection: the point of the review that it is about.
    words("point", 20),
    # Of a submission: when silence counts as no objection, and the outline as it was.
    Column("deadline", Utc),
    Column("outline", JSON(none_as_null=True)),
)

outline = Table(
    "outline",
    metadata,
    Column("offering_id", Id, ForeignKey(offering.c.id), primary_key=True, autoincrement=False),
    Column("fields", JSON, nullable=False),
    Column("at", Utc, nullable=False),
    words("by", 100),
)

review_comment = Table(
    "review_comment",
    metadata,
    row_id(),
    Column("offering_id", Id, ForeignKey(offering.c.id), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    words("by", 100),
    words("point", 20),
    Column("text", Text, nullable=False),
)

end_report = Table(
    "end_report",
    metadata,
    row_id(),
    Column("offering_id", Id, ForeignKey(offering.c.id), nullable=False),
    Column("state", Word(ReportState), nullable=False),
    Column("at", Utc, nullable=False),
    words("by", 100),
    # What the coordinator wrote, and what the bridge counted at that moment.
    Column("fields", JSON, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("decided_at", Utc),
    words("decided_by", 100),
    Column("reason", Text, nullable=False, default=""),
    Index("ix_end_report_offering_id", "offering_id", "state"),
)

completion = Table(
    "completion",
    metadata,
    # What the centre says of an offering whose source leaves these fields empty.
    Column("offering_id", Id, ForeignKey(offering.c.id), primary_key=True, autoincrement=False),
    Column("fields", JSON, nullable=False),
    Column("at", Utc, nullable=False),
    words("by", 100),
)
