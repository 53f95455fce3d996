"""The tables of LTI: keys, nonces, registrations, and what the bridge serves as a platform."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
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

from lms_bridge.store.tables import Id, learner, metadata, offering, row_id, words
from lms_bridge.store.types import Exact, Texts, Utc

key = Table(
    "lti_key",
    metadata,
    row_id(),
    Column("kid", String(64), nullable=False, unique=True),
    # PKCS#8, locked with the settings' key.
    Column("private", LargeBinary, nullable=False),
    Column("public", JSON, nullable=False),
    Column("created_at", Utc, nullable=False),
    # Signs no more from then on; published until nothing that it signed can be valid.
    Column("retired_at", Utc),
)

nonce = Table(
    "nonce",
    metadata,
    # Of the purpose and the value: the value itself is kept nowhere.
    Column("digest", LargeBinary(32), primary_key=True),
    words("purpose", 30),
    Column("data", JSON, nullable=False),
    Column("expires_at", Utc, nullable=False, index=True),
    sqlite_with_rowid=False,
)

registration = Table(
    "lti_registration",
    metadata,
    row_id(),
    words("side", 10),
    words("centre", 40),
    words("name"),
    words("issuer"),
    words("client_id"),
    Column("deployment_ids", Texts, nullable=False),
    words("authorization_endpoint", 2000),
    words("token_endpoint", 2000),
    # What a platform's token requests are for, where it is not the endpoint's address.
    words("token_audience", 2000),
    words("jwks_uri", 2000),
    words("initiate_login_uri", 2000),
    Column("redirect_uris", Texts, nullable=False),
    words("target_link_uri", 2000),
    words("deep_link_uri", 2000),
    Column("custom", JSON, nullable=False),
    Column("scopes", Texts, nullable=False),
    Column("privacy", JSON, nullable=False),
    words("status", 10),
    # Which claim of a platform's launches names the learner.
    Column("person_id", String(12), nullable=False, server_default="sub", default="sub"),
    # Where a tool opens when its link does not say.
    words("opens_in", 10),
    Column("private_addresses", Boolean, nullable=False, default=False),
    # A centre's platform opens other centres' offerings, too.
    Column("any_offering", Boolean, nullable=False, default=False),
    # A platform's deployments need not be known one by one.
    Column("any_deployment", Boolean, nullable=False, default=False),
    Column("created_at", Utc, nullable=False),
    UniqueConstraint("side", "issuer", "client_id"),
    Index("ix_lti_registration_centre", "centre", "side"),
)

# Deployments of a platform that launched and are not accepted: counted, one row for each.
unknown_deployment = Table(
    "lti_unknown_deployment",
    metadata,
    row_id(),
    Column(
        "registration_id",
        Id,
        ForeignKey(registration.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    words("deployment_id"),
    Column("times", Integer, nullable=False),
    Column("first_at", Utc, nullable=False),
    Column("last_at", Utc, nullable=False),
    UniqueConstraint("registration_id", "deployment_id"),
)

# Launches and calls that were refused lately. The connection is the one that the message named, 0
# if it named none: not a foreign key, as nobody proved it.
refusal = Table(
    "lti_refusal",
    metadata,
    row_id(),
    Column("registration_id", Id, nullable=False),
    words("place", 60),
    words("code", 60),
    words("detail", 100),
    words("reference", 16),
    Column("times", Integer, nullable=False),
    Column("at", Utc, nullable=False, index=True),
    Index("ix_lti_refusal_registration_id_code", "registration_id", "code", "id"),
)

subject = Table(
    "lti_subject",
    metadata,
    row_id(),
    words("centre", 40),
    Column("learner_id", Id, ForeignKey(learner.c.id), nullable=False),
    words("subject"),
    UniqueConstraint("centre", "learner_id"),
    UniqueConstraint("centre", "subject"),
)

resource = Table(
    "lti_resource",
    metadata,
    row_id(),
    Column("registration_id", Id, ForeignKey(registration.c.id), nullable=False),
    Column("offering_id", Id, ForeignKey(offering.c.id), nullable=False),
    # What people and tools call it: never our row's number alone.
    Column("code", String(64), nullable=False, unique=True),
    words("title", 500),
    Column("description", Text, nullable=False, default=""),
    words("address", 2000),
    Column("custom", JSON, nullable=False),
    words("target", 10),
    Column("created_at", Utc, nullable=False),
    Index("ix_lti_resource_offering_id", "offering_id", "registration_id"),
)

line_item = Table(
    "lti_line_item",
    metadata,
    row_id(),
    Column("registration_id", Id, ForeignKey(registration.c.id), nullable=False),
    Column("offering_id", Id, ForeignKey(offering.c.id), nullable=False),
    Column("resource_link_id", Id, ForeignKey(resource.c.id)),
    words("label", 500),
    Column("score_maximum", Exact, nullable=False),
    words("resource_id"),
    words("tag"),
    # Made by the bridge for the offering as a whole: its scores come before those of any other.
    Column("main", Boolean, nullable=False, default=False),
    Column("starts_at", Utc),
    Column("ends_at", Utc),
    Column("created_at", Utc, nullable=False),
    Index("ix_lti_line_item_offering_id", "offering_id", "registration_id"),
)

score = Table(
    "lti_score",
    metadata,
    row_id(),
    Column("line_item_id", Id, ForeignKey(line_item.c.id, ondelete="CASCADE"), nullable=False),
    Column("learner_id", Id, ForeignKey(learner.c.id), nullable=False),
    Column("points", Exact),
    Column("maximum", Exact),
    words("activity", 20),
    words("grading", 20),
    Column("comment", Text, nullable=False, default=""),
    Column("at", Utc, nullable=False),
    # The score as sent, and as applied to the learner's result. While they differ, it is pending.
    Column("digest", LargeBinary(16), nullable=False),
    Column("applied_digest", LargeBinary(16), nullable=False),
    UniqueConstraint("line_item_id", "learner_id"),
    Index(
        "ix_lti_score_pending",
        "line_item_id",
        sqlite_where=text("digest <> applied_digest"),
        postgresql_where=text("digest <> applied_digest"),
    ),
)


launch_origin = Table(
    "lti_launch_origin",
    metadata,
    row_id(),
    Column("registration_id", Id, ForeignKey(registration.c.id), nullable=False),
    Column("offering_id", Id, ForeignKey(offering.c.id), nullable=False),
    Column("learner_id", Id, ForeignKey(learner.c.id), nullable=False),
    # The platform's own id of the learner, and the columns of its gradebook.
    words("subject"),
    words("resource_link"),
    words("line_item", 2000),
    words("line_items", 2000),
    Column("scopes", Texts, nullable=False),
    Column("at", Utc, nullable=False),
    # The time that the last score sent carries: the next one's has to be later.
    Column("scored_at", Utc),
    UniqueConstraint("registration_id", "offering_id", "learner_id"),
    Index("ix_lti_launch_origin_offering_id", "offering_id", "learner_id"),
)

course = Table(
    "lti_course",
    metadata,
    row_id(),
    Column("registration_id", Id, ForeignKey(registration.c.id), nullable=False),
    Column("offering_id", Id, ForeignKey(offering.c.id), nullable=False),
    # The platform's own id of its course.
    words("context"),
    words("title", 500),
    words("memberships", 2000),
    Column("at", Utc, nullable=False),
    UniqueConstraint("registration_id", "context", "offering_id"),
    Index("ix_lti_course_offering_id", "offering_id"),
)

# Resources of a centre's tool that were chosen to become offerings.
chosen_resource = Table(
    "lti_chosen_resource",
    metadata,
    row_id(),
    Column("registration_id", Id, ForeignKey(registration.c.id), nullable=False),
    Column("code", String(64), nullable=False, unique=True),
    Column("item", JSON, nullable=False),
    Column("created_at", Utc, nullable=False),
    Index("ix_lti_chosen_resource_registration_id", "registration_id"),
)
