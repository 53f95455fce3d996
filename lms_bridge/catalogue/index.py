"""The catalogue in memory: for each value of a filter, the set of the offerings that have it.

A set is one integer with a bit for each offering. So a count that respects all other filters is an
AND and a count of bits: some microseconds for 100,000 offerings, where a grouped query takes a
second. Each search first reads what changed since the last one (``store/catalogue_changes.py``), in
its own transaction, so the sets are never older than the database. Words come from the database's
full-text index, and stay here until an offering changes.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from math import inf
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Select, select

from lms_bridge.domain.availability import TAKES_REGISTRATIONS, Availability, availability
from lms_bridge.domain.batches import chunks
from lms_bridge.domain.dates import registration_end
from lms_bridge.domain.errors import Overloaded
from lms_bridge.domain.model import ACADEMY, Kind, Offering
from lms_bridge.domain.network import area_key
from lms_bridge.domain.search_words import SearchWord, search_words
from lms_bridge.store import cycles
from lms_bridge.store.catalogue_changes import (
    CENTRES,
    NOTHING_YET,
    changes_at_once,
    changes_since,
)
from lms_bridge.store.database import Database
from lms_bridge.store.search import centre_words, matching_ids
from lms_bridge.store.tables import HELD, centre, link, offering

Key = tuple[str, str]
"""(filter, value)"""
OPEN_NOW, CURRENT, EVERYTHING = "", "current", "all"
"""Availabilities of several states: may be registered for, not over, and all there are."""
FILTERS = ("region", "centre", "topic", "modality", "level", "language", "price", "availability")
_READ = ("centre", "modality", "level", "status", "listed", "starts_at", "ends_at")
_READ_TOO = ("registration_opens", "registration_closes", "price", "languages", "topics")
_COLUMNS = (*_READ, *_READ_TOO)
_ROWS: Select[Any] = (
    select(offering.c.id, *(offering.c[name] for name in _COLUMNS))
    .join(link, link.c.record_id == offering.c.id)
    .where(link.c.system == ACADEMY, link.c.kind == Kind.OFFERING, HELD)
)
_WAIT_SECONDS = 0.5
"""How long a reader waits while the whole catalogue is read."""
_MOST_WORDS, _MOST_MOVED = 500, 2_000
"""Sets of words that are kept; offerings out of order, before all are read anew."""


@dataclass(frozen=True, slots=True)
class CatalogueQuestion:
    """What a reader looks for. ``starts_from`` and ``starts_to`` are moments; a course that may be
    begun at any time fits all. ``chosen`` is {filter: value}."""

    text: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)
    starts_from: datetime | None = None
    starts_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class CatalogueFound:
    """``places`` of the page in their order, ``total`` of all that fit, and ``counts``: for each
    filter and value how many would fit with it."""

    total: int
    places: Sequence[int]
    counts: Mapping[str, Mapping[str, int]]


class CatalogueIndex:
    """The sets of one process. Each use is one at a time, within the caller's transaction."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._filled, self._version = False, 0
        self._mark, self._soon, self.generation = -1, timedelta(), 0
        self._clear()

    def _clear(self) -> None:
        self.generation += 1
        self._sets: dict[str, dict[str, int]] = {name: {} for name in FILTERS}
        self._everything = 0
        self._places: dict[int, int] = {}
        self.numbers: list[int] = []
        self._keys: list[tuple[Key, ...]] = []
        self._starts: list[float] = []
        self._ends: list[float] = []
        # At the last whole reading places were in the order of starts; those that moved since, or
        # are new, are looked at one by one.
        self._settled: list[float] = []
        self._moved = 0
        self._due: list[tuple[float, int]] = []
        self._stamps: dict[int, int] = {}
        self._forget()

    def _forget(self) -> None:
        """Forgets what was computed of the sets."""
        self._words: dict[SearchWord, tuple[int, int]] = {}
        self._regions: dict[str, int] = {}

    # ---- keeping current ---------------------------------------------------------------------

    @contextmanager
    def current(self, tx: Connection, now: datetime, soon: timedelta) -> Iterator[None]:
        """One use of the index, after reading what changed, and what time alone changed.

        Raises:
            Overloaded: the whole catalogue is being read, which takes seconds for 100,000
                offerings. Whoever waited for it would hold a thread that answers.
            OperationalError: the database failed. The next time everything is read anew.
        """
        with self._locked():
            try:
                self._refresh(tx, now, soon)
            except BaseException:
                self._mark = -1
                raise
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=-1 if self._filled else _WAIT_SECONDS):
            message = "The catalogue is being read."
            raise Overloaded("catalogue-busy", message, "Try again in some seconds.", after=5)
        try:
            yield
        finally:
            self._lock.release()

    def version(self, database: Database, now: datetime, soon: timedelta) -> int | None:
        """Another number after each change of what the catalogue says, also by time alone; None as
        long as nobody has read the catalogue. Mostly this is one small query.

        Raises:
            Overloaded, OperationalError: as ``current``.
        """
        mark = self._mark
        if mark < 0:
            return None
        _, changed = changes_at_once(database, mark)
        with self._locked():
            if not self._is_past(changed, now, soon):
                return self._version
        with database.reading() as tx, self.current(tx, now, soon):
            return self._version

    def _is_past(self, changed: Mapping[int, int], now: datetime, soon: timedelta) -> bool:
        """Whether anything has to be read. ``changed`` may hold what was read meanwhile."""
        return (
            self._mark < 0
            or soon != self._soon
            or now.date() != self._centres_at
            or any(self._stamps.get(id_) != stamp for id_, stamp in changed.items())
            or bool(self._due and self._due[0][0] <= now.timestamp())
        )

    def _refresh(self, tx: Connection, now: datetime, soon: timedelta) -> None:
        if self._mark < 0 or soon != self._soon:
            self._filled = False
            self._version += 1
            self._mark, self._soon = changes_since(tx, NOTHING_YET)[0], soon
            self._clear()
            self._read_centres(tx, now)
            self._add(sorted(tx.execute(_ROWS).all(), key=_start_of_row), now)
            self._settled, self._moved = list(self._starts), 0
            self._filled = True
            return
        self._mark, changed = changes_since(tx, self._mark)
        self._version += self._is_past(changed, now, soon)
        new = {id_: stamp for id_, stamp in changed.items() if self._stamps.get(id_) != stamp}
        if CENTRES in new or now.date() != self._centres_at:
            self._read_centres(tx, now)
            self._forget()
        self._stamps |= new
        numbers = {id_ for id_ in new if id_ != CENTRES} | self._turned(now)
        if numbers:
            self._forget()
            self._remove(numbers)
            if self._moved.bit_count() > max(_MOST_MOVED, len(self.numbers) // 10):
                self._mark = -1
                self._refresh(tx, now, soon)
                return
            for chunk in chunks(sorted(numbers)):
                self._add(tx.execute(_ROWS.where(offering.c.id.in_(chunk))).all(), now)

    def _read_centres(self, tx: Connection, now: datetime) -> None:
        rows = tx.execute(select(centre).order_by(centre.c.name)).all()
        self.centres = {row.code: row for row in rows}
        self._centres_at, self._named = now.date(), dict[str, set[str]]()
        for code, words in centre_words(tx).items():
            for each in words:
                self._named.setdefault(each, set()).add(code)
        self.areas = {
            area_key(name): name
            for each in cycles.all_cycles(tx).values()
            if each.starts_on <= now.date() and (each.ends_on is None or now.date() <= each.ends_on)
            for name in each.areas
        }
        self.centres_stamp = self._stamps.get(CENTRES, 0)

    def _turned(self, now: datetime) -> set[int]:
        """Numbers of those whose availability may be another one since their last reading."""
        found = set()
        while self._due and self._due[0][0] <= now.timestamp():
            found.add(self.numbers[heapq.heappop(self._due)[1]])
        return found

    def _remove(self, numbers: Iterable[int]) -> None:
        gone: dict[Key, list[int]] = {}
        places = [self._places[id_] for id_ in numbers if id_ in self._places]
        for place in places:
            for key in self._keys[place]:
                gone.setdefault(key, []).append(place)
            self._keys[place] = ()
        for (name, value), of_value in gone.items():
            self._sets[name][value] &= ~bits_of(of_value)
        self._everything &= ~bits_of(places)

    def _add(self, rows: Sequence[Any], now: datetime) -> None:
        added: dict[Key, list[int]] = {}
        there, moved = [], []
        for row in rows:
            place = self._place_of(row.id)
            record = Offering(
                "", row.centre, "", "", **dict(zip(_COLUMNS[1:], row[2:], strict=True))
            )
            start = record.starts_at.timestamp() if record.starts_at else inf
            there.append(place)
            if place >= len(self._settled) or self._starts[place] != start:
                moved.append(place)
            self._starts[place] = start
            ends = record.ends_at or record.starts_at
            self._ends[place] = ends.timestamp() if ends else inf
            self._keys[place] = keys = tuple(_keys(record, availability(record, now, self._soon)))
            for key in keys:
                added.setdefault(key, []).append(place)
            turn = _next_turn(record, now, self._soon)
            if turn is not None:
                heapq.heappush(self._due, (turn, place))
        for (name, value), of_value in added.items():
            self._sets[name][value] = self._set(name, value) | bits_of(of_value)
        self._everything |= bits_of(there)
        self._moved |= bits_of(moved)

    def _place_of(self, number: int) -> int:
        place = self._places.get(number)
        if place is None:
            place = self._places[number] = len(self.numbers)
            self.numbers.append(number)
            self._keys.append(())
            self._starts.append(inf)
            self._ends.append(inf)
        return place

    # ---- asking ------------------------------------------------------------------------------

    def search(
        self, tx: Connection, question: CatalogueQuestion, *, skip: int, most: int
    ) -> CatalogueFound:
        """One page of what fits, and the counts. Offerings with all words in their titles come
        first; those that begin earlier before later ones; what is over last."""
        titles, texts = self._texts(tx, question.text)
        base = self._everything & texts & self._between(question.starts_from, question.starts_to)
        parts = {
            name: self._chosen(name, question.chosen.get(name, ""))
            for name in FILTERS
            if question.chosen.get(name) or name == "availability"
        }
        whole = base
        for part in parts.values():
            whole &= part
        region = question.chosen.get("region", "")
        counts = {
            name: self._counts(name, self._others(name, base, parts, whole), region)
            for name in FILTERS
        }
        return CatalogueFound(whole.bit_count(), self._page(whole, titles, skip, most), counts)

    def matching(self, tx: Connection, question: CatalogueQuestion) -> int:
        """The set of all that fit."""
        whole = self._everything & self._texts(tx, question.text)[1]
        whole &= self._between(question.starts_from, question.starts_to)
        for name in FILTERS:
            if question.chosen.get(name) or name == "availability":
                whole &= self._chosen(name, question.chosen.get(name, ""))
        return whole

    def under_way(self, whole: int, start: float, end: float, most: int) -> tuple[int, list[int]]:
        """(how many, places of the first) of a set that take place between two moments."""
        before = whole & self._in_range(-inf, end) & ~self._in_range(end, end)
        found = [place for _, place in self._by_start(before) if self._ends[place] > start]
        return len(found), found[:most]

    def first_start(self, whole: int, after: float) -> float | None:
        """The first beginning of a set from a moment on."""
        coming = self._by_start(whole & self._in_range(after, inf))
        start = next((start for start, _ in coming), inf)
        return None if start == inf else start

    def count(self, whole: int, name: str, value: str) -> int:
        """How many of a set have the value."""
        return (whole & self._chosen(name, value)).bit_count()

    def availability_at(self, place: int) -> str:
        return next((value for name, value in self._keys[place] if name == "availability"), "")

    def stamp_at(self, place: int) -> int:
        """Another number after each change of the offering."""
        return self._stamps.get(self.numbers[place], 0)

    def _texts(self, tx: Connection, text: str) -> tuple[int, int]:
        """(those with all words in the title, those with all words anywhere)"""
        words = search_words(text)
        if not words:
            found = 0 if text.strip() else self._everything
            return found, found
        titles = texts = self._everything
        for word in words:
            title, body = self._with_word(tx, word)
            titles &= title
            texts &= title | body
        return titles, texts

    def _with_word(self, tx: Connection, word: SearchWord) -> tuple[int, int]:
        """(those with the word in the title, those with it in other texts or in the centre's
        name)"""
        if word not in self._words:
            if len(self._words) >= _MOST_WORDS:
                self._words.clear()
            title, body = map(self._bits_of, matching_ids(tx, word))
            for code in self._centres_named(word):
                body |= self._set("centre", code)
            self._words[word] = title, body
        return self._words[word]

    def _centres_named(self, word: SearchWord) -> set[str]:
        """Centres with the word in their names."""
        if not word.begins:
            return self._named.get(word.text, set())
        found = (codes for each, codes in self._named.items() if each.startswith(word.text))
        return set().union(*found)

    def _bits_of(self, numbers: Iterable[int]) -> int:
        places = self._places
        return bits_of([places[number] for number in numbers if number in places])

    def _between(self, first: datetime | None, last: datetime | None) -> int:
        if first is None and last is None:
            return self._everything
        begin, end = first.timestamp() if first else -inf, last.timestamp() if last else inf
        return self._in_range(begin, end) | self._in_range(inf, inf)

    def _in_range(self, first: float, last: float) -> int:
        """Those that begin between two moments, both included; ``inf``: at any time."""
        low, high = bisect_left(self._settled, first), bisect_right(self._settled, last)
        settled = ((1 << high) - 1) & ~((1 << low) - 1) if high > low else 0
        moved = [each for each in places_of(self._moved) if first <= self._starts[each] <= last]
        return settled & ~self._moved | bits_of(moved)

    def _chosen(self, name: str, value: str) -> int:
        if name == "region":
            return self._region(value)
        if name == "availability":
            if value == EVERYTHING:
                return self._everything
            if value == CURRENT:
                return self._everything & ~self._set(name, Availability.OVER)
            if value == OPEN_NOW:
                return self._any(name, TAKES_REGISTRATIONS)
        return self._set(name, value)

    def _set(self, name: str, value: str) -> int:
        return self._sets[name].get(value, 0)

    def _any(self, name: str, values: Iterable[str]) -> int:
        found = 0
        for value in values:
            found |= self._set(name, value)
        return found

    def _region(self, region: str) -> int:
        if region not in self._regions:
            of_it = (code for code, each in self.centres.items() if each.region == region)
            self._regions[region] = self._any("centre", of_it)
        return self._regions[region]

    def _others(self, name: str, base: int, parts: Mapping[str, int], whole: int) -> int:
        """What fits all filters but this one."""
        if name not in parts:
            return whole
        for other, part in parts.items():
            if other != name:
                base &= part
        return base

    def _counts(self, name: str, mask: int, region: str) -> dict[str, int]:
        values: Iterable[str]
        if not mask:
            return {}
        if name == "region":
            values = {each.region for each in self.centres.values()}
        elif name == "availability":
            values = [OPEN_NOW, CURRENT, EVERYTHING, *Availability]
        elif name == "centre" and region:  # the mask has no others
            values = [code for code, each in self.centres.items() if each.region == region]
        else:
            values = self._sets[name]
        counted = ((value, (mask & self._chosen(name, value)).bit_count()) for value in values)
        return {value: many for value, many in counted if many}

    def _page(self, whole: int, titles: int, skip: int, most: int) -> list[int]:
        over = self._set("availability", Availability.OVER)
        found: list[int] = []
        for part in (whole & titles, whole & ~titles):
            for bits, newest in ((part & ~over, False), (part & over, True)):
                many = bits.bit_count()
                if skip < many and len(found) < most:
                    found += self._in_order(bits, skip, most - len(found), newest=newest)
                skip = max(0, skip - many)
        return found

    def _in_order(self, bits: int, skip: int, most: int, *, newest: bool) -> list[int]:
        """Places of a set by their starts."""
        return [place for _, place in islice(self._by_start(bits, newest), skip, skip + most)]

    def _by_start(self, bits: int, newest: bool = False) -> Iterator[tuple[float, int]]:
        """(start, place) of a set, in order."""
        settled = each_place(bits & ~self._moved, newest)
        begun = ((self._starts[place], place) for place in settled)
        moved = ((self._starts[place], place) for place in places_of(bits & self._moved))
        return heapq.merge(begun, sorted(moved, reverse=newest), reverse=newest)


def _start_of_row(row: Any) -> tuple[float, int]:
    return (row.starts_at.timestamp() if row.starts_at else inf, row.id)


def _keys(record: Offering, state: Availability) -> Iterable[Key]:
    yield "availability", str(state)
    yield "centre", record.centre
    if record.modality:
        yield "modality", str(record.modality)
    if record.level:
        yield "level", str(record.level)
    yield "price", "paid" if record.price else "free"
    for tag in {each.lower().partition("-")[0] for each in record.languages}:
        yield "language", tag
    for topic in {area_key(each) for each in record.topics}:
        yield "topic", topic


def _next_turn(record: Offering, now: datetime, soon: timedelta) -> float | None:
    """When time alone may change the availability next."""
    closes = registration_end(record)
    moments = [record.starts_at, record.ends_at, record.registration_opens, closes]
    moments.append(closes - soon if closes else None)
    return min((each.timestamp() for each in moments if each and each > now), default=None)


def bits_of(places: Iterable[int]) -> int:
    """The set of these places."""
    places = list(places)
    if not places:
        return 0
    # Digits of a number to the base 2: the quickest way to set many bits.
    digits = bytearray(b"0") * (max(places) + 1)
    for place in places:
        digits[place] = 49
    digits.reverse()
    return int(digits, 2)


def places_of(bits: int) -> list[int]:
    """The places of a set, in order."""
    return list(each_place(bits))


def each_place(bits: int, backwards: bool = False) -> Iterator[int]:
    """The places of a set, one by one."""
    if not bits:
        return
    marks = bin(bits)[:1:-1]
    place = marks.rfind("1") if backwards else marks.find("1")
    while place >= 0:
        yield place
        place = marks.rfind("1", 0, place) if backwards else marks.find("1", place + 1)
