"""A learner's calendar: their courses as iCalendar, at an address that nobody can guess.

Calendar programs cannot sign in. The address can be ended, and another one can be made. The bridge
keeps only its hash.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime

from flask import Blueprint, Response
from flask_babel import gettext
from sqlalchemy import Connection, select

from lms_bridge import audit
from lms_bridge.audit import Actor, Change, Fields, Subject
from lms_bridge.catalogue import ical
from lms_bridge.catalogue.entry import CatalogueEntry, Provider
from lms_bridge.catalogue.requests import addresses, feed_address
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.desired_state import IN_COURSE
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.lifecycle import BEFORE_PAYMENT
from lms_bridge.domain.model import Offering
from lms_bridge.store import accounts
from lms_bridge.store.account_tables import learner_calendar
from lms_bridge.store.bulk import upsert
from lms_bridge.store.database import Database
from lms_bridge.store.tables import IS_SHOWN, centre, enrolment, offering
from lms_bridge.web.access import the_bridge
from lms_bridge.web.sessions import digest_of

routes = Blueprint("calendars", __name__)
MOST = 500
SHOWN = IN_COURSE.union(BEFORE_PAYMENT)
"""Courses in which the learner has a place; those that they only applied for are left out."""
_OFFERING = [offering.c[each.name] for each in fields(Offering)]


def make(database: Database, learner_id: int, known: str, by: Actor) -> str:
    """Makes the secret of the learner's address. An earlier one no longer works. ``known`` says
    which one the reader saw: where another one is there by now, the form was sent twice, and
    nothing is made (\"\")."""
    secret = secrets.token_urlsafe(32)
    with database.writing() as tx:
        if mark(since(tx, learner_id)) != known:
            return ""
        row = {"learner_id": learner_id, "digest": digest_of(secret), "created_at": by.at}
        upsert(tx, learner_calendar, [row], ["learner_id"], ["digest", "created_at"])
        _record(tx, by, learner_id, "calendar")
    return secret


def since(tx: Connection, learner_id: int) -> datetime | None:
    """When the address was made; None where there is none."""
    query = select(learner_calendar.c.created_at)
    return tx.scalar(query.where(learner_calendar.c.learner_id == learner_id))


def mark(at: datetime | None) -> str:
    """What a form holds of the address that its reader sees."""
    return "" if at is None else at.isoformat()


def end(database: Database, learner_id: int, by: Actor) -> None:
    with database.writing() as tx:
        if accounts.end_calendar(tx, learner_id):
            _record(tx, by, learner_id, "end calendar")


def _record(tx: Connection, by: Actor, learner_id: int, action: str) -> None:
    fields: Fields = {"calendar": None}
    name = f"learner {learner_id}"
    audit.record(tx, by, Change(Subject.ACCOUNT, action, None, name, fields))


@routes.get("/calendar/<secret>.ics")
def show(secret: str) -> Response:
    """Raises NotFound where the address was ended, or never was one."""
    source, known = feed_address(), addresses()
    with the_bridge().database.reading() as tx:
        learner_id = tx.scalar(
            select(learner_calendar.c.learner_id).where(
                learner_calendar.c.digest == digest_of(secret)
            )
        )
        if learner_id is None:
            raise NotFound("no-such-calendar", "There is no such calendar, or no longer.")
        entries = list(_entries(tx, learner_id))
    name = gettext("My courses")
    pieces = ical.calendar(entries, known, name=name, source=source, at=utc_now())
    response = Response(b"".join(pieces), content_type=ical.MEDIA_TYPE)
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _entries(tx: Connection, learner_id: int) -> Iterator[CatalogueEntry]:
    rows = tx.execute(
        select(
            offering.c.id,
            offering.c.changed_at,
            centre.c.name,
            centre.c.region,
            centre.c.country,
            centre.c.sample,
            *_OFFERING,
        )
        .select_from(enrolment)
        .join(offering, offering.c.id == enrolment.c.offering_id)
        .outerjoin(centre, centre.c.code == offering.c.centre)
        .where(enrolment.c.learner_id == learner_id, enrolment.c.status.in_(SHOWN), IS_SHOWN)
        .order_by(enrolment.c.id.desc())
        .limit(MOST)
    )
    for record_id, changed_at, name, region, country, sample, *columns in rows:
        record = Offering(*columns)
        place = (name or record.centre, region or "", country or "", bool(sample))
        yield CatalogueEntry(record_id, 0, record, Provider(record.centre, *place), changed_at)
