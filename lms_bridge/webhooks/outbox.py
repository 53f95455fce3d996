"""Turns outbox entries into deliveries, one for each webhook whose reach covers the change.

Bodies hold ids and statuses, never a name, an e-mail address or a score. A receiver that may know
more reads it through the API.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.document import plain
from lms_bridge.domain.events import PING, Event, Webhook, offering_event
from lms_bridge.domain.model import Kind
from lms_bridge.store import offerings, outbox
from lms_bridge.store.tables import (
    IN_CATALOGUE,
    IS_SHOWN,
    centre,
    enrolment,
    learner,
    offering,
    result,
)
from lms_bridge.webhooks import storage

NOTICE = "notice"
"""The kind of what is no record of the sync."""
MOST = 500
"""Records per transaction, so that others can write in between."""
_PINGS = 2**31


@dataclass(frozen=True, slots=True)
class _Change:
    event: Event
    kind: str
    record_id: int
    revision: int
    changed_at: datetime
    centre: str
    data: Mapping[str, Any]


def fill_outbox(tx: Connection, now: datetime) -> int:
    """Turns waiting entries into deliveries; returns the number of changed records. One transaction
    deletes the entries and adds the deliveries, so that none is lost or doubled."""
    taken, notices = outbox.take_entries(tx, MOST), outbox.take_notices(tx, MOST)
    known = storage.all_webhooks(tx)
    regions = {row.code: row.region for row in tx.execute(select(centre.c.code, centre.c.region))}
    rows: list[dict[str, Any]] = []
    for change in (*_changes(tx, taken), *map(_of_notice, notices)):
        region = regions.get(change.centre, "")
        receivers = storage.webhooks_with_secrets(known, change.event, change.centre, region)
        rows.extend(_row(each, change, now) for each in receivers)
    storage.add_deliveries(tx, rows)
    return sum(map(len, taken.values())) + len(notices)


def _row(webhook: Webhook, change: _Change, now: datetime) -> dict[str, Any]:
    revision = {"revision": change.revision} if change.revision else {}
    return {
        "webhook_id": webhook.id,
        "event": change.event,
        "kind": change.kind,
        "record_id": change.record_id,
        "revision": change.revision,
        "body": _body(change.event, change.changed_at, {**change.data, **revision}),
        "message": new_message(),
        "created_at": now,
        "next_attempt": now,
    }


def _body(event: str, at: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": event, "timestamp": plain(at), "data": dict(data)}


def new_message() -> str:
    """The id of one delivery, unlike any other ever."""
    return f"msg_{secrets.token_hex(16)}"


def add_ping(tx: Connection, webhook: Webhook, now: datetime) -> str:
    """Adds a test message for a webhook; returns the id of the message."""
    message = new_message()
    row = {
        "webhook_id": webhook.id,
        "event": PING,
        "kind": "",
        "record_id": 0,
        "revision": secrets.randbelow(_PINGS),  # each is one of its own
        "body": _body(PING, now, {"webhook": webhook.id}),
        "message": message,
        "created_at": now,
        "next_attempt": now,
    }
    storage.add_deliveries(tx, [row])
    return message


def _changes(tx: Connection, taken: Mapping[Kind, Mapping[int, bool]]) -> Iterator[_Change]:
    yield from _offerings(tx, taken.get(Kind.OFFERING, {}))
    yield from _enrolments(tx, taken.get(Kind.ENROLMENT, {}))
    yield from _results(tx, taken.get(Kind.RESULT, {}))


def _offerings(tx: Connection, was_shown: Mapping[int, bool]) -> Iterator[_Change]:
    states = _states(tx, was_shown)
    for id_, record in offerings.offerings(tx, was_shown).items():
        revision, changed_at, is_shown = states[id_]
        event = offering_event(was_shown=was_shown[id_], is_shown=is_shown)
        if event is not None:
            data = {
                "centre": record.centre,
                "offering": record.code,
                "status": record.status,
                "listed": record.listed,
            }
            yield _Change(event, Kind.OFFERING, id_, revision, changed_at, record.centre, data)


def _states(tx: Connection, ids: Mapping[int, bool]) -> dict[int, tuple[int, datetime, bool]]:
    """{offering id: (revision, when it changed, whether the catalogue shows it)}"""
    shown = IN_CATALOGUE.label("shown")
    columns = offering.c.id, offering.c.revision, offering.c.changed_at, shown
    return {
        row.id: (row.revision, row.changed_at, row.shown)
        for chunk in chunks(ids)
        for row in tx.execute(select(*columns).where(offering.c.id.in_(chunk)))
    }


_OF_ENROLMENT = (offering.c.centre, offering.c.code, learner.c.academy_id)


def _enrolments(tx: Connection, ids: Mapping[int, bool]) -> Iterator[_Change]:
    changed = enrolment.c.id, enrolment.c.revision, enrolment.c.changed_at, enrolment.c.status
    query = (
        select(*changed, *_OF_ENROLMENT)
        .join(offering, offering.c.id == enrolment.c.offering_id)
        .join(learner, learner.c.id == enrolment.c.learner_id)
    )
    for chunk in chunks(ids):
        for row in tx.execute(query.where(enrolment.c.id.in_(chunk), IS_SHOWN)):
            data = {**_whose(row), "registration": row.id, "status": row.status}
            yield _of_row(Event.ENROLMENT_CHANGED, Kind.ENROLMENT, row, data)


def _results(tx: Connection, ids: Mapping[int, bool]) -> Iterator[_Change]:
    changed = result.c.id, result.c.revision, result.c.changed_at, result.c.enrolment_id
    query = (
        select(*changed, *_OF_ENROLMENT)
        .join(enrolment, enrolment.c.id == result.c.enrolment_id)
        .join(offering, offering.c.id == enrolment.c.offering_id)
        .join(learner, learner.c.id == enrolment.c.learner_id)
    )
    for chunk in chunks(ids):
        for row in tx.execute(query.where(result.c.id.in_(chunk))):
            data = {**_whose(row), "registration": row.enrolment_id}
            yield _of_row(Event.RESULT_CHANGED, Kind.RESULT, row, data)


def _of_notice(row: Any) -> _Change:
    """Each one is an event of its own, and has no revision."""
    return _Change(Event(row.event), NOTICE, row.id, 0, row.at, row.centre, row.data)


def _whose(row: Any) -> dict[str, str]:
    return {"centre": row.centre, "offering": row.code, "learner": row.academy_id}


def _of_row(event: Event, kind: Kind, row: Any, data: Mapping[str, Any]) -> _Change:
    return _Change(event, kind, row.id, row.revision, row.changed_at, row.centre, data)
