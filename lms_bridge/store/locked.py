"""Everything that is kept encrypted: to be locked anew when the key of the settings changes."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, select, update

from lms_bridge.store.api_tables import webhook
from lms_bridge.store.lti_tables import key
from lms_bridge.store.tables import EMPTY, centre

LOCKED = (
    (centre.c.code, centre.c.secret),
    (webhook.c.id, webhook.c.secret),
    (webhook.c.id, webhook.c.old_secret),
    (key.c.id, key.c.private),
)


def lock_anew(tx: Connection, relock: Callable[[bytes], bytes]) -> int:
    """Puts what ``relock`` makes of each secret in its place; gives how many there are."""
    number = 0
    for name, column in LOCKED:
        for row in tx.execute(select(name, column).where(column != EMPTY)).all():
            changed = {column.name: relock(row[1])}
            tx.execute(update(column.table).where(name == row[0]).values(changed))
            number += 1
    return number
