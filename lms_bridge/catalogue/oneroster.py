"""OneRoster 1.2, CSV Binding (1EdTech): the public part, without people."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast
from uuid import UUID

from lms_bridge.catalogue.entry import (
    CatalogueEntry,
    Provider,
    academy_id,
    course_id,
    offering_id,
    provider_id,
    stable_id,
)
from lms_bridge.catalogue.text import first_and_last_day, line
from lms_bridge.schemas.csv.cells import neutralised

_NO_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time that the format knows: the same content makes the same bytes."""


def archive(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """An archive of (name, content in pieces). It holds one compressed piece at a time."""
    sink = _Sink()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w", zipfile.ZIP_DEFLATED) as whole:
        for name, content in files:
            about = zipfile.ZipInfo(name, _NO_TIME)
            about.compress_type = zipfile.ZIP_DEFLATED
            with whole.open(about, "w", force_zip64=True) as member:
                for piece in content:
                    member.write(piece)
                    yield from sink.taken()
            yield from sink.taken()
    yield from sink.taken()


class _Sink(io.RawIOBase):
    """A stream that can only be written to; ``zipfile`` then needs to go back to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        self._pieces.append(bytes(octets))
        return len(octets)

    def taken(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


MEDIA_TYPE = "application/zip"
ACADEMY_NAME = "ITU Academy"

MANIFEST = ("propertyName", "value")
ORGS = (
    *("sourcedId", "status", "dateLastModified", "name", "type", "identifier"),
    *("parentSourcedId",),
)
SESSIONS = (
    *("sourcedId", "status", "dateLastModified", "title", "type", "startDate"),
    *("endDate", "parentSourcedId", "schoolYear"),
)
COURSES = (
    *("sourcedId", "status", "dateLastModified", "schoolYearSourcedId", "title"),
    *("courseCode", "grades", "orgSourcedId", "subjects", "subjectCodes"),
)
CLASSES = (
    *("sourcedId", "status", "dateLastModified", "title", "grades"),
    *("courseSourcedId", "classCode", "classType", "location", "schoolSourcedId"),
    *("termSourcedIds", "subjects", "subjectCodes", "periods"),
)
"""The headers of the binding's sections on these files. In bulk files the status and the time of a
row's last change are empty."""
PRESENT = ("academicSessions", "classes", "courses", "orgs")
ABSENT = (
    *("categories", "classResources", "courseResources", "demographics", "enrollments"),
    *("lineItemLearningObjectiveIds", "lineItems", "lineItemScoreScales", "resources"),
    *("resultLearningObjectiveIds", "results", "resultScoreScales", "roles", "scoreScales"),
    *("userProfiles", "userResources", "users"),
)
_IN_MEMORY = 1 << 20
_OPEN = 0
"""Stands for the term of what may be begun at any time."""
_Row = Sequence[str]


def roster(entries: Iterable[CatalogueEntry]) -> Iterator[bytes]:
    """The archive, in pieces."""
    with SpooledTemporaryFile(_IN_MEMORY) as rows:
        made = _Pass(entries, rows)
        yield from archive(
            (
                ("manifest.csv", _octets([MANIFEST, *_manifest()])),
                ("classes.csv", made.classes()),
                ("courses.csv", made.courses()),
                ("orgs.csv", made.orgs()),
                ("academicSessions.csv", made.sessions()),
            )
        )


class _Pass:
    """One pass over the entries; ``classes`` has to be gone through before the others."""

    def __init__(self, entries: Iterable[CatalogueEntry], rows: IO[bytes]) -> None:
        self._entries, self._rows = entries, rows
        self._courses: set[UUID] = set()
        self._years: set[int] = set()
        self._providers: dict[str, Provider] = {}

    def classes(self) -> Iterator[bytes]:
        yield from _octets([CLASSES])
        for entry in self._entries:
            self._providers[entry.provider.code] = entry.provider
            days = first_and_last_day(entry)
            year = days[0].year if days else _OPEN
            self._years.add(year)
            course = course_id(entry)
            if course not in self._courses:
                self._courses.add(course)
                self._rows.writelines(_octets([_course(entry, course)]))
            yield from _octets([_class(entry, course, year)])

    def courses(self) -> Iterator[bytes]:
        yield from _octets([COURSES])
        self._rows.seek(0)
        while piece := self._rows.read(_IN_MEMORY):
            yield piece

    def orgs(self) -> Iterator[bytes]:
        yield from _octets([ORGS])
        academy = str(academy_id())
        yield from _octets([(academy, "", "", ACADEMY_NAME, "district", "", "")])
        for code, provider in sorted(self._providers.items()):
            name = line(provider.name) or code
            yield from _octets([(str(provider_id(code)), "", "", name, "school", code, academy)])

    def sessions(self) -> Iterator[bytes]:
        yield from _octets([SESSIONS])
        for year in sorted(self._years):
            title, first, last, school_year = (
                (str(year), f"{year}-01-01", f"{year + 1}-01-01", str(year))
                if year != _OPEN
                else ("Any start", "1990-01-01", "2100-01-01", "2100")
            )
            row = (str(_term(year)), "", "", title, "term", first, last, "", school_year)
            yield from _octets([row])


def _term(year: int) -> UUID:
    return stable_id("term", str(year))


def _manifest() -> Iterator[_Row]:
    yield "manifest.version", "1.0"
    yield "oneroster.version", "1.2"
    states = [(name, "bulk") for name in PRESENT] + [(name, "absent") for name in ABSENT]
    for name, state in sorted(states):
        yield f"file.{name}", state
    yield "source.systemName", "lms_bridge"
    yield "source.systemCode", ""


def _course(entry: CatalogueEntry, course: UUID) -> _Row:
    offering = entry.offering
    owner, subjects = str(provider_id(entry.provider.code)), _list(offering.topics)
    title, code = line(offering.title), line(offering.course_code)
    return (str(course), "", "", "", title, code, "", owner, subjects, "")


def _class(entry: CatalogueEntry, course: UUID, year: int) -> _Row:
    offering = entry.offering
    return (
        *(str(offering_id(entry)), "", "", line(offering.title), "", str(course)),
        *(line(offering.code), "scheduled", line(offering.location)),
        *(str(provider_id(entry.provider.code)), str(_term(year)), _list(offering.topics), "", ""),
    )


def _list(texts: Iterable[str]) -> str:
    """A list in one cell: commas between the items, and quotation marks around one that has any."""
    items = (line(text).replace('"', '""') for text in texts)
    return ",".join(f'"{item}"' if "," in item or '"' in item else item for item in items)


def _octets(rows: Iterable[_Row]) -> Iterator[bytes]:
    writer: Any = csv.writer(_Echo(), lineterminator="\r\n")
    for row in rows:
        text: str = writer.writerow([neutralised(cell) for cell in row])
        yield text.encode("utf-8", "replace")


class _Echo:
    """What a CSV writer writes to, so that it gives each row back."""

    def write(self, text: str) -> str:
        return text
