"""A catalogue that takes longer than one run: the next run reads what the last one had no time for.

The pages that were read in time are applied. Nothing follows from what they no longer hold: an
offering may have moved to a page that was not read. So a reading in several runs removes nothing,
says so, and leaves those pages for a reading in one run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Page, PageError, Pages, ResumesOfferings
from lms_bridge.store import source_digests
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.pull import SourceFeed


@dataclass
class CatalogueReading:
    """One reading of a centre's catalogue, which may take several runs. ``feed`` knows the pages
    that earlier runs of it read."""

    context: RunContext
    peer: ResumesOfferings
    feed: SourceFeed
    read: set[str] = field(default_factory=set)
    ended: bool = False

    def pages(self) -> Iterator[Page | PageError]:
        """The pages that are still to be read."""
        before = self.feed.read_before or frozenset()
        for page in self._asked(before):
            if isinstance(page, Page):
                self.read.add(page.scope)
            yield page
        self.ended = True

    def _asked(self, before: frozenset[str]) -> Pages:
        return self.peer.resume_offerings(before) if before else self.peer.read_offerings()

    def keep(self) -> None:
        """Remembers what was read of a reading that ran out of time, and else that it ended."""
        before = self.feed.read_before or frozenset()
        if self.context.dry or (self.ended and not before):
            return
        where = self.feed.system, Kind.OFFERING, _name(self.feed)
        with self.context.writing() as tx:
            if self.ended:
                source_digests.forget_digests(tx, *where)
            else:
                source_digests.keep_digests(tx, *where, dict.fromkeys(before | self.read, EMPTY))


def catalogue_reading(
    context: RunContext, peer: ResumesOfferings, feed: SourceFeed
) -> CatalogueReading:
    """Goes on with the reading that ran out of time, or begins one. Pages whose records were not
    applied, or that lack some, are read again."""
    from_source = feed.system, Kind.OFFERING
    with context.database.reading() as tx:
        read = source_digests.digests(tx, *from_source, _name(feed))
        applied = source_digests.digests(tx, *from_source, feed.name) if read else {}
    before = frozenset(scope for scope in read if applied.get(scope, EMPTY) != EMPTY)
    return CatalogueReading(context, peer, feed.resuming(before))


def _name(feed: SourceFeed) -> str:
    return f"{feed.name} so far"
