"""Putting records, alone and in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lms_bridge.simulators.academy.answers import Problem
from lms_bridge.simulators.academy.state import Academy, Record

MOST = 100
_NEEDED = ("centre", "title", "status", "time_zone")
Put = Callable[[Academy, Any], int]


def put_offering(academy: Academy, item: Any) -> int:
    """Stores an offering; gives the status. Raises Problem 422 for one that cannot be kept."""
    code = _text(item, "code")
    if code in academy.refused:
        raise Problem(422, academy.refusal, "#/title")
    _state(item)
    known = code in academy.offerings
    if item["state"] == "active":
        for name in _NEEDED:
            _text(item, name)
        academy.offerings[code] = item
    elif known:
        academy.offerings[code] = {**academy.offerings[code], "state": "removed"}
    return 200 if known or item["state"] == "removed" else 201


def put_result(academy: Academy, item: Any) -> int:
    """Stores a result; gives the status. Raises Problem 422 for one that cannot be kept."""
    offering, learner = _text(item, "offering"), _text(item, "learner")
    _state(item)
    if learner in academy.refused or not academy.is_enrolled(offering, learner):
        raise Problem(422, "The learner is not enrolled", "#/learner")
    known = (offering, learner) in academy.results
    academy.results[offering, learner] = item
    return 200 if known else 201


def put_batch(academy: Academy, put: Put, body: Any, key: str) -> tuple[int, Any]:
    """Stores what can be stored; gives the status and the answer, the same again for a known key.

    Raises:
        Problem: 400 or 413 for what is no batch; 422 where batches are taken whole or not at all.
    """
    if not key:
        raise Problem(400, "The Idempotency-Key is missing")
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise Problem(400, "There is no list of items", "#/items")
    if len(items) > MOST:
        raise Problem(413, "There are more than 100 items", "#/items")
    if key not in academy.answered:
        academy.answered[key] = (200, {"items": _rows(academy, put, items)})
    return academy.answered[key]


def _rows(academy: Academy, put: Put, items: list[Any]) -> list[Record]:
    before = dict(academy.offerings), dict(academy.results)
    rows: list[Record] = []
    for item in items:
        try:
            rows.append({"status": put(academy, item)})
        except Problem as problem:
            if academy.whole_batches:
                academy.offerings, academy.results = before
                raise
            rows.append({"status": problem.status, "problem": problem.document()})
    return rows


def _text(item: Any, name: str) -> str:
    value = item.get(name) if isinstance(item, dict) else None
    if not isinstance(value, str) or not value:
        raise Problem(422, "A member is missing", f"#/{name}")
    return value


def _state(item: Record) -> None:
    if item.get("state") not in ("active", "removed"):
        raise Problem(422, "The state is neither active nor removed", "#/state")
