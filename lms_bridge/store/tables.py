"""The tables. Names follow docs/glossary.md; the reasons are in docs/reconciliation.md.

Canonical records (``offering``, ``learner``, ``enrolment``, ``result``) know nothing of any outside
system. A ``link`` joins one record to its counterpart in one system. It holds the hashes that show
what is still to be done.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    literal_column,
    select,
    text,
)

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.desired_state import GONE_HASH, PUBLIC
from lms_bridge.domain.model import (
    EnrolmentStatus,
    Level,
    Modality,
    OfferingStatus,
    RegistrationType,
)
from lms_bridge.store.types import Exact, Meetings, Texts, Utc, Word

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only plain INTEGER keys
EMPTY = b""


def row_id() -> Column[int]:
    return Column("id", Id, primary_key=True, autoincrement=True)


def _changes() -> tuple[Column[datetime], Column[int]]:
    """When a row was last written, and how many times: for readers who follow what changed."""
    return (
        Column("changed_at", Utc, nullable=False, default=utc_now, onupdate=utc_now, index=True),
        Column("revision", Integer, nullable=False, default=1, onupdate=text("revision + 1")),
    )


def _hash(name: str) -> Column[bytes]:
    return Column(name, LargeBinary(16), nullable=False, default=EMPTY)


def words(name: str, longest: int = 255) -> Column[str]:
    return Column(name, String(longest), nullable=False, server_default="", default="")


centre = Table(
    "centre",
    metadata,
    Column("code", String(40), primary_key=True),
    words("name"),
    words("region", 40),
    words("country", 2),
    Column("languages", Texts, nullable=False),
    words("time_zone", 64),
    words("connector", 60),
    words("address", 2000),
    Column("secret", LargeBinary, nullable=False, default=EMPTY),
    Column("options", JSON, nullable=False),
    Column("policy", JSON, nullable=False),
    Column("sample", Boolean, nullable=False, default=False),
    Column("active", Boolean, nullable=False, default=True),
    Index("ix_centre_region", "region", "code"),
)

course = Table(
    "course",
    metadata,
    row_id(),
    words("centre", 40),
    words("code", 100),
    words("title", 500),
    UniqueConstraint("centre", "code"),
)

_LOOKED_AT = ("status", "starts_at", "ends_at")

offering = Table(
    "offering",
    metadata,
    row_id(),
    Column("code", String(80), nullable=False, unique=True),
    words("centre", 40),
    words("course_code", 100),
    words("title", 500),
    Column("modality", Word(Modality)),
    Column("level", Word(Level)),
    Column("status", Word(OfferingStatus), nullable=False),
    Column("listed", Boolean, nullable=False, default=True),
    Column("starts_at", Utc),
    Column("ends_at", Utc),
    words("time_zone", 64),
    Column("hours", Exact),
    Column("registration", Word(RegistrationType), nullable=False),
    Column("registration_opens", Utc),
    Column("registration_closes", Utc),
    Column("seats", Integer),
    Column("price", Exact),
    words("currency", 3),
    Column("payment_methods", Texts, nullable=False),
    Column("languages", Texts, nullable=False),
    Column("topics", Texts, nullable=False),
    Column("coordinators", Texts, nullable=False),
    Column("organisers", Texts, nullable=False),
    words("location", 500),
    Column("description", Text, nullable=False, default=""),
    Column("audience", Text, nullable=False, default=""),
    Column("requirements", Text, nullable=False, default=""),
    Column("objectives", Text, nullable=False, default=""),
    words("address", 2000),
    words("lms_course"),
    Column("meetings", Meetings, nullable=False),
    Column("translations", JSON, nullable=False),
    # When it first was public here: self-paced courses count in the year of it.
    Column("published_at", Utc),
    *_changes(),
    Index("ix_offering_centre_starts_at", "centre", "starts_at"),
    # The front page shows what starts next, and what is new.
    Index("ix_offering_starts_at", "starts_at"),
    Index("ix_offering_published_at", "published_at", "id"),
    # The catalogue is gone through in the order of ids, inside one of these.
    *(
        Index(f"ix_offering_{first}", *(first, "listed", "id", "centre", second, *_LOOKED_AT))
        for first, second in (("modality", "level"), ("level", "modality"))
    ),
    Index("ix_offering_listed", *("listed", "id", "centre", "modality", "level", *_LOOKED_AT)),
    Index("ix_offering_centre", *("centre", "id", "listed", "modality", "level", *_LOOKED_AT)),
)

FIRST_MOMENT = (
    "CASE WHEN offering.modality = 'online_self_paced' "
    "THEN coalesce(offering.published_at, offering.starts_at) ELSE offering.starts_at END"
)
"""From when a course counts. The migration lets PostgreSQL keep statistics of it, which
would expect hardly a course in a year otherwise."""

offering_tag = Table(
    "offering_tag",
    metadata,
    Column("kind", String(10), primary_key=True),
    # In lower case, so that a search ignores case.
    Column("value", String(500), primary_key=True),
    Column("offering_id", Id, ForeignKey(offering.c.id), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

catalogue_change = Table(
    "catalogue_change",
    metadata,
    # Which of the catalogue's offerings changed last, and in which order; 0: facts of centres.
    # `store/catalogue_changes.py` says what a stamp is.
    Column("offering_id", Id, primary_key=True, autoincrement=False),
    Column("stamp", BigInteger, nullable=False, index=True),
)

kept_status = Table(
    "kept_status",
    metadata,
    # A row is there once a person acted: from then on the bridge keeps the offering's status.
    Column("offering_id", Id, ForeignKey(offering.c.id), primary_key=True, autoincrement=False),
    Column("since", Utc, nullable=False),
    Column("deadline", Utc, index=True),
    words("reason", 1000),
)

learner = Table(
    "learner",
    metadata,
    row_id(),
    Column("academy_id", String(100), nullable=False, unique=True),
    words("given_name", 100),
    words("family_name", 100),
    words("email", 254),
    Column("email_key", String(254), nullable=False, index=True),
    words("language", 35),
    words("country", 2),
)

enrolment = Table(
    "enrolment",
    metadata,
    row_id(),
    Column("learner_id", Id, ForeignKey(learner.c.id), nullable=False),
    Column("offering_id", Id, ForeignKey(offering.c.id), nullable=False),
    Column("status", Word(EnrolmentStatus), nullable=False),
    Column("starts_at", Utc),
    Column("ends_at", Utc),
    *_changes(),
    # The import in parts that added it; 0: none.
    Column("import_id", Id, nullable=False, server_default="0", default=0),
    UniqueConstraint("offering_id", "learner_id"),
    Index("ix_enrolment_learner_id", "learner_id"),
    # The people of a course, and of a year's courses, are counted inside it.
    Index("ix_enrolment_status", "offering_id", "status", "learner_id", "import_id"),
)

registration_question = Table(
    "registration_question",
    metadata,
    # What the organiser asks whoever registers, in its order.
    Column("offering_id", Id, ForeignKey(offering.c.id), primary_key=True, autoincrement=False),
    Column("questions", Texts, nullable=False),
)

offering_teacher = Table(
    "offering_teacher",
    metadata,
    row_id(),
    Column("offering_id", Id, ForeignKey(offering.c.id), nullable=False),
    # Whose account at the LMS has this ID number.
    words("academy_id", 100),
    # What became of it there: `store.teachers.TeacherState`.
    words("state", 12),
    # Where the bridge gave the role: a course and an account there.
    words("course"),
    words("account"),
    # Whether the role is to be taken back.
    Column("leaves", Boolean, nullable=False, default=False),
    UniqueConstraint("offering_id", "academy_id"),
)

registration_answer = Table(
    "registration_answer",
    metadata,
    # Each question as it was asked, with its answer: questions may change later.
    Column("enrolment_id", Id, ForeignKey(enrolment.c.id), primary_key=True, autoincrement=False),
    Column("answers", JSON, nullable=False),
)

open_import = Table(
    "open_import",
    metadata,
    # The number of the run that began it.
    Column("id", Id, primary_key=True, autoincrement=False),
    words("centre", 40),
    words("system", 60),
    Column("shown", Boolean, nullable=False, default=False),
    # The last enrolment that was announced.
    Column("after", Id, nullable=False, default=0),
)

IS_SHOWN = enrolment.c.import_id.not_in(
    select(open_import.c.id).where(open_import.c.shown.is_(False))
)
"""Enrolments without those of an import that is not whole yet."""

result = Table(
    "result",
    metadata,
    row_id(),
    Column("enrolment_id", Id, ForeignKey(enrolment.c.id), nullable=False, unique=True),
    Column("score", Exact),
    Column("scale_min", Exact, nullable=False),
    Column("scale_max", Exact, nullable=False),
    Column("completed", Boolean),
    Column("completed_at", Utc),
    Column("graded_at", Utc),
    *_changes(),
    Index("ix_result_completed", "enrolment_id", "completed"),
)

# The statuses are written out: parameters of a list are put together anew with every question.
IS_PUBLIC = and_(
    offering.c.listed,
    offering.c.status.in_([literal_column(f"'{word}'") for word in sorted(PUBLIC)]),
)
"""``domain.wanted.is_public`` as a condition."""

OFFERING_AT_ACADEMY = "system || ':' || kind = 'academy:offering'"
"""Links of what the catalogue shows. In this form SQLite uses the index with this condition. A
comparison of single columns would lead it to the unique constraint's index, and to every row."""

