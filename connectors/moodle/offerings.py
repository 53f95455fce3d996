"""Reading offerings: whole categories of courses, proved to be whole by Moodle's own counts.

``core_course_get_courses_by_field`` leaves hidden courses out in silence where the service account
may not see them. ``core_course_get_categories`` counts all of them, so the two are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from connectors.moodle.client import NOTHING, part
from connectors.moodle.courses import check_visible, is_course, offering, ticked
from connectors.moodle.form import Parameters
from connectors.moodle.refusals import stops_everything
from connectors.moodle.site import Part
from lms_bridge.domain.errors import (
    AccessDenied,
    BridgeError,
    IncompleteRead,
    NotUnderstood,
)
from lms_bridge.domain.ports import Answer, Raw, Reading, Unread

WHOLE_SITE = "site"
_CATEGORIES, _COURSES = "core_course_get_categories", "core_course_get_courses_by_field"


class Offerings(Part):
    """Courses of the chosen categories, or of the whole site, as offerings."""

    def read_offerings(self) -> Reading:
        counts = self._counts()
        chosen = self._site.settings["categories"]
        if not chosen:
            yield self._answer(WHOLE_SITE, NOTHING, counts)
            return
        yield from self._site.pool.each(
            lambda category: self._category(category, counts), self._with_subcategories(chosen)
        )

    def find_offering(self, lms_course: str, offering: str) -> str | None:
        """``<course id>#<offering>``; the course is named by ID number, short name or id."""
        ways = [("idnumber", lms_course), ("shortname", lms_course)]
        if lms_course.isascii() and lms_course.isdecimal():
            ways.append(("id", lms_course))
        for field, value in ways if lms_course else ():
            reply = self._site.client.ask(_COURSES, {"field": field, "value": value})
            found = [row for row in part(_COURSES, reply.value, "courses") if is_course(row)]
            if len(found) == 1:
                return f"{found[0]['id']}#{offering}" if offering else str(found[0]["id"])
        return None

    def _counts(self) -> dict[int, int]:
        """Courses in every category, hidden ones included."""
        client = self._site.client
        # asking for hidden categories is refused, not answered short, where they cannot be seen
        client.rows(_CATEGORIES, {"criteria": [{"key": "visible", "value": 0}]})
        return {int(row["id"]): int(row["coursecount"]) for row in client.rows(_CATEGORIES)}

    def _with_subcategories(self, chosen: list[int]) -> list[int]:
        if not self._site.settings["subcategories"]:
            return chosen
        found = list(chosen)
        for category in chosen:
            rows = self._site.client.rows(
                _CATEGORIES, {"criteria": [{"key": "id", "value": category}]}
            )
            found += [int(row["id"]) for row in rows]
        return list(dict.fromkeys(found))

    def _category(self, category: int, counts: dict[int, int]) -> Answer | Unread:
        scope = str(category)
        try:
            if category not in counts:
                raise AccessDenied(
                    "errorcatcontextnotvalid",
                    f"There is no category {category} that the service account can see.",
                    "Correct the option categories, or allow "
                    "moodle/category:viewhiddencategories to the account's role.",
                )
            parameters: Parameters = {"field": "category", "value": category}
            return self._answer(scope, parameters, {category: counts[category]})
        except BridgeError as error:
            if stops_everything(error):
                raise
            return Unread(scope, error)

    def _answer(self, scope: str, parameters: Parameters, counts: dict[int, int]) -> Answer:
        reply = self._site.client.ask(_COURSES, parameters)
        rows = [row for row in part(_COURSES, reply.value, "courses") if is_course(row)]
        _check_whole(rows, counts)
        check_visible(rows)
        shortname = self._site.settings["publish_field"]
        chosen = [row for row in rows if ticked(row, shortname)] if shortname else rows
        return Answer(scope, (reply.body,), lambda: self._records(chosen))

    def _records(self, rows: list[dict[str, Any]]) -> Iterator[Raw]:
        settings = self._site.settings
        for row in rows:
            if not row.get("visible", 1) and settings["hidden"] == "skip":
                continue
            try:
                yield offering(row, settings["fields"], self._site.address)
            except (KeyError, TypeError, AttributeError):
                raise NotUnderstood(
                    "not-a-course", f"{_COURSES}: an entry is not a course."
                ) from None


def _check_whole(rows: list[dict[str, Any]], counts: dict[int, int]) -> None:
    seen = Counter(row.get("categoryid") for row in rows)
    missing = sum(max(0, count - seen[category]) for category, count in counts.items())
    if missing:
        raise IncompleteRead(
            "courses-missing",
            f"Moodle counts {missing} more course(s) than it shows to the service account.",
            "Allow moodle/course:viewhiddencourses and moodle/course:view to its role, in the "
            "system context.",
        )
