"""Reads a source: which records differ from the last reading, and which are gone.

Hashes have two levels. A page with the bytes of the last good reading is not parsed. A record with
the hash of its link goes no further. Only the rest costs anything. Where records of a page changed
in their places, only these are parsed (``lms_bridge.sync.marks``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter

from sqlalchemy import Connection

from lms_bridge.domain.document import DIGEST_SIZE, digest
from lms_bridge.domain.errors import NotUnderstood, OutOfTime, RecordRefused
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Page, PageError, Pages, RawRecord
from lms_bridge.http.deadline import check_time
from lms_bridge.http.foreign_json import is_whole
from lms_bridge.store import links, runs, source_digests, source_links
from lms_bridge.store.database import Database
from lms_bridge.store.links import SourceLink
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.marks import changed_in_place, marks_of
from lms_bridge.sync.spool import ChangedRecord, Spool, person_of

MOST_IN_MEMORY = 2_000
"""Changed records; where a feed has more, they wait on disk and are applied in parts."""
COMPARED_AT_ONCE = 500
"""Records that changed in their places."""
LONGEST_ID = LONGEST_SCOPE = 255


@dataclass(frozen=True, slots=True)
class SourceFeed:
    """One stream of records from one system.

    ``name`` separates feeds of one system and kind (each centre's registrations at the Academy).
    ``salt`` changes whenever the bridge reads the same bytes differently.
    ``exhaustive``: the feed is a whole snapshot, and records that it no longer holds are gone. In
    other feeds an unreadable page affects its own scope alone, as an ``isolated`` page does.
    ``tracked``: records have links. Without links, all records of a changed page count as changed.
    ``per_centre_ids``: the same id under another ``scope_prefix`` is another centre's record.
    ``academy_ids``: learners are named by the Academy's ids.
    ``read_before``: scopes that earlier runs of this reading read. None where a reading that runs
    out of time counts for nothing.
    """

    system: str
    kind: Kind
    name: str
    salt: bytes
    exhaustive: bool
    tracked: bool = True
    scope_prefix: str = ""
    per_centre_ids: bool = False
    academy_ids: bool = False
    read_before: frozenset[str] | None = None

    def resuming(self, read_before: frozenset[str]) -> SourceFeed:
        return replace(self, read_before=read_before)


Refusal = tuple[RawRecord, str, bytes, RecordRefused]
"""A record that cannot be used, its scope, its hash, and why."""


@dataclass
class Snapshot:
    """What one reading of a feed found. ``digests`` are remembered once it is applied.

    ``partial`` scopes prove nothing about records that they leave out, and ``skipped`` ones, which
    could not be read, prove nothing at all. ``released`` ids leave the
    quarantine; ``ended_scopes`` are no longer there; ``whole`` means that records which are missing
    from the snapshot are gone. ``more`` records follow that the snapshot does not hold. ``missed``
    records are not where they were, and may be where nothing was read. ``forgotten`` scopes are to
    be read again; the parts of a snapshot share them. ``left``: scopes that lost a record, and
    those that took it. ``marks`` are kept with the digests.
    """

    feed: SourceFeed
    changed: list[ChangedRecord] = field(default_factory=list)
    vanished: dict[str, SourceLink] = field(default_factory=dict)
    moved: list[ChangedRecord] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    digests: dict[str, bytes] = field(default_factory=dict)
    marks: dict[str, bytes] = field(default_factory=dict)
    left: set[tuple[str, str]] = field(default_factory=set)
    unread: list[PageError] = field(default_factory=list)
    unchanged: set[str] = field(default_factory=set)
    partial: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    ended_scopes: set[str] = field(default_factory=set)
    cursor: str = ""
    whole: bool = False
    more: bool = False
    pages: int = 0
    parsed: int = 0
    missed: int = 0
    forgotten: set[str] = field(default_factory=set)
    spool: Spool | None = None

    def spill(self) -> None:
        """Moves the changed records to the spool, if they are many."""
        if self.spool is None and len(self.changed) <= MOST_IN_MEMORY:
            return
        self.spool = self.spool or Spool()
        self.spool.add(self.changed)
        self.changed = []

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        if self.spool is not None:
            self.spool.close()

    @property
    def is_large(self) -> bool:
        """Whether it has more to apply than one short transaction can."""
        many = len(self.changed) + len(self.vanished) + len(self.moved)
        return self.spool is not None or many > MOST_IN_MEMORY

    def by_person(self) -> Iterator[tuple[str, ChangedRecord]]:
        """(Academy id, changed record), in the order of ids; "" where a record names nobody."""
        if self.spool is not None:
            yield from self.spool.by_person()
            return
        named = ((person_of(each.raw), each) for each in self.changed)
        yield from sorted(named, key=itemgetter(0))

    @property
    def any_known(self) -> bool:
        return (self.spool is not None and self.spool.any_known()) or any(
            each.known for each in self.changed
        )

    def forget(self, scope: str) -> None:
        """Has the page read again next time: something in it waits for another record. The scope
        itself is remembered, for the day on which it ends. A part tells the whole snapshot."""
        self.forgotten.add(scope)
        if scope in self.digests:
            self.digests[scope] = EMPTY

    @property
    def has_changes(self) -> bool:
        return bool(self.parsed or self.ended_scopes or self.unread)


def pull(feed: SourceFeed, pages: Pages, database: Database, *, spills: bool = False) -> Snapshot:
    """Reads a feed to its end. ``spills``: many changed records go to the snapshot's spool.

    Raises:
        StopRun, RetryLater: the snapshot is not whole, so it proves nothing.
    """
    with database.reading() as tx:
        remembered = source_digests.digests(tx, feed.system, feed.kind, feed.name)
    snapshot = Snapshot(feed, whole=feed.exhaustive and not feed.read_before)
    scopes: set[str] = set()
    reader = _PageReader(snapshot, database, spills, _Quarantine(feed))
    for page in _in_time(feed, pages):
        if isinstance(page, PageError):
            _skip_page(snapshot, page, _scope(feed, page))
            continue
        snapshot.pages += 1
        scope = _scope(feed, page)
        scopes.add(scope)
        snapshot.whole = snapshot.whole and page.whole
        snapshot.cursor = page.cursor or snapshot.cursor
        hashed = _digest(feed.salt, page)
        if remembered.get(scope) == hashed:
            continue
        snapshot.parsed += 1
        try:
            reader.read(scope, page)
        except NotUnderstood as error:
            _skip_page(snapshot, PageError(scope, error, page.isolated, exact=True), scope)
            continue
        if not page.whole:
            snapshot.partial.add(scope)
        # A partial page of an exhaustive feed leaves no digest, but its scope: the next whole
        # reading then knows where to look for records that are gone.
        snapshot.digests[scope] = EMPTY if feed.exhaustive and not page.whole else hashed
    seen, absent = reader.finish()
    with database.reading() as tx:
        if snapshot.whole:
            absent |= _end_scopes(tx, snapshot, remembered.keys() - scopes - snapshot.skipped)
    for external_id in seen:
        snapshot.vanished.pop(external_id, None)
    if feed.read_before is not None and not snapshot.whole:
        _leave_vanished(snapshot)
    # A bad record that only moved stays in quarantine. A good one leaves it.
    snapshot.released |= absent - (seen - snapshot.unchanged)
    return snapshot


@dataclass
class _Quarantine:
    """What of a feed is in quarantine. Its few scopes are looked up once, when a page changed."""

    feed: SourceFeed
    found: frozenset[str] | None = None

    def scopes(self, tx: Connection) -> frozenset[str]:
        if self.found is None:
            self.found = runs.scopes_in_quarantine(tx, self.feed.system, self.feed.kind)
        return self.found

    def of(self, tx: Connection, scope: str) -> Mapping[str, bytes]:
        """{external id: hash of the bad record}"""
        if scope not in self.scopes(tx):
            return {}
        return runs.quarantined(tx, self.feed.system, self.feed.kind, scope)


@dataclass
class _PageReader:
    """Reads changed pages into the snapshot. ``seen`` are the ids that it read, ``absent`` ids that
    are in quarantine but not in their pages any more.

    ``waiting`` records changed in their places, and are still to be compared with their links; of
    ``in_place`` scopes only such records were read.
    """

    snapshot: Snapshot
    database: Database
    spills: bool
    quarantine: _Quarantine
    seen: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    marks: dict[str, bytes] | None = None
    waiting: list[ChangedRecord] = field(default_factory=list)
    in_place: set[str] = field(default_factory=set)

    def read(self, scope: str, page: Page) -> None:
        """Raises NotUnderstood."""
        if self._read_in_place(scope, page):
            return
        with self.database.reading() as tx:
            bad = self.quarantine.of(tx, scope)
            self.absent |= _read_page(tx, self.snapshot, scope, page, self.seen, bad)
        if self.spills:
            self.snapshot.spill()

    def finish(self) -> tuple[set[str], set[str]]:
        """The ids that were seen, and those that are absent.

        A record that another page took over may still be in its old one, of which only changed
        records were read. Both are read whole next time.
        """
        self._compare()
        for before, now in self.snapshot.left:
            if before in self.in_place:
                self.snapshot.forget(before)
                self.snapshot.forget(now)
        return self.seen, self.absent

    def _read_in_place(self, scope: str, page: Page) -> bool:
        """Whether some of its records changed in their places, and the others not at all."""
        feed = self.snapshot.feed
        if page.slices is None or not page.whole or not feed.tracked:
            return False
        found = changed_in_place(feed.salt, self._marks().pop(scope, EMPTY), page.slices)
        if found is None:
            return False
        records, marks = found
        try:
            changed = [ChangedRecord(raw, scope, _record_hash(raw), None) for raw in records]
        except RecordRefused:
            return False
        ids = {raw.external_id for raw in records}
        if not self.seen.isdisjoint(ids):
            return False
        self.seen |= ids
        self.snapshot.marks[scope] = marks
        self.in_place.add(scope)
        self.waiting += changed
        if len(self.waiting) >= COMPARED_AT_ONCE:
            self._compare()
        return True

    def _compare(self) -> None:
        waiting, self.waiting = self.waiting, []
        if waiting:
            with self.database.reading() as tx:
                self.snapshot.changed += _without_moved(tx, self.snapshot, waiting)
        if self.spills:
            self.snapshot.spill()

    def _marks(self) -> dict[str, bytes]:
        """Those of pages without a record in quarantine."""
        if self.marks is None:
            feed = self.snapshot.feed
            with self.database.reading() as tx:
                marks = source_digests.marks(tx, feed.system, feed.kind, feed.name)
                bad = self.quarantine.scopes(tx)
            self.marks = {scope: each for scope, each in marks.items() if scope not in bad}
        return self.marks


def _in_time(feed: SourceFeed, pages: Pages) -> Pages:
    """The pages that are read before the run's time is over. Of a feed that need not be whole, what
    was read counts."""
    try:
        check_time()
        for page in pages:
            yield page
            check_time()
    except OutOfTime as error:
        if feed.exhaustive and feed.read_before is None:
            raise
        yield PageError("", error, isolated=True)


def _leave_vanished(snapshot: Snapshot) -> None:
    """What a reading in several runs missed may be in a page that it read at another time. Pages
    that missed something are read again."""
    snapshot.missed = len(snapshot.vanished)
    for known in snapshot.vanished.values():
        snapshot.forget(known.scope)
    snapshot.vanished = {}


def _skip_page(snapshot: Snapshot, page: PageError, scope: str) -> None:
    if snapshot.feed.exhaustive and not page.isolated:
        raise page.error
    snapshot.unread.append(page)
    snapshot.skipped.add(scope)
    snapshot.whole = snapshot.whole and page.exact


def _scope(feed: SourceFeed, page: Page | PageError) -> str:
    """The name of the page. The hash replaces one too long to be stored, such as a cursor."""
    scope = feed.scope_prefix + page.scope
    if len(scope) <= LONGEST_SCOPE:
        return scope
    return feed.scope_prefix + hashlib.sha256(page.scope.encode()).hexdigest()


def _digest(salt: bytes, page: Page) -> bytes:
    """The hash of the page's exact bytes, each part with its length. Processors compute SHA-256
    themselves, in half the time of BLAKE2."""
    hashed = hashlib.sha256(salt)
    for part in page.body:
        hashed.update(b"%d:" % len(part))
        hashed.update(part)
    return hashed.digest()[:DIGEST_SIZE]


def _read_page(
    tx: Connection,
    snapshot: Snapshot,
    scope: str,
    page: Page,
    seen: set[str],
    quarantined: Mapping[str, bytes],
) -> set[str]:
    """Adds a page to the snapshot. Returns ids that are in quarantine but not in the page."""
    feed = snapshot.feed
    where = feed.system, feed.kind, scope
    known = source_links.hashes_in_scope(tx, *where) if feed.tracked else {}
    slices = page.slices.cut() if page.slices else ()
    raws = [page.slices.parse(each) for each in slices] if page.slices else page.parse()
    records, doubles = _by_id(raws)
    refused = len(snapshot.refused)
    differing: list[tuple[RawRecord, bytes]] = []
    for external_id, raw in records.items():
        try:
            hashed = _record_hash(raw)
        except RecordRefused as error:
            seen.add(external_id)
            snapshot.refused.append((_presentable(raw), scope, EMPTY, error))
            continue
        if external_id in seen or external_id in doubles:
            doubled = RecordRefused("duplicate-id", "The source sent this id more than once.")
            snapshot.refused.append((raw, scope, hashed, doubled))
            continue
        seen.add(external_id)
        if known.get(external_id) == hashed:
            snapshot.unchanged.add(external_id)
            if external_id in quarantined:
                snapshot.released.add(external_id)
        elif quarantined.get(external_id) != hashed:
            differing.append((raw, hashed))
    seen.update(doubles)
    if slices and page.whole and len(records) == len(slices) and len(snapshot.refused) == refused:
        snapshot.marks[scope] = marks_of(feed.salt, slices, [*records.values()])
    vanished = known.keys() - records.keys() if page.whole else set()
    names = vanished | {raw.external_id for raw, _ in differing if raw.external_id in known}
    before = source_links.named_in_scope(tx, *where, names)
    changed = [
        ChangedRecord(raw, scope, hashed, before.get(raw.external_id)) for raw, hashed in differing
    ]
    snapshot.changed += _without_moved(tx, snapshot, changed)
    snapshot.vanished.update((name, before[name]) for name in vanished)
    return set(quarantined.keys() - records.keys()) if page.whole else set()


def _record_hash(raw: RawRecord) -> bytes:
    """Raises RecordRefused for an id that cannot be stored and for fields that are not JSON."""
    id_ = raw.external_id
    if not 0 < len(id_) <= LONGEST_ID or not id_.isprintable() or not is_whole(id_):
        raise RecordRefused(
            "bad-id", f"The id is empty, longer than {LONGEST_ID} characters, or not printable."
        )
    try:
        return digest(raw.fields)
    except (TypeError, ValueError, RecursionError):
        raise RecordRefused(
            "not-json", "The record holds a value that is not JSON, or is nested too deep."
        ) from None


def _presentable(raw: RawRecord) -> RawRecord:
    """The same record under an id that can be stored and shown."""
    printable = "".join(c if c.isprintable() else "?" for c in raw.external_id)
    return RawRecord(printable[:LONGEST_ID] or "(no id)", {})


def _by_id(raws: Iterable[RawRecord]) -> tuple[dict[str, RawRecord], set[str]]:
    """Records by their ids, and the ids that several different records share."""
    records: dict[str, RawRecord] = {}
    doubles: set[str] = set()
    for raw in raws:
        other = records.setdefault(raw.external_id, raw)
        if other is not raw and other.fields != raw.fields:
            doubles.add(raw.external_id)
    return records, doubles


def _end_scopes(tx: Connection, snapshot: Snapshot, ended: set[str]) -> set[str]:
    """Marks the records of ended scopes as vanished. Returns their ids in quarantine."""
    feed = snapshot.feed
    snapshot.ended_scopes = ended
    quarantined: set[str] = set()
    for scope in ended:
        snapshot.vanished.update(source_links.in_scope(tx, feed.system, feed.kind, scope))
        quarantined |= runs.quarantined(tx, feed.system, feed.kind, scope).keys()
    return quarantined


def _without_moved(
    tx: Connection, snapshot: Snapshot, records: list[ChangedRecord]
) -> list[ChangedRecord]:
    """A record that is new in its scope may be known in another one. Those that only moved go to
    the snapshot's ``moved``; the others are returned, without those that are as they were."""
    feed = snapshot.feed
    new = [changed.raw.external_id for changed in records if changed.known is None]
    if not feed.tracked or not new:
        return records
    elsewhere = links.by_external_id(
        tx,
        feed.system,
        feed.kind,
        new,
        within=feed.scope_prefix if feed.per_centre_ids else "",
    )
    elsewhere = {key: link for key, link in elsewhere.items() if link.source_hash}
    if not elsewhere:
        return records
    rest = []
    for changed in records:
        known = changed.known or elsewhere.get(changed.raw.external_id)
        found = ChangedRecord(changed.raw, changed.scope, changed.source_hash, known)
        if known is not None and known.scope != changed.scope:
            snapshot.left.add((known.scope, changed.scope))
        if known is None or known.source_hash != changed.source_hash:
            rest.append(found)
        elif known.scope != changed.scope:
            raw = RawRecord(changed.raw.external_id, {})  # its fields are not needed any more
            snapshot.moved.append(replace(found, raw=raw))
    return rest
