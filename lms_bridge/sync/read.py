"""Reading a source: which records differ from what was last read, and which are gone.

Hashes come in two levels. An answer whose bytes are those of the last good read is not parsed; a
record whose hash is that of its link goes no further. Only what is left costs anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lms_bridge.domain.document import DIGEST_SIZE, digest
from lms_bridge.domain.errors import NotUnderstood, RecordRefused
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Answer, Raw, Reading, Unread
from lms_bridge.store import answers, links, reports, source_links
from lms_bridge.store.database import Database
from lms_bridge.store.links import Known
from lms_bridge.store.tables import EMPTY

LONGEST_ID = LONGEST_SCOPE = 255


@dataclass(frozen=True, slots=True)
class Feed:
    """One stream of records from one system.

    ``part`` tells feeds of one system and kind apart (a centre's share of the Academy's
    registrations). ``exhaustive`` feeds are whole snapshots: what they no longer hold is gone.
    The scopes of the others stand alone, and one that cannot be read leaves the rest as it is; so
    does one that says so itself (``alone``), except that no scope counts as ended then.
    The records of feeds that are not ``tracked`` have no links: all of a changed answer counts.
    ``apart``: the same id under another ``scope_prefix`` is another record (each centre's own).
    ``salt`` changes whenever our own understanding of the answers changes.
    """

    system: str
    kind: Kind
    part: str
    salt: bytes
    exhaustive: bool
    tracked: bool = True
    scope_prefix: str = ""
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """A record that is new or differs from what the source last showed."""

    raw: Raw
    scope: str
    source_hash: bytes
    known: Known | None


@dataclass
class Snapshot:
    """What one reading of a feed found. ``digests`` are to be remembered once it is taken in."""

    feed: Feed
    changed: list[Changed] = field(default_factory=list)
    vanished: dict[str, Known] = field(default_factory=dict)
    moved: list[Changed] = field(default_factory=list)
    refused: list[tuple[Raw, str, bytes, RecordRefused]] = field(default_factory=list)
    digests: dict[str, bytes] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    unchanged: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    ended_scopes: set[str] = field(default_factory=set)
    cursor: str = ""
    whole: bool = False
    answers: int = 0
    parsed: int = 0

    def forget(self, scope: str) -> None:
        """Something in this scope waits for another record: read the answer again next time. That
        the scope was there is remembered, for the day on which it ends."""
        if scope in self.digests:
            self.digests[scope] = EMPTY


def read(feed: Feed, reading: Reading, database: Database) -> Snapshot:
    """Reads a feed to its end.

    Raises:
        StopRun, RetryLater: the snapshot is not whole; nothing may be concluded from it.
    """
    with database.reading() as tx:
        remembered = answers.digests(tx, feed.system, feed.kind, feed.part)
    snapshot = Snapshot(feed)
    seen: set[str] = set()
    shown: set[str] = set()
    absent: set[str] = set()
    whole = True
    for answer in reading:
        if isinstance(answer, Unread):
            if feed.exhaustive and not answer.alone:
                raise answer.error
            snapshot.unread.append(answer)
            whole = False
            continue
        snapshot.answers += 1
        scope = _scope(feed, answer)
        shown.add(scope)
        whole = whole and answer.whole
        snapshot.cursor = answer.cursor or snapshot.cursor
        hashed = _digest(feed.salt, answer)
        if remembered.get(scope) == hashed:
            continue
        snapshot.parsed += 1
        try:
            with database.reading() as tx:
                absent |= _take_in(tx, snapshot, scope, answer, seen)
        except NotUnderstood as error:
            if feed.exhaustive and not answer.alone:
                raise
            snapshot.unread.append(Unread(scope, error))
            whole = False
            continue
        # In an exhaustive feed the scope of a partial answer is remembered without a digest: the
        # next whole reading then knows where to look for records that are gone by then.
        snapshot.digests[scope] = EMPTY if feed.exhaustive and not answer.whole else hashed
    with database.reading() as tx:
        snapshot.whole = feed.exhaustive and whole
        if snapshot.whole:
            snapshot.ended_scopes = remembered.keys() - shown
            for scope in snapshot.ended_scopes:
                snapshot.vanished.update(source_links.in_scope(tx, feed.system, feed.kind, scope))
                absent |= reports.quarantined(tx, feed.system, feed.kind, scope).keys()
        _find_moved(tx, snapshot)
    for external_id in seen:
        snapshot.vanished.pop(external_id, None)
    # What is bad and only moved stays in quarantine; what is good, where it was known, leaves it.
    snapshot.released |= absent - (seen - snapshot.unchanged)
    return snapshot


def _scope(feed: Feed, answer: Answer) -> str:
    """The name under which the answer is remembered. One too long to be kept (some platforms put
    a lot into a cursor) is known by its hash."""
    scope = feed.scope_prefix + answer.scope
    if len(scope) <= LONGEST_SCOPE:
        return scope
    return feed.scope_prefix + hashlib.sha256(answer.scope.encode()).hexdigest()


def _digest(salt: bytes, answer: Answer) -> bytes:
    """The hash of the answer's exact bytes, in parts of told lengths. SHA-256, cut: today's
    processors compute it themselves, in half the time of BLAKE2."""
    hashed = hashlib.sha256(salt)
    for part in answer.body:
        hashed.update(b"%d:" % len(part))
        hashed.update(part)
    return hashed.digest()[:DIGEST_SIZE]


def _take_in(
    tx: Connection, snapshot: Snapshot, scope: str, answer: Answer, seen: set[str]
) -> set[str]:
    """Adds an answer to the snapshot; gives the ids that are in quarantine, but not in it."""
    feed = snapshot.feed
    known = source_links.in_scope(tx, feed.system, feed.kind, scope) if feed.tracked else {}
    records, doubles = _by_id(answer.parse())
    quarantined = reports.quarantined(tx, feed.system, feed.kind, scope)
    for external_id, raw in records.items():
        try:
            hashed = _hash_of(raw)
        except RecordRefused as error:
            seen.add(external_id)
            snapshot.refused.append((_presentable(raw), scope, EMPTY, error))
            continue
        if external_id in seen or external_id in doubles:
            doubled = RecordRefused("duplicate-id", "The source sent this id more than once.")
            snapshot.refused.append((raw, scope, hashed, doubled))
            continue
        seen.add(external_id)
        before = known.get(external_id)
        if before is not None and before.source_hash == hashed:
            snapshot.unchanged.add(external_id)
            if external_id in quarantined:
                snapshot.released.add(external_id)
            continue
        if quarantined.get(external_id) == hashed:
            continue
        snapshot.changed.append(Changed(raw, scope, hashed, before))
    seen.update(doubles)
    if not answer.whole:
        return set()
    snapshot.vanished.update(
        (external_id, record) for external_id, record in known.items() if external_id not in records
    )
    return quarantined.keys() - records.keys()


def _hash_of(raw: Raw) -> bytes:
    """Raises RecordRefused for an id that cannot be kept and for fields that are not JSON."""
    if not 0 < len(raw.external_id) <= LONGEST_ID or not raw.external_id.isprintable():
        raise RecordRefused(
            "bad-id", f"The id is empty, longer than {LONGEST_ID} characters, or not printable."
        )
    try:
        return digest(raw.fields)
    except (TypeError, ValueError, RecursionError):
        raise RecordRefused(
            "not-json", "The record holds something that no JSON value can be, or is too deep."
        ) from None


def _presentable(raw: Raw) -> Raw:
    """The same record under an id that can be stored and shown."""
    printable = "".join(c if c.isprintable() else "?" for c in raw.external_id)
    return Raw(printable[:LONGEST_ID] or "(no id)", {})


def _by_id(raws: Iterable[Raw]) -> tuple[dict[str, Raw], set[str]]:
    """Records by their ids, and the ids that stand for more than one, different record."""
    records: dict[str, Raw] = {}
    doubles: set[str] = set()
    for raw in raws:
        other = records.setdefault(raw.external_id, raw)
        if other is not raw and other.fields != raw.fields:
            doubles.add(raw.external_id)
    return records, doubles


def _find_moved(tx: Connection, snapshot: Snapshot) -> None:
    """Records that are new in their scope may be known under another: they only moved."""
    feed = snapshot.feed
    if not feed.tracked:
        return
    strangers = [changed for changed in snapshot.changed if changed.known is None]
    elsewhere = links.by_external_id(
        tx,
        feed.system,
        feed.kind,
        [changed.raw.external_id for changed in strangers],
        within=feed.scope_prefix if feed.apart else "",
    )
    elsewhere = {key: known for key, known in elsewhere.items() if known.source_hash}
    if not elsewhere:
        return
    kept = []
    for changed in snapshot.changed:
        known = changed.known or elsewhere.get(changed.raw.external_id)
        placed = Changed(changed.raw, changed.scope, changed.source_hash, known)
        if known is not None and known.source_hash == changed.source_hash:
            snapshot.moved.append(placed)
        else:
            kept.append(placed)
    snapshot.changed = kept
