"""What lists of offerings show, held against what the schema makes of the offerings."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import select

from lms_bridge.api import queries
from lms_bridge.domain.availability import availability
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Offering
from lms_bridge.schemas.responses import OfferingInListResponse
from lms_bridge.store import offerings
from lms_bridge.store.database import Database
from lms_bridge.store.tables import offering

_SCHEMA = OfferingInListResponse()


def dumped(record: Offering, changed_at: datetime) -> dict[str, Any]:
    """The slow way: through the schema, field by field."""
    values = {name: getattr(record, name) for name in record.__slots__}
    now = {"changed_at": changed_at, "availability": availability(record, utc_now())}
    shown: dict[str, Any] = _SCHEMA.dump({**values, **now})
    return shown


def check_lists(database: Database) -> dict[str, str]:
    """Lists show every offering as the schema shows it; gives {code: title}."""
    with database.reading() as tx:
        changed = dict(tx.execute(select(offering.c.id, offering.c.changed_at)).all())
        listed = dict(queries.mine(tx, {}, 0, len(changed) + 1, None))
        records = offerings.offerings(tx, changed)
    for id_, record in records.items():
        found = json.loads(listed.pop(id_))
        assert list(found.items()) == list(dumped(record, changed[id_]).items()), record.code
    assert listed == {}
    return {record.code: record.title for record in records.values()}
