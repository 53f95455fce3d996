"""What centres say of offerings whose source leaves fields empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from lms_bridge.domain.batches import chunks
from lms_bridge.store.bulk import upsert
from lms_bridge.store.review_tables import completion


def of_offerings(tx: Connection, offering_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """{offering id: the fields that its centre filled}"""
    found: dict[int, dict[str, Any]] = {}
    for chunk in chunks(offering_ids):
        query = select(completion.c.offering_id, completion.c.fields)
        rows = tx.execute(query.where(completion.c.offering_id.in_(chunk)))
        found.update((row.offering_id, row.fields) for row in rows)
    return found


def keep(
    tx: Connection, offering_id: int, fields: Mapping[str, Any], by: str, at: datetime
) -> None:
    row = {"offering_id": offering_id, "fields": dict(fields), "at": at, "by": by[:100]}
    upsert(tx, completion, [row], ["offering_id"], ["fields", "at", "by"])


def completed(said: Mapping[str, object], filled: Mapping[str, Any]) -> dict[str, object]:
    """The fields of a source with those that it leaves empty filled."""
    empty: tuple[object, ...] = (None, "", [])
    return {**filled, **{name: value for name, value in said.items() if value not in empty}}
