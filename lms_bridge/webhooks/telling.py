"""From changes to deliveries: each webhook is to be told of what lies within its reach.

Bodies hold ids and statuses, never a name, an e-mail address or a score: who may know more reads it
through the interface.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from lms_bridge.domain.document import plain
from lms_bridge.domain.events import PING, Event, Webhook, offering_event
from lms_bridge.domain.model import Kind
from lms_bridge.store import changes, deliveries, offerings, webhooks
from lms_bridge.store.links import chunks
from lms_bridge.store.tables import centre, enrolment, learner, offering, result

MOST = 500
"""Records that one transaction tells of: others want to write, too."""
_PINGS = 2**31


@dataclass(frozen=True, slots=True)
class _Told:
    event: Event
    kind: Kind
    record_id: int
    revision: int
    changed_at: datetime
    centre: str
    data: Mapping[str, Any]


def tell(tx: Connection, now: datetime) -> int:
    """Makes deliveries of the changes that wait, as far as one transaction may; gives the number
    of changed records. The changes are gone with the same transaction that makes deliveries of
    them: neither a crash nor a second process loses or doubles any."""
    taken = changes.take(tx, MOST)
    known = webhooks.all_webhooks(tx)
    regions = {row.code: row.region for row in tx.execute(select(centre.c.code, centre.c.region))}
    rows: list[dict[str, Any]] = []
    for told in _told_of(tx, taken):
        region = regions.get(told.centre, "")
        hearing = webhooks.telling(known, told.event, told.centre, region)
        rows.extend(_row(each, told, now) for each in hearing)
    deliveries.add(tx, rows)
    return sum(map(len, taken.values()))


def _row(webhook: Webhook, told: _Told, now: datetime) -> dict[str, Any]:
    return {
        "webhook_id": webhook.id,
        "event": told.event,
        "kind": told.kind,
        "record_id": told.record_id,
        "revision": told.revision,
        "body": _body(told.event, told.changed_at, {**told.data, "revision": told.revision}),
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
    """Asks for a trial of a webhook; gives the id of its message."""
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
    deliveries.add(tx, [row])
    return message


def _told_of(tx: Connection, taken: Mapping[Kind, Mapping[int, bool]]) -> Iterator[_Told]:
    yield from _offerings(tx, taken.get(Kind.OFFERING, {}))
    yield from _enrolments(tx, taken.get(Kind.ENROLMENT, {}))
    yield from _results(tx, taken.get(Kind.RESULT, {}))


def _offerings(tx: Connection, was_shown: Mapping[int, bool]) -> Iterator[_Told]:
    revisions = _states(tx, was_shown)
    for id_, record in offerings.offerings(tx, was_shown).items():
        event = offering_event(was_shown[id_], record)
        if event is not None:
            revision, changed_at = revisions[id_]
            data = {
                "centre": record.centre,
                "offering": record.code,
                "status": record.status,
                "listed": record.listed,
            }
            yield _Told(event, Kind.OFFERING, id_, revision, changed_at, record.centre, data)


def _states(tx: Connection, ids: Mapping[int, bool]) -> dict[int, tuple[int, datetime]]:
    columns = offering.c.id, offering.c.revision, offering.c.changed_at
    return {
        row.id: (row.revision, row.changed_at)
        for chunk in chunks(ids)
        for row in tx.execute(select(*columns).where(offering.c.id.in_(chunk)))
    }


_OF_ENROLMENT = (offering.c.centre, offering.c.code, learner.c.academy_id)


def _enrolments(tx: Connection, ids: Mapping[int, bool]) -> Iterator[_Told]:
    changed = enrolment.c.id, enrolment.c.revision, enrolment.c.changed_at, enrolment.c.status
    query = (
        select(*changed, *_OF_ENROLMENT)
        .join(offering, offering.c.id == enrolment.c.offering_id)
        .join(learner, learner.c.id == enrolment.c.learner_id)
    )
    for chunk in chunks(ids):
        for row in tx.execute(query.where(enrolment.c.id.in_(chunk))):
            data = {**_whose(row), "registration": row.id, "status": row.status}
            yield _of_row(Event.ENROLMENT_CHANGED, Kind.ENROLMENT, row, data)


def _results(tx: Connection, ids: Mapping[int, bool]) -> Iterator[_Told]:
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


def _whose(row: Any) -> dict[str, str]:
    return {"centre": row.centre, "offering": row.code, "learner": row.academy_id}


def _of_row(event: Event, kind: Kind, row: Any, data: Mapping[str, Any]) -> _Told:
    return _Told(event, kind, row.id, row.revision, row.changed_at, row.centre, data)
