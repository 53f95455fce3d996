"""Pages of the catalogue, made once for as long as nothing changes.

Finding fifty offerings and making their JSON costs many times what sending it does, and most
readers look at the same first pages. A process keeps the pages that it made, each with the state of
the database that it was made of: once anything changed, it is made anew.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import orjson
from flask import Response, current_app
from sqlalchemy import Connection

from lms_bridge.domain.document import plain
from lms_bridge.web.api import replies
from lms_bridge.web.queries import offerings as queries
from lms_bridge.web.queries.interface import Rows

MOST = 500
"""Pages that a process keeps; each has some 30 kilobytes."""
LONGEST_SECONDS = 30.0
"""No page is kept longer: on PostgreSQL two changes may come to light in another order than that of
their times."""
LOOK_SECONDS = 0.5
"""For so long nobody looks whether anything changed, but after a change through this process."""
_NAME = "lms_bridge_pages"
_FORM = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is sent, and what it was made of."""

    body: bytes
    tag: str
    state: tuple[object, ...]
    made_at: float

    def holds(self, state: tuple[object, ...]) -> bool:
        return self.state == state and time.monotonic() - self.made_at < LONGEST_SECONDS


class Pages:
    """The pages of one process."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Page] = {}
        self._lock = threading.Lock()
        self._look: tuple[float, tuple[object, ...]] = (-math.inf, ())
        self._changed_at = -math.inf

    def changed(self) -> None:
        """Something changed through this process: its next reader is to see it."""
        self._changed_at = time.monotonic()

    def at_hand(self, key: Hashable) -> Page | None:
        """The page of that key, where somebody has just looked whether anything changed."""
        looked_at, state = self._look
        old = time.monotonic() - looked_at > LOOK_SECONDS
        kept = self._kept.get(key)
        if old or looked_at <= self._changed_at or kept is None or not kept.holds(state):
            return None
        return kept

    def page(self, tx: Connection, key: Hashable, read: Callable[[], Rows], most: int) -> Page:
        """The page of that key; made, where it is not kept or may be out of date, of what
        ``read`` finds: one row more than ``most`` where another page follows."""
        began = time.monotonic()
        state = queries.state(tx)
        self._look = (began, state)
        kept = self._kept.get(key)
        if kept is not None and kept.holds(state):
            return kept
        body = page_of(read(), most)
        made = Page(body, replies.hashed(body), state, time.monotonic())
        with self._lock:
            self._kept[key] = made
            if len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]  # the oldest
        return made


def pages() -> Pages:
    found = current_app.extensions.setdefault(_NAME, Pages())
    if not isinstance(found, Pages):
        raise RuntimeError("something else stands in the pages' place")
    return found


def page_of(rows: Rows, most: int) -> bytes:
    """A page of offerings as JSON: what the schema would make of them (a test holds the two
    together), in a tenth of the time."""
    names = queries.IN_LIST
    items: list[dict[str, object]] = [dict(zip(names, row[1:], strict=True)) for row in rows[:most]]
    last = rows[most - 1][0] if len(rows) > most else None
    return orjson.dumps(replies.page(items, last), plain, _FORM)


def sent(page: Page) -> Response:
    return replies.tagged(page.body, page.tag)
