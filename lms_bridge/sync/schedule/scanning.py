"""The first look at a pushed schedule: can it be read to its end, and which ids does it name?

Nothing but ids is kept of it, so that a schedule's size hardly shows in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lms_bridge.schemas.schedule import Body


@dataclass
class Scan:
    """``first`` {id: number of the row that has it}; ``repeated`` {id: numbers of all its rows},
    of ids that more than one has; ``unclear`` numbers of rows that might be about any offering."""

    total: int = 0
    first: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, list[int]] = field(default_factory=dict)
    unclear: list[int] = field(default_factory=list)


def scan(body: Body) -> Scan:
    """Raises Refused as ``Body.rows`` does."""
    found = Scan()
    for row in body.rows():
        found.total += 1
        if not row.known:
            found.unclear.append(row.number)
        if not row.external_id:
            continue
        first = found.first.setdefault(row.external_id, row.number)
        if first != row.number:
            found.repeated.setdefault(row.external_id, [first]).append(row.number)
    return found
