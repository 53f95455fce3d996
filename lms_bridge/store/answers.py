"""Digests of the answers last read well: an answer whose bytes did not change is not parsed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, select

from lms_bridge.domain.model import Kind
from lms_bridge.store.links import chunks
from lms_bridge.store.rows import upsert
from lms_bridge.store.tables import EMPTY, answer


def digests(tx: Connection, system: str, kind: Kind, part: str) -> dict[str, bytes]:
    """{scope: digest} of everything read from one feed."""
    rows = tx.execute(
        select(answer.c.scope, answer.c.digest).where(
            answer.c.system == system, answer.c.kind == kind, answer.c.part == part
        )
    )
    return {row[0]: row[1] for row in rows}


def cursor(tx: Connection, system: str, kind: Kind, part: str) -> str:
    """Where to go on reading changes, or "" when everything is to be read."""
    found = tx.scalar(
        select(answer.c.cursor).where(
            answer.c.system == system,
            answer.c.kind == kind,
            answer.c.part == f"{part}+",
            answer.c.cursor != "",
        )
    )
    return found or ""


def remember(
    tx: Connection,
    system: str,
    kind: Kind,
    part: str,
    digests: Mapping[str, bytes],
    cursor: str = "",
) -> None:
    """Keeps the digests of answers that are now taken in, and the cursor to go on from."""
    rows = [
        {"system": system, "kind": kind, "part": part, "scope": scope, "digest": digest}
        for scope, digest in digests.items()
    ]
    upsert(tx, answer, rows, ["system", "kind", "part", "scope"], ["digest"])
    if cursor:
        row = {"system": system, "kind": kind, "part": f"{part}+", "scope": "", "digest": EMPTY}
        upsert(
            tx,
            answer,
            [{**row, "cursor": cursor}],
            ["system", "kind", "part", "scope"],
            ["cursor"],
        )


def forget(
    tx: Connection, system: str, kind: Kind, part: str, scopes: Iterable[str] | None = None
) -> None:
    """Lets answers be read anew; all of a feed's when no scopes are named."""
    feed = (answer.c.system == system, answer.c.kind == kind, answer.c.part == part)
    if scopes is None:
        tx.execute(delete(answer).where(*feed))
        return
    for chunk in chunks(scopes):
        tx.execute(delete(answer).where(*feed, answer.c.scope.in_(chunk)))
