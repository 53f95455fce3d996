"""A spool: the changed records of a large snapshot, on disk instead of in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from lms_bridge.domain.ports import RawRecord
from lms_bridge.store.links import SourceLink


@dataclass(frozen=True, slots=True)
class ChangedRecord:
    """A record that is new or differs from what the source last showed."""

    raw: RawRecord
    scope: str
    source_hash: bytes
    known: SourceLink | None


class Spool:
    """Records by the person whom they are about, in a file that only this process sees."""

    def __init__(self) -> None:
        # SQLite removes a database without a name from its folder at once.
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8000;"
            "CREATE TABLE record (person TEXT, known INTEGER, hash BLOB, content BLOB);"
        )
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, records: Iterable[ChangedRecord]) -> None:
        rows = [
            (person_of(each.raw), each.known is not None, each.source_hash, _packed(each))
            for each in records
        ]
        self._file.execute("BEGIN")
        self._file.executemany("INSERT INTO record VALUES (?, ?, ?, ?)", rows)
        self._file.execute("COMMIT")
        self._count += len(rows)

    def any_known(self) -> bool:
        query = "SELECT 1 FROM record WHERE known LIMIT 1"
        return self._file.execute(query).fetchone() is not None

    def by_person(self) -> Iterator[tuple[str, ChangedRecord]]:
        self._file.execute("CREATE INDEX IF NOT EXISTS by_person ON record (person)")
        query = "SELECT person, hash, content FROM record ORDER BY person"
        for person, hashed, content in self._file.execute(query):
            yield person, _unpacked(hashed, content)

    def close(self) -> None:
        self._file.close()


def person_of(raw: RawRecord) -> str:
    """The id of the learner whom a record names; empty where it names none."""
    learner = raw.fields.get("learner")
    return str(learner.get("id", "")).strip() if isinstance(learner, dict) else ""


def _packed(each: ChangedRecord) -> bytes:
    known = each.known
    link: list[object] = []
    if known is not None:
        hashed = known.source_hash.hex()
        link = [known.link_id, known.record_id, known.external_id, known.scope, hashed]
    return orjson.dumps([each.raw.external_id, each.raw.fields, each.scope, link])


def _unpacked(hashed: bytes, content: bytes) -> ChangedRecord:
    external_id, fields, scope, link = orjson.loads(content)
    known = None
    if link:
        link_id, record_id, known_as, known_in, known_hash = link
        known = SourceLink(link_id, record_id, known_as, known_in, bytes.fromhex(known_hash))
    return ChangedRecord(RawRecord(external_id, fields), scope, hashed, known)
