"""Digests of the pages last read well. A page whose bytes did not change is not parsed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sqlalchemy import Connection, bindparam, delete, select

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import Kind
from lms_bridge.store.bulk import upsert, upsert_plain
from lms_bridge.store.tables import EMPTY, source_digest

_KEY = ("system", "kind", "feed_name", "scope")
_NONE: Mapping[str, bytes] = MappingProxyType({})
_OF_FEED = select(source_digest.c.scope, source_digest.c.digest).where(
    source_digest.c.system == bindparam("in_system"),
    source_digest.c.kind == bindparam("of_kind"),
    source_digest.c.feed_name == bindparam("of_feed"),
)


def digests(tx: Connection, system: str, kind: Kind, feed_name: str) -> dict[str, bytes]:
    """{scope: digest} of everything read from one feed."""
    rows = tx.execute(_OF_FEED, {"in_system": system, "of_kind": kind, "of_feed": feed_name})
    return {row[0]: row[1] for row in rows.all()}


_MARKS = _OF_FEED.with_only_columns(source_digest.c.scope, source_digest.c.marks)


def marks(tx: Connection, system: str, kind: Kind, feed_name: str) -> dict[str, bytes]:
    """{scope: marks} of everything read from one feed (``lms_bridge.sync.marks``)."""
    rows = tx.execute(_MARKS, {"in_system": system, "of_kind": kind, "of_feed": feed_name})
    return {row[0]: row[1] for row in rows.all() if row[1]}


_CURSOR = select(source_digest.c.cursor).where(
    source_digest.c.system == bindparam("in_system"),
    source_digest.c.kind == bindparam("of_kind"),
    source_digest.c.feed_name == bindparam("of_feed"),
    source_digest.c.cursor != "",
)


def cursor(tx: Connection, system: str, kind: Kind, feed_name: str) -> str:
    """Where to go on reading changes, or "" when everything is to be read."""
    of_feed = {"in_system": system, "of_kind": kind, "of_feed": f"{feed_name}+"}
    return tx.scalar(_CURSOR, of_feed) or ""


def keep_digests(
    tx: Connection,
    system: str,
    kind: Kind,
    feed_name: str,
    digests: Mapping[str, bytes],
    cursor: str = "",
    marks: Mapping[str, bytes] = _NONE,
) -> None:
    """Keeps the digests of pages that are now applied, with the marks of their records, and the
    cursor to go on from."""
    rows = [
        {
            "system": system,
            "kind": kind,
            "feed_name": feed_name,
            "scope": scope,
            "digest": digest,
            "marks": marks.get(scope, EMPTY) if digest else EMPTY,
        }
        for scope, digest in digests.items()
    ]
    upsert_plain(tx, source_digest, rows, _KEY, ["digest", "marks"])
    if cursor:
        row = {
            "system": system,
            "kind": kind,
            "feed_name": f"{feed_name}+",
            "scope": "",
            "digest": EMPTY,
        }
        upsert(tx, source_digest, [{**row, "cursor": cursor}], _KEY, ["cursor"])


def forget_digests(
    tx: Connection, system: str, kind: Kind, feed_name: str, scopes: Iterable[str] | None = None
) -> None:
    """Lets answers be read anew; all of a feed's when no scopes are named."""
    feed = (
        source_digest.c.system == system,
        source_digest.c.kind == kind,
        source_digest.c.feed_name == feed_name,
    )
    if scopes is None:
        tx.execute(delete(source_digest).where(*feed))
        return
    for chunk in chunks(scopes):
        tx.execute(delete(source_digest).where(*feed, source_digest.c.scope.in_(chunk)))
