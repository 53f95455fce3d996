"""How much stands where: the figures of a summary."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from lms_bridge.domain.document import digest
from lms_bridge.domain.model import Kind
from lms_bridge.domain.wanted import GONE
from lms_bridge.store.tables import EMPTY, link


def acknowledged(tx: Connection) -> dict[str, dict[Kind, int]]:
    """{centre: {kind: records}} that the targets acknowledged and hold: offerings and results at
    the Academy, people and enrolments in the centre's LMS."""
    rows = tx.execute(
        select(link.c.centre, link.c.kind, func.count())
        .where(link.c.acknowledged.not_in([EMPTY, digest(GONE)]))
        .group_by(link.c.centre, link.c.kind)
    )
    found: dict[str, dict[Kind, int]] = {}
    for centre, kind, number in rows:
        found.setdefault(centre, {})[Kind(kind)] = number
    return found
