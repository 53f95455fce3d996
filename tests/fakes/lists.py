"""What lists of offerings show, held against what the schema makes of the offerings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select

from lms_bridge.domain.model import Offering
from lms_bridge.schemas.shown import ShownOfferingInList
from lms_bridge.store import offerings
from lms_bridge.store.api_tables import offering_in_list
from lms_bridge.store.database import Database
from lms_bridge.store.tables import offering

_SCHEMA = ShownOfferingInList()


def dumped(record: Offering, changed_at: datetime) -> dict[str, Any]:
    """The slow way: through the schema, field by field."""
    values = {name: getattr(record, name) for name in record.__slots__}
    shown: dict[str, Any] = _SCHEMA.dump({**values, "changed_at": changed_at})
    return shown


def check_lists(database: Database) -> dict[str, str]:
    """Every offering is kept for lists as it is now, to the letter; gives {code: title}."""
    with database.reading() as tx:
        changed = dict(tx.execute(select(offering.c.id, offering.c.changed_at)).all())
        kept: dict[int, str] = dict(tx.execute(select(*offering_in_list.c)).all())
        records = offerings.offerings(tx, changed)
    for id_, record in records.items():
        assert kept.pop(id_) == orjson.dumps(dumped(record, changed[id_])).decode(), record.code
    assert kept == {}
    return {record.code: record.title for record in records.values()}
