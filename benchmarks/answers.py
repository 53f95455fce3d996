"""The sources' bytes, in one file per centre: courses and rosters as Moodle 4.5 sends them (field
by field as in tests/recordings/moodle), registrations as docs/academy-api.md has them.

Reading a file is the cheapest source there is: whatever the bridge adds shows fully.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.world import (
    CATEGORIES,
    FAR,
    World,
    academy_id,
    account,
    centre_of,
    code_of,
    ends_at,
    registration_id,
)

COURSES, ROSTERS, REGISTRATIONS = "courses", "rosters", "registrations"
PAGE = 200
"""Registrations in one page: the Academy connector's own default."""
_DAY = 86_400
_TOPICS = ("Spectrum management", "Cybersecurity", "Broadband access", "Internet of Things", "5G")
_SUMMARY = (
    "<p>Participants learn how {topic} is planned, licensed and supervised, with cases from the "
    "region. Sessions are live, twice a week; readings, quizzes and a forum go along with them.</p>"
    "<ul><li>Regulatory frameworks and the institutions behind them</li><li>Planning methods and "
    "the tools for them</li><li>Measuring, monitoring, enforcement</li><li>A project of one's own, "
    "with peers from other countries</li></ul><p>Edition {number}.</p>"
)
_ROLE = [{"roleid": 5, "name": "", "shortname": "student", "sortorder": 0}]

Span = tuple[int, int]
"""Where some bytes are in the file: (offset, size)."""


@dataclass
class Answers:
    """One centre's file, opened. ``index`` is {feed: [(scope, spans of its parts)]}."""

    file: int
    index: dict[str, list[tuple[str, list[Span]]]]

    @classmethod
    def open(
        cls, folder: Path, centre: int, feeds: Iterable[str], *, write: bool = False
    ) -> Answers:
        name = folder / f"{centre:03d}"
        index = {feed: orjson.loads(_index_path(name, feed).read_bytes()) for feed in feeds}
        mode = os.O_RDWR if write else os.O_RDONLY
        return cls(os.open(name.with_suffix(".bin"), mode), index)

    def bodies(self, feed: str) -> Iterator[tuple[str, tuple[bytes, ...]]]:
        """(scope, parts) of every answer of a feed."""
        for scope, spans in self.index[feed]:
            yield scope, self.body(spans)

    def body(self, spans: Sequence[Span]) -> tuple[bytes, ...]:
        return tuple(os.pread(self.file, size, offset) for offset, size in spans)

    def close(self) -> None:
        os.close(self.file)


def _index_path(name: Path, feed: str) -> Path:
    return name.with_suffix(f".{feed}.json")


def write_answers(folder: Path, world: World, centre: int) -> int:
    """Writes one centre's file and gives its size in bytes."""
    name = folder / f"{centre:03d}"
    size = 0
    with name.with_suffix(".bin").open("wb") as file:
        for feed, make in (
            (COURSES, _courses),
            (ROSTERS, _rosters),
            (REGISTRATIONS, _registrations),
        ):
            index = []
            for scope, parts in make(world, centre):
                spans = []
                for part in parts:
                    spans.append((size, len(part)))
                    size += file.write(part)
                index.append((scope, spans))
            _index_path(name, feed).write_bytes(orjson.dumps(index))
    return size


