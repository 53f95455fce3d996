"""The tables of the API: tokens, kept responses, lists, webhooks, runs requested
for."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)

from lms_bridge.store.tables import Id, metadata, row_id, words
from lms_bridge.store.types import Texts, Utc

api_token = Table(
    "api_token",
    metadata,
    row_id(),
    Column("prefix", String(20), nullable=False, unique=True),
    # SHA-256 of the secret, which has 256 random bits: a slower hash would protect nothing more.
    Column("digest", LargeBinary(32), nullable=False),
    words("purpose"),
    # Whose data it reaches: one centre's, one region's, or (both empty) everybody's.
    words("centre", 40),
    words("region", 40),
    Column("scopes", Texts, nullable=False),
    # Requests in a minute; 0: as the settings say.
    Column("per_minute", Integer, nullable=False, default=0),
    Column("created_at", Utc, nullable=False),
    words("created_by", 100),
    Column("expires_at", Utc),
    Column("revoked_at", Utc),
    words("revoked_by", 100),
    Column("used_at", Utc),
    # Requests reserved in one minute (counted from 1970) by all processes.
    Column("minute", BigInteger, nullable=False, default=0),
    Column("reserved", Integer, nullable=False, default=0),
)

kept_response = Table(
    "kept_response",
    metadata,
    Column("token_id", Id, ForeignKey(api_token.c.id), primary_key=True, autoincrement=False),
    Column("key", String(255), primary_key=True),
    # Of the request that the key came with.
    Column("digest", LargeBinary(32), nullable=False),
    # The request that is at work on it; empty once the answer is there.
    words("holder", 200),
    Column("status", Integer, nullable=False, default=0),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False, default=b""),
    Column("at", Utc, nullable=False, index=True),
)

webhook = Table(
    "webhook",
    metadata,
    row_id(),
    words("centre", 40),
    words("region", 40),
    words("name"),
    # As it may be shown; the whole of it is encrypted, since a part of it may be a secret.
    words("address", 2000),
    Column("locked_address", LargeBinary, nullable=False, default=b""),
    # Encrypted, unlike a token's: messages are signed with it.
    Column("secret", LargeBinary, nullable=False, default=b""),
    # The one before, with which messages are signed too, until then.
    Column("old_secret", LargeBinary),
    Column("old_until", Utc),
    Column("events", Texts, nullable=False),
    Column("active", Boolean, nullable=False, default=True),
    Column("private_addresses", Boolean, nullable=False, default=False),
    Column("created_at", Utc, nullable=False),
    words("created_by", 100),
    # The token that it depends on; none: it is an operator's.
    Column("token_id", Id, ForeignKey(api_token.c.id)),
    # Since when nothing got through; why it was switched off.
    Column("failing_since", Utc),
    words("reason"),
    # After a failure nothing is sent before then.
    Column("rest_until", Utc),
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    row_id(),
    Column("webhook_id", Id, ForeignKey(webhook.c.id), nullable=False),
    words("event", 60),
    words("kind", 12),
    Column("record_id", Id, nullable=False),
    # The state of the record in this event. Each state has one event.
    Column("revision", Integer, nullable=False, default=0),
    Column("body", JSON, nullable=False),
    # Its name at the receiver, the same for every attempt.
    words("message", 60),
    Column("created_at", Utc, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("attempted_at", Utc),
    Column("next_attempt", Utc),
    Column("delivered_at", Utc),
    Column("status", Integer, nullable=False, default=0),
    words("error", 1000),
    UniqueConstraint("webhook_id", "event", "kind", "record_id", "revision"),
    Index("ix_webhook_delivery_webhook_id", "webhook_id", "id"),
    Index(
        "ix_webhook_delivery_due",
        "webhook_id",
        "next_attempt",
        sqlite_where=text("delivered_at IS NULL"),
        postgresql_where=text("delivered_at IS NULL"),
    ),
)

webhook_attempt = Table(
    "webhook_attempt",
    metadata,
    row_id(),
    Column(
        "delivery_id", Id, ForeignKey(webhook_delivery.c.id, ondelete="CASCADE"), nullable=False
    ),
    Column("at", Utc, nullable=False),
    Column("milliseconds", Integer, nullable=False, default=0),
    # Of the answer; 0: there was none.
    Column("status", Integer, nullable=False, default=0),
    # What kind of failure it was; empty: it arrived.
    words("code", 40),
    words("error"),
    Index("ix_webhook_attempt_delivery_id", "delivery_id", "id"),
)

outbox_entry = Table(
    "outbox_entry",
    metadata,
    # Written in the transaction that changes a record, as long as there is an active webhook.
    row_id(),
    words("kind", 12),
    Column("record_id", Id, nullable=False),
    # Whether the catalogue showed the offering before.
    Column("was_shown", Boolean, nullable=False, default=False),
    Index("ix_outbox_entry_record", "kind", "record_id"),
)

outbox_notice = Table(
    "outbox_notice",
    metadata,
    # What happened to no record of the sync, such as a hold, written in the same way.
    row_id(),
    words("event", 60),
    words("centre", 40),
    Column("data", JSON, nullable=False),
    Column("at", Utc, nullable=False),
    sqlite_autoincrement=True,  # deliveries name them by their numbers after they are gone
)

run_request = Table(
    "run_request",
    metadata,
    Column("centre", String(40), primary_key=True),
    Column("flows", String(60), primary_key=True),
    # Whether the run only sends what waits, and reads nothing.
    Column("sends_only", Boolean, primary_key=True, default=False),
    # Another one with each request: a run takes away only the request that it knew of.
    words("mark", 16),
    Column("requested_at", Utc, nullable=False),
    words("requested_by", 100),
    # A person waits for it: it ignores back-off.
    Column("by_person", Boolean, nullable=False, default=False),
    Column("submitted_at", Utc),
)
