"""Tables of the network: cycles, priority areas, memberships, regions before, public profiles."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from lms_bridge.store.tables import Id, metadata, row_id, words
from lms_bridge.store.types import Texts, Utc

cycle = Table(
    "cycle",
    metadata,
    Column("name", String(40), primary_key=True),
    words("programme"),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date),
    Column("complete", Boolean, nullable=False, default=False),
    Column("most_per_centre", Integer),
    # What config/ said when it was seeded; none: a person opened it here.
    Column("seed", JSON(none_as_null=True)),
)

priority_area = Table(
    "priority_area",
    metadata,
    row_id(),
    Column("cycle", String(40), ForeignKey(cycle.c.name), nullable=False),
    words("name"),
    Column("key", String(255), nullable=False),
    # The area that it became when it was renamed or merged; none: it is one still.
    Column("now_id", Id),
    UniqueConstraint("cycle", "key"),
)

membership = Table(
    "membership",
    metadata,
    row_id(),
    Column("centre", String(40), ForeignKey("centre.code"), nullable=False),
    Column("cycle", String(40), ForeignKey(cycle.c.name), nullable=False),
    # None of its own: that of the cycle.
    Column("starts_on", Date),
    Column("ends_on", Date),
    Column("priority_areas", Texts, nullable=False),
    words("reason", 1000),
    Index("ix_membership_centre", "centre"),
    Index("ix_membership_cycle", "cycle"),
)

past_region = Table(
    "past_region",
    metadata,
    # A row for each region that a centre was in before, with the last day there.
    Column("centre", String(40), ForeignKey("centre.code"), primary_key=True),
    Column("ends_on", Date, primary_key=True),
    words("region", 40),
)

centre_profile = Table(
    "centre_profile",
    metadata,
    Column("centre", String(40), ForeignKey("centre.code"), primary_key=True),
    Column("names", JSON, nullable=False),
    words("city"),
    words("site", 2000),
    words("contact"),
    words("logo", 2000),
)

roll_over = Table(
    "roll_over",
    metadata,
    # A plan for the memberships of one region, from one cycle to the next.
    row_id(),
    words("region", 40),
    words("old", 40),
    words("new", 40),
    words("status", 12),
    Column("changes", JSON, nullable=False),
    Column("made_at", Utc, nullable=False),
    words("made_by", 100),
    Column("decided_at", Utc),
    words("decided_by", 100),
)
