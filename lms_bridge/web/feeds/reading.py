"""Entries as they are needed: one page in memory, and no connection held between pages.

A reader that is slow, or that goes away, holds no connection: each page has a short transaction of
its own. Pages follow the numbers of the records, so that none is lost or doubled by what changes
meanwhile.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import chain

from lms_bridge.feeds.entry import Entry, Giver
from lms_bridge.store.database import Database
from lms_bridge.web.queries.asked import Asked
from lms_bridge.web.queries.feeds import PAGE, entries

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
    pages = _pages(database, centres, asked, after, most, cancelled)
    return chain.from_iterable(chain([next(pages)], pages))


def _pages(
    database: Database,
    centres: Mapping[str, Giver],
    asked: Asked,
    after: int,
    most: int,
    cancelled: bool,
) -> Iterator[list[Entry]]:
    left = most
    while True:
        size = min(PAGE, left) if most else PAGE
        with database.reading() as tx:
            page = entries(tx, centres, asked, after=after, most=size, cancelled=cancelled)
        yield page
        left -= len(page)
        if len(page) < size or (most and left <= 0):
            return
        after = page[-1].record_id


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
