"""Lists in pages: each page names the cursor of the next one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Response
from sqlalchemy import Connection, Row

from lms_bridge.api.auth import caller
from lms_bridge.api.responses import json_response
from lms_bridge.domain.errors import Refused
from lms_bridge.web.access import the_bridge

Rows = Sequence[Row[Any]]


def paged_response(
    params: Mapping[str, Any],
    read: Callable[[Connection, int, int, list[str] | None], Rows],
    to_json: Callable[[Connection, Rows], list[dict[str, Any]]],
) -> Response:
    """One page of a list.

    Args:
        read: gets the id to begin after, how many rows, and the codes of the centres whose data
            the caller may read. The first column of each row is its id.
    """
    start, limit = cursor_id(params["cursor"]), params["limit"]
    with the_bridge().database.reading() as tx:
        rows = read(tx, start, limit + 1, caller().centres(tx))
        last = rows[limit - 1][0] if len(rows) > limit else None
        documents = to_json(tx, rows[:limit])
    return json_response(page(documents, last))


def page(rows: Sequence[Mapping[str, Any]], last: int | None) -> dict[str, Any]:
    """A page: ``items``, and ``next``, the cursor of the page after it, or null."""
    return {"items": list(rows), "next": None if last is None else cursor(last)}


def page_of_json(rows: Sequence[str], last: int | None) -> bytes:
    """The same of rows that are JSON already."""
    next_cursor = "null" if last is None else f'"{cursor(last)}"'
    return f'{{"items":[{",".join(rows)}],"next":{next_cursor}}}'.encode()


def cursor(last: int) -> str:
    """Where the next page begins. It is encoded so that nobody takes it for a page number."""
    return base64.urlsafe_b64encode(f"after:{last}".encode()).decode().rstrip("=")


def cursor_id(text: str) -> int:
    """The id that a cursor stands for; 0 at the beginning.

    Raises:
        Refused: it is not a cursor of ours.
    """
    if not text:
        return 0
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        plain = ""
    mark, _, number = plain.partition(":")
    if mark != "after" or not (number.isdecimal() and len(number) < 19):
        raise Refused(
            "bad-cursor", "The cursor is not one that was given out.", "Begin without one."
        )
    return int(number)
