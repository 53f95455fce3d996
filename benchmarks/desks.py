"""What people at centres, reviewers and partners leave behind in a year, beside the runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text, update

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import EnrolmentStatus, Modality, OfferingStatus, Result
from lms_bridge.store import lti_tables as lti
from lms_bridge.store import network_tables as network
from lms_bridge.store import results, review_tables
from lms_bridge.store.account_tables import account, account_role, web_session
from lms_bridge.store.api_tables import api_token, webhook, webhook_attempt, webhook_delivery
from lms_bridge.store.run_tables import centre_check, run_day
from lms_bridge.store.tables import EMPTY, enrolment, kept_status, link, offering, quarantine

TOKENS, WEBHOOKS, DELIVERIES = 300, 30, 100_000
CONNECTIONS, REFUSALS, LAUNCHES = 60, 12_000, 50_000
ACCOUNTS, SESSIONS = 2_000, 3_000
WAITING_OUTLINES, REPORTS = 400, 600
_S, _E = OfferingStatus, EnrolmentStatus
_STATUSES = (_S.PUBLISHED, _S.RUNNING, _S.CLOSED, _S.DELIVERED, _S.PLANNED, _S.SUBMITTED)
_HASH = b"0" * 16


def fill_desks(tx: Connection, centres: int) -> None:
    """Of what ``history.fill`` has put in already: dates, statuses, links, reviews, messages."""
    now = utc_now()
    codes = [f"C{number:02}" for number in range(centres)]
    _days(tx, codes, now)
    _offerings(tx, now)
    _reviews(tx, now)
    _people(tx)
    _messages(tx, codes, now)
    _connections(tx, codes, now)
    _accounts(tx, codes, now)


def _put(tx: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    many = list(rows)
    for first in range(0, len(many), 5_000):
        tx.execute(insert(table), many[first : first + 5_000])


def _days(tx: Connection, codes: list[str], now: datetime) -> None:
    sums = {"runs": 300, "failed": 2, "milliseconds": 90_000, "longest": 4_000, "changes": 40}
    sums |= {"refused": 3, "lag": 900}
    _put(
        tx,
        run_day,
        (
            sums | {"centre": code, "day": (now - timedelta(days)).date(), "good_at": now}
            for code in codes
            for days in range(365)
        ),
    )
    _put(
        tx,
        centre_check,
        (
            {"centre": code, "requested_at": now, "finished_at": now, "findings": []}
            for code in codes
        ),
    )
    year = {"name": "Sample year", "starts_on": date(now.year, 1, 1), "complete": True}
    tx.execute(insert(network.cycle).values(year | {"ends_on": date(now.year, 12, 31)}))
    place = {"cycle": "Sample year", "priority_areas": [], "reason": ""}
    _put(tx, network.membership, ({"centre": code, **place} for code in codes))


def _offerings(tx: Connection, now: datetime) -> None:
    """Spread over two years; most of them in the catalogue, and known to the centres' LMSs."""
    rows = tx.execute(select(offering.c.id, offering.c.code, offering.c.centre)).all()
    for number, row in enumerate(rows):
        starts = now + timedelta(days=number % 730 - 365)
        values = {
            "starts_at": starts,
            "ends_at": starts + timedelta(days=7),
            "status": _STATUSES[number % len(_STATUSES)],
            "modality": list(Modality)[number % 4],
            "course_code": f"K-{number % 500}",
            "price": Decimal(150) if number % 3 == 0 else None,
        }
        tx.execute(update(offering).where(offering.c.id == row.id).values(values))
    same = {"kind": "offering", "desired": _HASH, "acknowledged": _HASH}
    _put(
        tx,
        link,
        (
            same
            | {"system": system, "centre": row.centre, "record_id": row.id}
            | {"external_id": f"{number}", "source_hash": EMPTY}
            for number, row in enumerate(rows)
            for system in ("academy", f"centre:{row.centre}")
        ),
    )
    marked = {"kind": "offering", "code": "unreadable", "shown": {"title": "Sample"}}
    tx.execute(update(quarantine).where(quarantine.c.id % 4 == 0).values(marked))


def _reviews(tx: Connection, now: datetime) -> None:
    ids = list(tx.scalars(select(offering.c.id).order_by(offering.c.id)))
    _put(tx, kept_status, ({"offering_id": id_, "since": now} for id_ in ids[:1_500]))
    _put(
        tx,
        review_tables.status_change,
        (
            {"offering_id": id_, "at": now - timedelta(days=9 - step), "action": "submit"}
            | {"before": _S.PLANNED, "after": _S.SUBMITTED, "deadline": now, "by": "account 2"}
            for id_ in ids[:1_500]
            for step in range(8)
        ),
    )
    _put(
        tx,
        review_tables.review_comment,
        (
            {"offering_id": id_, "at": now, "by": "account 3", "point": "", "text": "Sample."}
            for id_ in ids[:1_500]
            for _ in range(4)
        ),
    )
    _put(
        tx,
        review_tables.end_report,
        (
            {"offering_id": id_, "at": now, "by": "account 2", "fields": {}, "figures": {}}
            | {"state": "waiting" if id_ % 3 else "validated", "reason": ""}
            for id_ in ids[:REPORTS]
        ),
    )
    waits = offering.c.id.in_(ids[:WAITING_OUTLINES])
    tx.execute(update(offering).where(waits).values(status=_S.SUBMITTED))


