"""Reading results: the course total from the grade report, and course completion per person.

Moodle's grade report leaves out people whose enrolment is suspended, according to a setting of the
site. So an answer is never ``whole``: its silence about a person means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from connectors.moodle.client import part
from connectors.moodle.completion import completions
from connectors.moodle.groups import edition_group
from connectors.moodle.places import Place
from connectors.moodle.proof import require_all_groups
from connectors.moodle.refusals import stops_everything
from connectors.moodle.site import Part
from lms_bridge.domain.errors import BridgeError, NotUnderstood
from lms_bridge.domain.ports import Answer, Raw, Reading, Unread

GRADES = "gradereport_user_get_grade_items"


class Results(Part):
    """Scores and completions of the offerings' people."""

    def read_results(self, offerings: Sequence[str]) -> Reading:
        return self._site.pool.each(self._read, offerings)

    def _read(self, offering: str) -> Answer | Unread:
        try:
            return self._graded(offering, Place.of(offering))
        except BridgeError as error:
            if stops_everything(error):
                raise
            return Unread(offering, error)

    def _graded(self, offering: str, place: Place) -> Answer:
        require_all_groups(self._site, place.course)  # else the report is of some groups only
        parameters: dict[str, Any] = {"courseid": place.course}
        if place.edition:
            group, body = edition_group(self._site.client, place.course, place.edition)
            if group is None:
                return Answer(offering, (body,), lambda: (), whole=False)
            parameters["groupid"] = group
        reply = self._site.client.ask(GRADES, parameters)
        rows = part(GRADES, reply.value, "usergrades")
        people = sorted(_person(row) for row in rows)
        bodies: tuple[bytes, ...] = ()
        completed: dict[int, dict[str, Any]] = {}
        if self._site.settings["completion"] != "off" and people:
            bodies, completed = completions(self._site, place.course, people)
        return Answer(
            offering,
            (reply.body, *bodies),
            lambda: _records(offering, rows, completed),
            whole=False,
        )


def _person(row: dict[str, Any]) -> int:
    if not isinstance(row.get("userid"), int):
        raise NotUnderstood("not-a-grade", f"{GRADES}: an entry names no person.")
    return int(row["userid"])


def _records(
    offering: str, rows: Sequence[dict[str, Any]], completed: dict[int, dict[str, Any]]
) -> Iterator[Raw]:
    for row in rows:
        person = _person(row)
        fields = {**_score(row.get("gradeitems") or ()), **completed.get(person, {})}
        yield Raw(f"{offering}/{person}", fields)


def _score(items: Sequence[dict[str, Any]]) -> dict[str, object]:
    """The course total with its scale. ``graderaw`` is null as long as there is no score; zero
    is a score."""
    total = next((item for item in items if item.get("itemtype") == "course"), None)
    if total is None or total.get("graderaw") is None:
        return {}
    fields: dict[str, object] = {
        "score": total["graderaw"],
        "scale_min": total.get("grademin", 0),
        "scale_max": total.get("grademax", 100),
    }
    if total.get("gradedategraded"):
        fields["graded_at"] = total["gradedategraded"]
    return fields
