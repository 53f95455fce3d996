"""Pages of enrolments: whole reads by number, changes by the time of change."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lms_bridge.simulators.academy.answers import Problem
from lms_bridge.simulators.academy.state import Academy, Entry

_CURSOR = re.compile(r"([pc])(\d{1,15})")
MOST, USUAL = 1000, 200


def page(academy: Academy, centre: str, cursor: str, limit: str) -> dict[str, Any]:
    """One page. Cursors: ``p<number>`` is a place in a whole read, ``c<change>`` in the changes.

    Raises:
        Problem: 400 for a wrong limit or no centre, 410 for a cursor that is not known.
    """
    if not centre:
        raise Problem(400, "The centre is missing")
    if limit and not (limit.isdecimal() and 1 <= int(limit) <= MOST):
        raise Problem(400, "The limit is not a whole number from 1 to 1,000")
    order, after = _place(academy, cursor)
    key = _ORDERS[order]
    found = sorted(
        (
            entry
            for entry in academy.entries.values()
            if entry.centre == centre and key(entry) > after
        ),
        key=key,
    )
    shown = found[: int(limit or USUAL)]
    more = len(found) > len(shown)
    return {
        "items": [entry.record for entry in shown],
        "next": f"{order}{key(shown[-1])}" if more else None,
        "changes": f"c{academy.last_change}",
    }


def _place(academy: Academy, cursor: str) -> tuple[str, int]:
    if not cursor:
        return "p", 0
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise Problem(410, "The cursor is not known")
    order, after = found[1], int(found[2])
    if order == "c" and not academy.oldest_change <= after <= academy.last_change:
        raise Problem(410, "The cursor is not known")
    return order, after


_ORDERS: dict[str, Callable[[Entry], int]] = {
    "p": lambda entry: entry.number,
    "c": lambda entry: entry.changed,
}