def _people(tx: Connection) -> None:
    """Some apply, some have to pay, and half of the others have a result."""
    for part, status in ((10, _E.APPLIED), (11, _E.REGISTERED), (7, _E.COMPLETED)):
        wanted = enrolment.c.id % part == 1
        tx.execute(update(enrolment).where(wanted).values(status=status))
    ids = tx.scalars(select(enrolment.c.id).where(enrolment.c.id % 2 == 0)).all()
    for first in range(0, len(ids), 5_000):
        chosen = ids[first : first + 5_000]
        results.add_results(tx, [(id_, Result("", "", Decimal(70))) for id_ in chosen])
    columns = "system, kind, centre, record_id, external_id, source_hash, desired, acknowledged"
    empty, made = (
        ("CAST('' AS blob)", "1") if tx.dialect.name == "sqlite" else ("''::bytea", "true")
    )
    rest = f"{empty}, {empty}, {empty}, {empty}, {made}, 0, {made.replace('1', '0')}, '', ''"
    rest = rest.replace("true, 0, true", "true, 0, false")
    tx.execute(
        text(
            f"INSERT INTO link ({columns}, tolerated, created_by_us, attempts, sending, error, "
            "error_code) SELECT 'academy', 'result', offering.centre, result.id, "
            f"'r' || result.id, {rest} FROM result "
            "JOIN enrolment ON enrolment.id = result.enrolment_id "
            "JOIN offering ON offering.id = enrolment.offering_id"
        )
    )


def _messages(tx: Connection, codes: list[str], now: datetime) -> None:
    """Tokens, and a month of a partner's messages: so long are they kept."""
    _put(
        tx,
        api_token,
        (
            {"prefix": f"lmsb_{number}", "digest": b"0" * 32, "purpose": "Sample"}
            | {"centre": codes[number % len(codes)], "scopes": ["offerings:read"]}
            | {"created_at": now, "created_by": "account 1"}
            for number in range(TOKENS)
        ),
    )
    facts = {"name": "Sample", "address": "https://partner.example.org/", "events": ["x"]}
    _put(
        tx,
        webhook,
        (
            facts
            | {"centre": codes[number % len(codes)], "active": number % 9 > 0}
            | {"created_at": now}
            for number in range(WEBHOOKS)
        ),
    )
    hooks = list(tx.scalars(select(webhook.c.id)))
    same: dict[str, Any] = {"event": "offering.changed", "kind": "offering", "body": {"id": 1}}
    _put(
        tx,
        webhook_delivery,
        (
            same
            | {"webhook_id": hooks[number % len(hooks)], "record_id": number}
            | {"created_at": now, "delivered_at": now, "attempts": 1, "status": 200}
            for number in range(DELIVERIES)
        ),
    )
    sent = tx.scalars(select(webhook_delivery.c.id))
    _put(tx, webhook_attempt, ({"delivery_id": id_, "at": now, "status": 200} for id_ in sent))


def _connections(tx: Connection, codes: list[str], now: datetime) -> None:
    lists: dict[str, Any] = {"deployment_ids": ["1"], "redirect_uris": [], "scopes": []}
    lists |= {"custom": {}, "privacy": {}}
    _put(
        tx,
        lti.registration,
        (
            lists
            | {"side": "tool" if number % 2 else "platform", "name": f"Sample {number}"}
            | {"centre": codes[number % len(codes)], "issuer": f"https://{number}.example.org"}
            | {"client_id": str(number), "status": "active" if number % 10 else "pending"}
            | {"created_at": now}
            for number in range(CONNECTIONS)
        ),
    )
    made = list(tx.scalars(select(lti.registration.c.id)))
    _put(
        tx,
        lti.refusal,
        (
            {"registration_id": made[number % len(made)] if number % 7 else 0, "place": "launch"}
            | {"code": f"bad-{number % 10}", "detail": "", "reference": "x", "times": 3, "at": now}
            for number in range(REFUSALS)
        ),
    )
    courses = list(tx.scalars(select(offering.c.id).order_by(offering.c.id)))
    _put(
        tx,
        lti.resource,
        (
            {"registration_id": made[1 + id_ % 2], "offering_id": id_, "code": f"r{id_}"}
            | {"title": "Sample", "custom": {}, "created_at": now}
            for id_ in courses
        ),
    )
    pairs = tx.execute(
        select(enrolment.c.offering_id, enrolment.c.learner_id).limit(LAUNCHES)
    ).all()
    _put(
        tx,
        lti.launch_origin,
        (
            {"registration_id": made[0], "offering_id": row[0], "learner_id": row[1]}
            | {"subject": "x", "scopes": [], "at": now}
            for row in pairs
        ),
    )


def _accounts(tx: Connection, codes: list[str], now: datetime) -> None:
    most = tx.scalar(select(func.max(account.c.id))) or 0
    _put(
        tx,
        account,
        (
            {"email": f"person{number}@example.org", "name": f"Person {number}"}
            | {"created_at": now}
            for number in range(ACCOUNTS)
        ),
    )
    made = list(tx.scalars(select(account.c.id).where(account.c.id > most)))
    _put(
        tx,
        account_role,
        (
            {"account_id": id_, "role": "coordinator", "centre": codes[id_ % len(codes)]}
            for id_ in made
        ),
    )
    _put(
        tx,
        web_session,
        (
            {"digest": number.to_bytes(32), "name": "", "account_id": made[number % len(made)]}
            | {"created_at": now, "signed_in_at": now, "seen_at": now}
            | {"expires_at": now + timedelta(hours=8)}
            for number in range(SESSIONS)
        ),
    )
