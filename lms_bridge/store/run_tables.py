"""Tables of runs: what they did, how flows and days went, and what keeps two from one centre."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Date,
    Index,
    Integer,
    String,
    Table,
    literal_column,
    text,
)

from lms_bridge.store.tables import Id, metadata, row_id, words
from lms_bridge.store.types import Utc

IS_DECISION_RUN = (
    "flows IN ('accounts', 'centres', 'connections', 'cycles', 'keys', 'memberships', 'operators', "
    "'roll_overs', 'tokens', 'webhooks')"
)
"""The condition of an index of ``run``: the few among all runs in which somebody decided, by the
flows of `audit.Subject`."""

run = Table(
    "run",
    metadata,
    row_id(),
    words("centre", 40),
    words("flows", 60),
    words("trigger", 20),
    words("status", 12),
    Column("started_at", Utc, nullable=False),
    Column("finished_at", Utc),
    Column("counts", JSON, nullable=False),
    # What waited at its end: `store.waits.Wait.document`.
    Column("waits", JSON, nullable=False, default=list),
    words("error_code", 60),
    words("error", 1000),
    # The person or token that requested it.
    words("requested_by", 100),
    # Lists go through the runs of all or of one centre, of any status or of one, by number.
    # The flows are beside it: those of many runs are looked at for a filter.
    Index("ix_run_centre", "centre", "id", "flows"),
    Index("ix_run_status", "status", "id", "flows"),
    Index("ix_run_centre_status", "centre", "status", "id", "flows"),
    Index(
        "ix_run_decision",
        *("id", "flows", "centre", "status"),
        sqlite_where=text(IS_DECISION_RUN),
        postgresql_where=text(IS_DECISION_RUN),
    ),
    Index("ix_run_started_at", "started_at"),
)

IS_DECISION = "kind NOT IN ('offering', 'learner', 'enrolment', 'result')"
"""The condition of an index of ``item``: what people decided, of `audit.Subject`."""

item = Table(
    "item",
    metadata,
    row_id(),
    Column("run_id", Id, nullable=False),
    words("system", 60),
    words("kind", 12),
    Column("record_id", Id),
    words("external_id"),
    words("action", 20),
    words("state", 30),
    Column("fields", JSON(none_as_null=True)),
    words("code", 60),
    words("message", 1000),
    Column("at", Utc, nullable=False),
    # Of a conflict: its centre, and the hold that asks a person about it.
    words("centre", 40),
    Column("hold_id", Id),
    Index("ix_item_record", "kind", "record_id"),
    Index(
        "ix_item_hold",
        *("hold_id", "id"),
        sqlite_where=text("hold_id IS NOT NULL"),
        postgresql_where=text("hold_id IS NOT NULL"),
    ),
    # Those that failed have a code, and are shown first.
    Index("ix_item_run", "run_id", "id", "code"),
    Index(
        "ix_item_failed",
        *("run_id", "code", "id"),
        sqlite_where=text("code <> ''"),
        postgresql_where=text("code <> ''"),
    ),
    # Decisions, which are few among what flows did.
    Index(
        "ix_item_decision",
        "id",
        sqlite_where=text(IS_DECISION),
        postgresql_where=text(IS_DECISION),
    ),
    # Conflicts of all centres, and of one.
    *(
        Index(
            name,
            *columns,
            sqlite_where=text("action = 'conflict'"),
            postgresql_where=text("action = 'conflict'"),
        )
        for name, columns in (
            ("ix_item_conflict", ("id", "centre")),
            ("ix_item_conflict_centre", ("centre", "id")),
        )
    ),
)

IN_AUDIT: ColumnElement[bool] = literal_column(f"(item.{IS_DECISION})")
"""That condition, written out: with parameters in it the index is not used."""

flow_state = Table(
    "flow_state",
    metadata,
    Column("centre", String(40), primary_key=True),
    Column("flow", String(20), primary_key=True),
    # Since when each run of the flow fails; none: its last run went well.
    Column("failing_since", Utc),
    # Of its last run.
    words("status", 12),
)

run_day = Table(
    "run_day",
    metadata,
    # The runs of a centre that ended on a day (UTC), added up: they outlive the runs themselves.
    Column("centre", String(40), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("runs", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    # How long they took together, and the longest of them.
    Column("milliseconds", BigInteger, nullable=False),
    Column("longest", BigInteger, nullable=False),
    # Steps that changed something here or there, and records that were refused.
    Column("changes", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    # The last good run that read the centre, and the most seconds between two of them.
    Column("good_at", Utc),
    Column("lag", BigInteger, nullable=False),
    Index("ix_run_day_day", "day"),
)

centre_check = Table(
    "centre_check",
    metadata,
    # The last check of a centre's LMS that somebody asked for on its page.
    Column("centre", String(40), primary_key=True),
    Column("requested_at", Utc, nullable=False),
    words("requested_by", 100),
    # None while it is under way.
    Column("finished_at", Utc),
    Column("findings", JSON, nullable=False),
    # Why it came to no end.
    words("error", 1000),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String(80), primary_key=True),
    words("holder", 200),
    Column("expires_at", Utc, nullable=False),
    # Of a claim to a lease that is lent: the run that lent it and goes on.
    Column("lender", Id),
)

schedule_state = Table(
    "schedule_state",
    metadata,
    Column("job", String(80), primary_key=True),
    Column("last_at", Utc, nullable=False),
)
