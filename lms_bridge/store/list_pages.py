"""A page of a list in an order of several columns: it begins after a row, not at a number of rows.

A place is what the row was ordered by, as a text for an address. So a page still begins there when
somebody has changed that row meanwhile.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Integer, Row, Select, literal, tuple_

from lms_bridge.store.types import Utc

LATEST = datetime(9999, 12, 31, tzinfo=UTC)
"""Stands in an order for a date that is missing: after all others."""
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class ListPlace:
    """A page begins after a place, or ends before one; without either, it is the first."""

    after: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class ListPage:
    """``previous``: the place before which others are; ``next``: after which; "" where none are."""

    rows: Sequence[Row[Any]]
    previous: str
    next: str


def list_page(
    tx: Connection,
    query: Select[Any],
    order: Sequence[ColumnElement[Any]],
    at: ListPlace,
    *,
    most: int,
    falling: bool = False,
) -> ListPage:
    """One page of the query. No column of the order is ever NULL, and no two rows are alike in it.
    A text that is no place of this list leads to the first page."""
    edge = _edge(at.after or at.before, order)
    back = edge is not None and not at.after
    down = falling != back
    shown = query.add_columns(*(each.label(f"order_{n}") for n, each in enumerate(order)))
    if edge is not None:
        place = tuple_(*order)
        shown = shown.where(place < edge if down else place > edge)
    shown = shown.order_by(*(each.desc() if down else each for each in order))
    found = tx.execute(shown.limit(most + 1)).all()
    more = len(found) > most
    if back and not more:  # the first page, which is to be a full one
        return list_page(tx, query, order, ListPlace(), most=most, falling=falling)
    rows = found[:most][::-1] if back else found[:most]
    return ListPage(
        rows,
        _text(rows[0], len(order)) if rows and edge is not None else "",
        _text(rows[-1], len(order)) if back or more else "",
    )


def _text(row: Row[Any], columns: int) -> str:
    values = [row[-columns + n] for n in range(columns)]
    plain = [each.isoformat() if isinstance(each, datetime) else each for each in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def _edge(text: str, order: Sequence[ColumnElement[Any]]) -> Any:
    """The values of a place, to be compared; None where the text is no place in this order."""
    if not text or len(text) > _LONGEST:
        return None
    try:
        given = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        pairs = list(zip(given, order, strict=True))
        return tuple_(*(literal(_value(each, column), column.type) for each, column in pairs))
    except (ValueError, TypeError, OverflowError):
        return None


def _value(given: Any, column: ColumnElement[Any]) -> Any:
    """Raises ValueError, TypeError or OverflowError where the column holds no such value."""
    if isinstance(column.type, Utc):
        return datetime.fromisoformat(given).astimezone(UTC)
    of_column = int if isinstance(column.type, Integer) else str
    bits = 63 if isinstance(column.type, BigInteger) else 31
    fits = given.bit_length() <= bits if type(given) is int else str(given).isprintable()
    if type(given) is not of_column or not fits:
        raise ValueError
    return given