link = Table(
    "link",
    metadata,
    row_id(),
    words("system", 60),
    words("kind", 12),
    words("centre", 40),
    Column("record_id", Id, nullable=False),
    # Where the record stands in that system. Unknown ("") until found or created there.
    words("external_id"),
    words("scope"),
    # The record as that system last showed it (as a source).
    _hash("source_hash"),
    # The document it is to hold, and the one that it last acknowledged (as a target).
    _hash("desired"),
    _hash("acknowledged"),
    Column("held_document", JSON(none_as_null=True)),
    # What the target was seen to hold instead, where a person decided to leave it so.
    _hash("tolerated"),
    # True when the bridge itself created it there: only then may the bridge remove it.
    Column("created_by_us", Boolean, nullable=False, default=False),
    # True from just before a request is sent until its outcome is known.
    Column("sending", Boolean, nullable=False, default=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt", Utc),
    Column("failed_since", Utc),
    # Whether a failure is not the record's own: `store.target_links.LATER`, `DENIED`.
    words("refusal", 12),
    words("error_code", 60),
    words("error", 1000),
    UniqueConstraint("system", "kind", "record_id"),
    Index("ix_link_record", "record_id", "kind"),
    Index("ix_link_external", "system", "kind", "external_id"),
    Index("ix_link_scope", "system", "kind", "scope"),
    Index(
        "ix_link_pending",
        "centre",
        "system",
        "kind",
        sqlite_where=text("desired <> acknowledged OR sending"),
        postgresql_where=text("desired <> acknowledged OR sending"),
    ),
    Index(
        "ix_link_catalogue",
        *("record_id", "acknowledged"),
        sqlite_where=text(OFFERING_AT_ACADEMY),
        postgresql_where=text(OFFERING_AT_ACADEMY),
    ),
)

HELD = and_(link.c.acknowledged != EMPTY, link.c.acknowledged != GONE_HASH)
"""What the target acknowledged and still holds."""

IN_CATALOGUE = and_(
    IS_PUBLIC,
    # Asked of each offering that all else fits: PostgreSQL would make a join of an EXISTS, over
    # all links there are.
    select(link.c.acknowledged)
    .where(literal_column(OFFERING_AT_ACADEMY), link.c.record_id == offering.c.id, HELD)
    .scalar_subquery()
    .is_not(None),
)
"""What the public may see: the Academy has acknowledged it, and it is still to be shown."""

source_digest = Table(
    "source_digest",
    metadata,
    Column("system", String(60), primary_key=True),
    Column("kind", String(12), primary_key=True),
    Column("feed_name", String(60), primary_key=True),
    Column("scope", String(255), primary_key=True),
    _hash("digest"),
    words("cursor", 1000),
    # Of the records of the page (lms_bridge.sync.marks); empty where the page has none.
    Column("marks", LargeBinary, nullable=False, default=EMPTY),
)

quarantine = Table(
    "quarantine",
    metadata,
    row_id(),
    words("system", 60),
    words("kind", 12),
    words("centre", 40),
    words("external_id"),
    words("scope"),
    _hash("source_hash"),
    words("code", 60),
    words("reason", 1000),
    Column("since", Utc, nullable=False),
    Column("run_id", Id, nullable=False),
    # In files and pushes, each centre has ids of its own.
    # What the source showed of it (`sync.diff.shown_of`), for those who may read such records.
    Column("shown", JSON, nullable=False, default=dict),
    words("remedy", 1000),
    UniqueConstraint("system", "kind", "centre", "external_id"),
    Index("ix_quarantine_centre", "centre"),
    Index("ix_quarantine_scope", "system", "kind", "scope"),
)

unmatched = Table(
    "unmatched",
    metadata,
    row_id(),
    words("centre", 40),
    Column("learner_id", Id, ForeignKey(learner.c.id), nullable=False),
    Column("suggestions", JSON, nullable=False),
    words("reason", 60),
    Column("since", Utc, nullable=False),
    # A person decided that no account is the learner's: one is to be created.
    Column("to_create", Boolean, nullable=False, default=False),
    # One account has the same address and the same name: `domain.matching.agrees`.
    Column("agrees", Boolean, nullable=False, default=False),
    UniqueConstraint("centre", "learner_id"),
)

hold = Table(
    "hold",
    metadata,
    row_id(),
    words("centre", 40),
    words("system", 60),
    words("kind", 12),
    words("reason", 30),
    words("status", 12),
    Column("record_ids", JSON, nullable=False),
    Column("out_of", Integer, nullable=False, default=0),
    Column("run_id", Id, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("decided_at", Utc),
    words("decided_by", 100),
    Index("ix_hold_centre_status", "centre", "status"),
    Index("ix_hold_status", "status", "id"),
)
