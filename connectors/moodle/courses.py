"""Courses as offerings: whole categories, compared with Moodle's own counts.

``core_course_get_courses_by_field`` leaves out hidden courses without an error if the account may
not see them. ``core_course_get_categories`` counts all courses, so the two are compared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from lms_bridge.connectors.moodle.client import (
    NO_PARAMETERS,
    MoodleReply,
    Parameters,
    Rows,
)
from lms_bridge.connectors.moodle.multilang import in_language, languages_of
from lms_bridge.connectors.moodle.refusals import read_scope
from lms_bridge.connectors.moodle.site import COURSES, SITE_COURSE, MoodleSite, is_course
from lms_bridge.domain.errors import AccessDenied, IncompleteRead, NotUnderstood, RecordRefused
from lms_bridge.domain.ports import Page, Pages, RawRecord
from lms_bridge.domain.translations import TRANSLATED

WHOLE_SITE = "site"
CATEGORIES = "core_course_get_categories"
COURSES_UNSEEN = (
    "Allow moodle/course:viewhiddencourses and moodle/course:view to its role, in the system "
    "context. If it has both, Moodle's count is stale: move a course into that category and back, "
    "and it counts anew."
)
_EMBEDDED_FILE = re.compile(
    r"<(?:img|source|video|audio)\b[^>]*@@PLUGINFILE@@[^>]*>", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Category:
    """A category's name in one of the centre's languages, and how many courses it has."""

    name: str
    courses: int


class ShownCourse(msgspec.Struct, gc=False):
    """What is checked of each course before a list of them is believed."""

    id: Any = None
    format: Any = None
    categoryid: Any = None
    startdate: msgspec.Raw | msgspec.UnsetType = UNSET

    @property
    def is_site(self) -> bool:
        return bool(self.id == SITE_COURSE or self.format == "site")


class _Courses(msgspec.Struct):
    courses: list[ShownCourse]


COURSE_LIST = msgspec.json.Decoder(_Courses)


@dataclass(frozen=True, slots=True)
class CourseRef:
    """A course, and the edition's code if several editions share the course as groups.

    The external id of an edition is ``<course id>#<code>``.
    """

    course: int
    edition: str = ""

    @classmethod
    def parse(cls, external_id: str) -> CourseRef:
        """Raises ``RecordRefused`` if the text is not an external id of this connector."""
        course, _, edition = external_id.partition("#")
        if not (course.isascii() and course.isdecimal()):
            raise RecordRefused("not-a-course", "The external id does not name a Moodle course.")
        return cls(int(course), edition)


# ---- reading ----------------------------------------------------------------------------------


def read_offerings(site: MoodleSite, read: Collection[str] = ()) -> Pages:
    """The courses of the chosen categories, or of the whole site, which is one page. Categories
    that were ``read`` are left out."""
    counts = _course_counts(site)
    chosen = site.settings["categories"]
    if not chosen:
        yield _answer(site, WHOLE_SITE, NO_PARAMETERS, counts)
        return

    def answer(category: int) -> Page:
        if category not in counts:
            raise AccessDenied(
                "errorcatcontextnotvalid",
                f"There is no category {category} that the service account can see.",
                "Correct the option categories, or allow "
                "moodle/category:viewhiddencategories to the account's role.",
            )
        count = {category: counts[category]}
        return _answer(site, str(category), {"field": "category", "value": category}, count)

    yield from site.pool.each(
        lambda category: read_scope(str(category), lambda: answer(category)),
        [each for each in _with_subcategories(site, chosen) if str(each) not in read],
    )


def find_offering(site: MoodleSite, lms_course: str, offering: str) -> str | None:
    """The external id of an edition. Its course is named by ID number, short name or id."""
    fields = ["idnumber", "shortname"] if lms_course else []
    if lms_course.isascii() and lms_course.isdecimal():
        fields.append("id")
    for field in fields:
        found = [row for row in site.find_courses(field, lms_course) if is_course(row)]
        if len(found) == 1:
            return f"{found[0]['id']}#{offering}" if offering else str(found[0]["id"])
    return None


def _course_counts(site: MoodleSite) -> dict[int, _Category]:
    """Every category, with its name and its courses, hidden ones included."""
    # Without the right to see hidden categories this call is refused; the next is just shorter.
    site.client.rows(CATEGORIES, {"criteria": [{"key": "visible", "value": 0}]})
    return {
        int(row["id"]): _Category(
            in_language(str(row.get("name") or ""), site.languages), int(row["coursecount"])
        )
        for row in site.client.rows(CATEGORIES)
    }


def _with_subcategories(site: MoodleSite, chosen: list[int]) -> list[int]:
    if not site.settings["subcategories"]:
        return chosen
    found = list(chosen)
    for category in chosen:
        rows = site.client.rows(CATEGORIES, {"criteria": [{"key": "id", "value": category}]})
        found += [int(row["id"]) for row in rows]
    return list(dict.fromkeys(found))


def _answer(
    site: MoodleSite, scope: str, parameters: Parameters, counts: Mapping[int, _Category]
) -> Page:
    reply = site.client.call(COURSES, parameters, check=COURSE_LIST)
    if reply.checked is None:
        reply.rows("courses")  # says what is wrong
        raise NotUnderstood("not-a-course", f"{COURSES}: an entry is not a course.")
    shown = [each for each in reply.checked.courses if not each.is_site]
    _require_all(shown, counts)
    _require_dates(site, shown)
    if shortname := site.settings["publish_field"]:
        chosen = [row for row in _courses(reply) if _ticked(row, shortname)]
        return Page(scope, (reply.body,), lambda: _records(site, chosen))
    return Page(scope, (reply.body,), lambda: _records(site, _courses(reply)))


def _courses(reply: MoodleReply) -> Rows:
    return [row for row in reply.rows("courses") if is_course(row)]


def _records(site: MoodleSite, rows: Rows) -> Iterator[RawRecord]:
    for row in rows:
        if not row.get("visible", 1) and site.settings["hidden"] == "skip":
            continue
        try:
            yield offering_of(row, site.settings["fields"], site.address, site.languages)
        except (KeyError, TypeError, AttributeError):
            raise NotUnderstood("not-a-course", f"{COURSES}: an entry is not a course.") from None


def _require_all(shown: Sequence[ShownCourse], counts: Mapping[int, _Category]) -> None:
    seen = Counter(each.categoryid for each in shown)
    missing = sum(max(0, each.courses - seen[category]) for category, each in counts.items())
    if missing:
        raise IncompleteRead(
            "courses-missing",
            "Moodle counts more courses than it shows to the service account. Courses that are "
            f"missing: {missing}. Categories: {_named(counts, seen)}.",
            COURSES_UNSEEN,
        )


def _named(counts: Mapping[int, _Category], seen: Counter[Any]) -> str:
    short = [
        f"{category} {each.name}".rstrip()
        for category, each in counts.items()
        if each.courses > seen[category]
    ]
    return ", ".join(short[:5] + ["…"] * (len(short) > 5))


def _require_dates(site: MoodleSite, shown: Sequence[ShownCourse]) -> None:
    """Raises ``AccessDenied`` if Moodle shows courses only as the public sees them. Dates and
    visibility would then seem to be removed."""
    if any(each.startdate is UNSET for each in shown):
        error = AccessDenied(
            "errorcoursecontextnotvalid",
            "Moodle shows some courses without their dates.",
            "Allow moodle/course:view to the service account's role.",
        )
        raise site.client.explained(COURSES, error)


def _ticked(row: Mapping[str, Any], shortname: str) -> bool:
    """Whether a checkbox field is ticked.

    Raises:
        AccessDenied: the field is not shown. This must not count as "not ticked".
    """
    for field in row.get("customfields") or ():
        if field.get("shortname") == shortname:
            return bool(field.get("valueraw"))
    raise AccessDenied(
        "publish-field-unseen",
        f"Moodle shows no course field named {shortname}.",
        "Create the field, or make it visible to everyone.",
    )


# ---- one course -------------------------------------------------------------------------------


CHOICES = frozenset({"modality", "level", "status", "registration"})
"""Fields with words that the bridge knows, in English."""


def offering_of(
    row: Mapping[str, Any],
    names: Mapping[str, str],
    site: str,
    languages: Sequence[str] = (),
) -> RawRecord:
    """The offering that a course stands for. ``names`` maps offering fields to custom fields. Of
    texts in several languages it has the first of ``languages``.

    It holds only fields that people edit. Moodle's answer also has counters, cache versions and
    image addresses, which change by themselves.
    """
    texts: dict[str, str] = {
        "title": str(row.get("fullname") or ""),
        "description": _EMBEDDED_FILE.sub("", row.get("summary") or ""),
    }
    fields: dict[str, object] = {"address": f"{site}/course/view.php?id={row['id']}"}
    if "idnumber" in row:  # else it is not seen, and a known course keeps its code
        fields["course_code"] = row["idnumber"] or row.get("shortname") or ""
    for name, source in (("starts_at", "startdate"), ("ends_at", "enddate")):
        if row.get(source):
            fields[name] = row[source]
    custom = custom_fields(row)
    for name, shortname in names.items():
        if shortname in custom:
            value, wanted = custom[shortname], ["en"] if name in CHOICES else languages
            if name in TRANSLATED:
                texts[name] = str(value)
            else:
                fields[name] = in_language(value, wanted) if isinstance(value, str) else value
    fields |= {name: in_language(text, languages) for name, text in texts.items()}
    if translations := _translations(texts):
        fields["translations"] = translations
    if not row.get("visible", 1):
        fields["status"] = "planned"
    return RawRecord(str(row["id"]), fields)


def _translations(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """{language: {field: text}} of the texts that come in several languages."""
    found: dict[str, dict[str, str]] = {}
    for name, text in texts.items():
        for language, translated in languages_of(text).items():
            found.setdefault(language, {})[name] = translated
    return found


def custom_fields(row: Mapping[str, Any]) -> dict[str, object]:
    """The value of every custom field that has one, by its short name."""
    found: dict[str, object] = {}
    for field in row.get("customfields") or ():
        value = _custom_value(field)
        if value not in (None, ""):
            found[str(field.get("shortname"))] = value
    return found


def _custom_value(field: Mapping[str, Any]) -> object:
    kind, raw = field.get("type"), field.get("valueraw")
    if kind == "select":
        return field.get("value")  # the text; valueraw is its position in the menu
    if kind == "date":
        return raw or None  # 0 means no date
    if kind == "checkbox":
        return bool(raw)
    return raw if raw is not None else field.get("value")
