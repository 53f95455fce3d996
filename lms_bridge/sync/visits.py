"""Courses in which nobody was since their results were read: these are not read again.

Moodle cannot say which grades changed, and computes every grade anew for each report. But neither
learners nor teachers change a result without a visit to the course. So the bridge remembers the
visits that it saw before it read the results. While they stay the same, it asks for no report.

Some changes need no visit: those of background tasks, of tools that send scores late, and of people
who are not enrolled. So each course is read again every ``policy.unvisited_days``, and again until
a day after its last visit. Runs that a person starts read all results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from zlib import crc32

from lms_bridge.domain.document import digest
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Page, PageError, Pages, ShowsVisits, Visits
from lms_bridge.store import source_digests
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.pull import SourceFeed

FEED = "visits"
SETTLED = timedelta(days=1)
"""What a visit changes may show later, after tasks that run once a day."""


@dataclass
class UnvisitedCourses:
    """``looked`` are the digests of visits before the reading; ``read`` the courses that were."""

    context: RunContext
    feed: SourceFeed
    looked: dict[str, bytes] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def left_out(self, peer: object, courses: Sequence[str]) -> list[str]:
        """The courses whose results are to be read."""
        days = self.context.policy.unvisited_days
        if self.context.by_person or not days or not isinstance(peer, ShowsVisits):
            return [*courses]
        visits = peer.visits(courses)
        looked = {course: self._digest(course, seen, days) for course, seen in visits.items()}
        with self.context.database.reading() as tx:
            where = self.feed.system, Kind.RESULT
            before = source_digests.digests(tx, *where, FEED)
            pages = source_digests.digests(tx, *where, self.feed.name)
        latest = (self.context.now() - SETTLED).timestamp()
        self.looked = {each: looked[each] for each, seen in visits.items() if seen.last < latest}
        unvisited = {
            course
            for course, hashed in looked.items()
            if before.get(course) == hashed and pages.get(course, EMPTY) != EMPTY
        }
        self.context.counts["pages.unvisited"] += len(unvisited)
        return [course for course in courses if course not in unvisited]

    def _digest(self, course: str, visits: Visits, days: int) -> bytes:
        """Another one on each day on which the course is read anyway. Courses share these days."""
        day = self.context.now().date().toordinal() + crc32(course.encode())
        return digest([self.feed.salt.hex(), day // days, visits.people.hex()])

    def noting(self, pages: Pages) -> Iterator[Page | PageError]:
        """The pages as they come. Notes which courses were read."""
        for page in pages:
            (self.failed if isinstance(page, PageError) else self.read).add(page.scope)
            yield page

    def keep(self) -> None:
        """Remembers the visits of courses whose results are applied."""
        read = self.looked.keys() & self.read - self.failed
        if not read or self.context.dry:
            return
        where = self.feed.system, Kind.RESULT
        with self.context.writing() as tx:
            pages = source_digests.digests(tx, *where, self.feed.name)
            kept = {each: self.looked[each] for each in read if pages.get(each, EMPTY) != EMPTY}
            source_digests.keep_digests(tx, *where, FEED, kept)
