"""Offerings as lists of the interface show them: JSON that is made when an offering changes, in the
same transaction, so that a page of a list is only put together."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import orjson
from sqlalchemy import Connection, select

from lms_bridge.domain.document import plain
from lms_bridge.domain.model import Offering
from lms_bridge.schemas.shown import ShownOfferingInList
from lms_bridge.store.api_tables import offering_in_list
from lms_bridge.store.rows import upsert
from lms_bridge.store.tables import offering

_FIELDS = tuple(name for name in ShownOfferingInList().fields if name != "changed_at")


def shown(record: Offering, changed_at: datetime) -> str:
    """An offering in the form of ``ShownOfferingInList``. Whoever changes that form empties the
    table in a migration: ``fill`` makes it anew."""
    values = {name: getattr(record, name) for name in _FIELDS}
    values["changed_at"] = changed_at
    return orjson.dumps(values, plain, orjson.OPT_PASSTHROUGH_DATETIME).decode()


def keep(tx: Connection, changed: Iterable[tuple[int, Offering, datetime]]) -> None:
    """Goes with every change of offerings; (id, record, when it was changed) of each."""
    rows = [{"offering_id": id_, "shown": shown(record, at)} for id_, record, at in changed]
    upsert(tx, offering_in_list, rows, ["offering_id"], ["shown"])


def missing(tx: Connection) -> dict[int, datetime]:
    """{offering id: when it was changed} of those that the table lacks."""
    there = offering_in_list.c.offering_id
    query = select(offering.c.id, offering.c.changed_at).join(
        offering_in_list, there == offering.c.id, isouter=True
    )
    return {row[0]: row[1] for row in tx.execute(query.where(there.is_(None)))}
