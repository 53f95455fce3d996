"""Lists, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Response
from sqlalchemy import Connection, Row

from lms_bridge.web.api import replies
from lms_bridge.web.api.callers import caller
from lms_bridge.web.bridging import the_bridge

Rows = Sequence[Row[Any]]


def paged(
    asked: Mapping[str, Any],
    read: Callable[[Connection, int, int, list[str] | None], Rows],
    show: Callable[[Connection, Rows], list[dict[str, Any]]],
) -> Response:
    """One page of a list. ``read`` gets where to begin, how many rows, and the centres within the
    caller's reach; each row begins with its id."""
    begin, most = replies.after(asked["cursor"]), asked["limit"]
    with the_bridge().database.reading() as tx:
        rows = read(tx, begin, most + 1, caller().centres(tx))
        last = rows[most - 1][0] if len(rows) > most else None
        documents = show(tx, rows[:most])
    return replies.shown(replies.page(documents, last))
