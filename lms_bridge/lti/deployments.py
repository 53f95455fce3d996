"""Deployments that launched and are not accepted: counted, so that an operator can accept them.

Only messages that the platform signed are counted, so that no stranger fills the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from lms_bridge.store.bulk import insert_missing
from lms_bridge.store.lti_tables import unknown_deployment as table

MOST_UNKNOWN = 200
"""Of one connection. One more takes the place of the one that did not launch for longest."""


def count(tx: Connection, registration_id: int, deployment_id: str, now: datetime) -> None:
    key = {"registration_id": registration_id, "deployment_id": deployment_id}
    insert_missing(tx, table, [{**key, "times": 0, "first_at": now, "last_at": now}], list(key))
    same = table.c.registration_id == registration_id, table.c.deployment_id == deployment_id
    tx.execute(update(table).where(*same).values(times=table.c.times + 1, last_at=now))
    of_one = select(table.c.id).where(table.c.registration_id == registration_id)
    rest = of_one.order_by(table.c.last_at.desc(), table.c.id.desc()).offset(MOST_UNKNOWN)
    tx.execute(delete(table).where(table.c.id.in_(rest)))


def unknown(tx: Connection, registration_id: int) -> Sequence[Row[Any]]:
    """``deployment_id``, ``times``, ``first_at`` and ``last_at``, the latest first."""
    rows = select(table).where(table.c.registration_id == registration_id)
    return tx.execute(rows.order_by(table.c.last_at.desc(), table.c.id.desc())).all()


def forget(tx: Connection, registration_id: int, deployment_id: str = "") -> None:
    """Deletes the count of one deployment, or of all."""
    gone = delete(table).where(table.c.registration_id == registration_id)
    tx.execute(gone.where(table.c.deployment_id == deployment_id) if deployment_id else gone)
