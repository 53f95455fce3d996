"""Offerings in a list, as JSON that is made once for each of their revisions.

Making the JSON of fifty offerings costs many times what finding them does, and most readers look at
the same first pages. A process therefore keeps what it made, by the offering's id and revision: a
changed offering is another entry, so that nothing here can be out of date.
"""

from __future__ import annotations

import threading
from typing import Any

import orjson
from flask import current_app
from sqlalchemy import Connection, Row

from lms_bridge.domain.document import plain
from lms_bridge.web.api.replies import cursor
from lms_bridge.web.queries import interface

MOST = 20_000
"""Entries that a process keeps; each has somewhat less than a kilobyte."""
_NAME = "lms_bridge_entries"
_FORM = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS
_lock = threading.Lock()
_Kept = dict[tuple[int, int], bytes]


def of_page(tx: Connection, found: interface.Rows) -> list[bytes]:
    """The entries of the offerings found, each given as (id, revision)."""
    kept: _Kept = current_app.extensions.setdefault(_NAME, {})
    keys: list[tuple[int, int]] = [(row.id, row.revision) for row in found]
    entries = {key: kept[key] for key in keys if key in kept}
    missing = [key for key in keys if key not in entries]
    if missing:
        made = {
            (row.id, row.revision): entry(row)
            for row in interface.in_list(tx, [key[0] for key in missing])
        }
        entries |= made
        _keep(kept, made)
    return [entries[key] for key in keys]


def entry(row: Row[Any]) -> bytes:
    """One offering as JSON: what the schema would make of it (a test holds the two together)."""
    return orjson.dumps(dict(zip(interface.IN_LIST, row[2:], strict=True)), plain, _FORM)


def _keep(kept: _Kept, made: _Kept) -> None:
    with _lock:
        kept.update(made)
        while len(kept) > MOST:
            del kept[next(iter(kept))]  # the oldest


def body(entries: list[bytes], last: int | None) -> bytes:
    """A page of them."""
    after = orjson.dumps(None if last is None else cursor(last))
    return b'{"items":[%b],"next":%b}' % (b",".join(entries), after)