def change_registrations(folder: Path, centre: int, version: int, chosen: Sequence[int]) -> None:
    """Gives the chosen enrolments of a centre (numbers in the Academy's order) another end."""
    by_page: dict[int, list[int]] = {}
    for number in chosen:
        by_page.setdefault(number // PAGE, []).append(number % PAGE)
    source = Answers.open(folder, centre, [REGISTRATIONS], write=True)
    for page, places in by_page.items():
        (offset, size), *_ = source.index[REGISTRATIONS][page][1]
        items = orjson.loads(os.pread(source.file, size, offset))
        for place in places:
            items[place]["ends_at"] = ends_at(version)
        body = orjson.dumps(items)
        if len(body) != size:
            raise RuntimeError("a page of registrations changed its size")
        os.pwrite(source.file, body, offset)
    source.close()


def _courses(world: World, centre: int) -> Iterator[tuple[str, list[bytes]]]:
    for category in range(CATEGORIES):
        rows = [
            _course(centre, course, category)
            for course in world.courses()
            if course % CATEGORIES == category
        ]
        yield str(category + 2), [orjson.dumps({"courses": rows, "warnings": []})]


def _course(centre: int, course: int, category: int) -> dict[str, Any]:
    topic = _TOPICS[category]
    title = f"{topic}: principles and practice, edition {course}"
    start = int(FAR.timestamp()) + course * _DAY
    image = (
        f"https://lms{centre:03d}.example.org/pluginfile.php/{course}/course/generated/course.svg"
    )
    return {
        "id": course,
        "fullname": title,
        "displayname": title,
        "shortname": f"CRS-{centre:03d}-{course}",
        "courseimage": image,
        "categoryid": category + 2,
        "categoryname": topic,
        "sortorder": 10_000 * (category + 2) + course,
        "summary": _SUMMARY.format(topic=topic, number=course),
        "summaryformat": 1,
        "summaryfiles": [],
        "overviewfiles": [],
        "showactivitydates": True,
        "showcompletionconditions": True,
        "contacts": [{"id": 2, "fullname": "Course Coordinator"}],
        "enrollmentmethods": ["manual"],
        "customfields": _custom_fields(start),
        "idnumber": f"ITU-{centre:03d}-{course}",
        "format": "topics",
        "showgrades": 1,
        "newsitems": 5,
        "startdate": start,
        "enddate": start + 28 * _DAY,
        "maxbytes": 0,
        "showreports": 0,
        "visible": 1,
        "groupmode": 0,
        "groupmodeforce": 0,
        "defaultgroupingid": 0,
        "enablecompletion": 1,
        "completionnotify": 0,
        "lang": "",
        "theme": "",
        "marker": 0,
        "legacyfiles": None,
        "calendartype": "",
        "timecreated": 1_795_455_842,
        "timemodified": 1_795_456_139,
        "requested": 0,
        "cacherev": 1_795_456_139,
        "filters": [
            {"filter": name, "localstate": 0, "inheritedstate": 1}
            for name in ("displayh5p", "activitynames", "mathjaxloader", "emoticon", "urltolink")
        ],
        "courseformatoptions": [
            {"name": "hiddensections", "value": 1},
            {"name": "coursedisplay", "value": 0},
        ],
    }


def _custom_fields(start: int) -> list[dict[str, Any]]:
    closes = start - 7 * _DAY
    fields: list[tuple[str, str, str, object, object]] = [
        ("Modality", "itu_modality", "select", 1, "Online instructor-led"),
        ("Level", "itu_level", "select", 2, "Intermediate"),
        ("Price (USD)", "itu_price", "text", "150.00", "150.00"),
        ("Publish in the ITU Academy catalogue", "itu_publish", "checkbox", 1, "Yes"),
        ("Registration closes", "itu_regclose", "date", closes, "a week before"),
        ("Objectives", "itu_objectives", "textarea", "", None),
    ]
    names = ("name", "shortname", "type", "valueraw", "value")
    return [dict(zip(names, field, strict=True)) for field in fields]


def _rosters(world: World, centre: int) -> Iterator[tuple[str, list[bytes]]]:
    """A roster's page, and the ids of the suspended, of whom there are none."""
    people = [
        orjson.dumps(
            {
                "id": account(person),
                "idnumber": academy_id(centre, person),
                "lastcourseaccess": 1_795_456_139 + person,
                "roles": _ROLE,
            }
        )
        for person in range(world.people)
    ]
    for course in world.courses():
        members = sorted(world.members(course))
        yield str(course), [b"[" + b",".join(people[each] for each in members) + b"]", b"[]"]


def _registrations(world: World, centre: int) -> Iterator[tuple[str, list[bytes]]]:
    of = centre_of(centre)
    codes = {course: code_of(of, course) for course in world.courses()}
    page: list[bytes] = []
    count = 0
    for course, person in world.places():
        page.append(orjson.dumps(_registration(centre, codes[course], course, person)))
        if len(page) == PAGE:
            yield f"page-{count}", [b"[" + b",".join(page) + b"]"]
            page, count = [], count + 1
    if page:
        yield f"page-{count}", [b"[" + b",".join(page) + b"]"]


def _registration(centre: int, code: str, course: int, person: int) -> dict[str, Any]:
    return {
        "id": registration_id(centre, course, person),
        "offering": code,
        "learner": {
            "id": academy_id(centre, person),
            "given_name": f"Given{person}",
            "family_name": f"Family{person}",
            "email": f"{academy_id(centre, person)}@example.org",
            "language": "en",
            "country": "KE",
        },
        "status": "enrolled",
        "starts_at": None,
        "ends_at": ends_at(0),
    }
