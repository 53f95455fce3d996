"""The tables of the interface for programs: tokens, kept answers, lists, webhooks, runs asked
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
    Text,
    UniqueConstraint,
    text,
)

from lms_bridge.store.tables import Id, metadata, offering, row_id, words
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
    # Requests that were given out in a minute (counted from 1970), over all processes.
    Column("minute", BigInteger, nullable=False, default=0),
    Column("given", Integer, nullable=False, default=0),
)

api_answer = Table(
    "api_answer",
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

offering_in_list = Table(
    "offering_in_list",
    metadata,
    # Apart from the offering: its long texts would have to be read past.
    Column("offering_id", Id, ForeignKey(offering.c.id), primary_key=True, autoincrement=False),
    # JSON, ready to be sent.
    Column("shown", Text, nullable=False),
)

webhook = Table(
    "webhook",
    metadata,
    row_id(),
    words("centre", 40),
    words("region", 40),
    words("name"),
    words("address", 2000),
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
    # Which state of the record it tells of: each is told of once.
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

untold_change = Table(
    "untold_change",
    metadata,
    # Written in the transaction that changes a record, as long as there is an active webhook.
    row_id(),
    words("kind", 12),
    Column("record_id", Id, nullable=False),
    # Whether the catalogue showed the offering before.
    Column("was_shown", Boolean, nullable=False, default=False),
    Index("ix_untold_change_record", "kind", "record_id"),
)

asked_run = Table(
    "asked_run",
    metadata,
    Column("centre", String(40), primary_key=True),
    Column("flows", String(60), primary_key=True),
    Column("asked_at", Utc, nullable=False),
    words("asked_by", 100),
    Column("submitted_at", Utc),
)
