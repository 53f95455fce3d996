"""The tables of people who sign in: accounts, roles, links and sessions; learners' calendars."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from lms_bridge.store.tables import EMPTY, Id, learner, metadata, row_id, words
from lms_bridge.store.types import Utc

account = Table(
    "account",
    metadata,
    row_id(),
    # In lower case: who writes it in another way is the same person.
    Column("email", String(254), nullable=False, unique=True),
    words("name", 100),
    words("language", 10),
    # Empty: each time is shown in the zone that it belongs to.
    words("time_zone", 64),
    # The learner that this person is; a stable id decided it (docs/accounts.md).
    Column("learner_id", Id, ForeignKey(learner.c.id), unique=True),
    # Argon2id, with its salt and costs; empty where the account has none.
    words("password", 200),
    # Of the second factor, encrypted; empty where the account has none.
    Column("totp_secret", LargeBinary, nullable=False, default=EMPTY),
    # The last period whose code was used: no code is good twice.
    Column("totp_period", Integer, nullable=False, default=0),
    # Wrong passwords in a row, and when the last one was tried.
    Column("failures", Integer, nullable=False, default=0),
    Column("failed_at", Utc),
    # The same of codes: only who has come past the password may try them.
    Column("wrong_codes", Integer, nullable=False, default=0),
    Column("code_tried_at", Utc),
    # The account at the OpenID provider; empty until its first sign-in from there.
    words("subject", 255),
    Column("created_at", Utc, nullable=False),
    words("created_by", 100),
    Column("disabled_at", Utc),
    sqlite_autoincrement=True,  # the audit names them by their numbers
)

account_role = Table(
    "account_role",
    metadata,
    row_id(),
    Column("account_id", Id, ForeignKey(account.c.id), nullable=False),
    words("role", 20),
    # Whose data it reaches: one centre's, one region's, or (both empty) everybody's.
    words("centre", 40),
    words("region", 40),
    UniqueConstraint("account_id", "role", "centre", "region"),
)

web_session = Table(
    "web_session",
    metadata,
    # A sign-in link, then the session that it opened.
    row_id(),
    # SHA-256 of the link's secret, then of the session's, which is another one.
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    words("name", 100),
    # Whose it is; neither of the two: an operator's, by a link from the command line.
    Column("account_id", Id, ForeignKey(account.c.id), index=True),
    # A learner without an account, whom the Academy's platform or the provider vouched for.
    Column("learner_id", Id, ForeignKey(learner.c.id), index=True),
    # Signed in, but the second factor is still to be shown.
    Column("half", Boolean, nullable=False, default=False),
    Column("created_at", Utc, nullable=False),
    Column("signed_in_at", Utc),
    Column("seen_at", Utc),
    Column("expires_at", Utc, nullable=False, index=True),
    sqlite_autoincrement=True,  # the audit names them by their numbers after they ended
)

learner_calendar = Table(
    "learner_calendar",
    metadata,
    Column("learner_id", Id, ForeignKey(learner.c.id), primary_key=True, autoincrement=False),
    # SHA-256 of the secret in the calendar's address.
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", Utc, nullable=False),
)

schedule_upload = Table(
    "schedule_upload",
    metadata,
    # A file whose changes somebody is looking at before they apply it.
    row_id(),
    Column("session_id", Id, nullable=False),
    words("centre", 40),
    words("name", 200),
    words("format", 40),
    # Whether courses that the file leaves out are to end.
    Column("whole", Boolean, nullable=False, default=False),
    Column("octets", LargeBinary, nullable=False),
    Column("expires_at", Utc, nullable=False, index=True),
    UniqueConstraint("session_id", "centre"),
    sqlite_autoincrement=True,  # a form names the file by its number, also after it is gone
)

mail_failure = Table(
    "mail_failure",
    metadata,
    # One row, with the number 1, while the mail server fails; none while it works.
    row_id(),
    Column("since", Utc, nullable=False),
    # Requests for a sign-in link that met it, whether or not there is such an account.
    Column("requests", Integer, nullable=False),
)

kept_form = Table(
    "kept_form",
    metadata,
    # What somebody had typed when their session had ended: for their next one.
    row_id(),
    # What the audit calls the person: "account 7" or "learner 9".
    words("person", 40),
    # The page of the form, with its query.
    words("page", 1000),
    # {name of a field: text}
    Column("fields", JSON, nullable=False),
    Column("expires_at", Utc, nullable=False, index=True),
    UniqueConstraint("person", "page"),
)
