"""Entries as they are needed: one page in memory, and no connection held between pages.

A reader that is slow, or that goes away, holds no connection: each page has a short transaction of
its own. Pages follow the numbers of the records, so that none is lost or doubled by what changes
meanwhile. Numbers are looked up for many pages at once: where a filter has to be applied to the
whole catalogue first, doing so for each page would take ever longer, the larger the catalogue.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import chain

from lms_bridge.feeds.entry import Entry, Giver
from lms_bridge.store.database import Database
from lms_bridge.store.links import chunks
from lms_bridge.web.queries import feeds as queries
from lms_bridge.web.queries.asked import Asked

AHEAD = 10_000
"""Numbers that are looked up at once."""
_BLOCK = 64 * 1024


def all_entries(
    database: Database,
    centres: Mapping[str, Giver],
    asked: Asked,
    *,
    after: int = 0,
    most: int = 0,
    cancelled: bool = False,
) -> Iterator[Entry]:
    """Everything that is asked for after a number, or so many of them. The first page is read at
    once, so that a fault of the database is told before the answer begins."""
    pages = _pages(
        database, centres, _numbers(database, centres, asked, after, most, cancelled), cancelled
    )
    return chain.from_iterable(chain([next(pages, [])], pages))


def _pages(
    database: Database,
    centres: Mapping[str, Giver],
    chosen: Iterable[list[int]],
    cancelled: bool,
) -> Iterator[list[Entry]]:
    for numbers in chosen:
        with database.reading() as tx:
            page = queries.entries(tx, centres, numbers, cancelled=cancelled)
        yield page


def _numbers(
    database: Database,
    centres: Mapping[str, Giver],
    asked: Asked,
    after: int,
    most: int,
    cancelled: bool,
) -> Iterator[list[int]]:
    """The numbers of one page after the other."""
    left = most
    while True:
        size = min(AHEAD, left) if most else AHEAD
        with database.reading() as tx:
            found = queries.numbers(tx, centres, asked, after=after, most=size, cancelled=cancelled)
        yield from chunks(found, queries.PAGE)
        left -= len(found)
        if len(found) < size or (most and left <= 0):
            return
        after = found[-1]


def in_blocks(pieces: Iterable[bytes]) -> Generator[bytes]:
    """The same bytes in fewer pieces: each costs the server a call."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)
