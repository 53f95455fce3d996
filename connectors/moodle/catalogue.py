"""What an Academy's Moodle shows of the offerings that it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from connectors.moodle.client import part
from connectors.moodle.courses import SITE_COURSE, is_course
from connectors.moodle.refusals import stops_everything
from connectors.moodle.shown import shown
from connectors.moodle.site import Part, Site
from lms_bridge.domain.errors import BridgeError, IncompleteRead
from lms_bridge.domain.ports import Answer, Raw, Reading, Unread

COURSES = "core_course_get_courses_by_field"


def field_kinds(site: Site) -> dict[str, str]:
    """Short name -> type of every custom course field, learnt once a session. The front page,
    being a course, has all of them."""
    kinds: dict[str, str] | None = site.notes.get("kinds")
    if kinds is None:
        kinds = {
            str(field["shortname"]): str(field["type"])
            for row in found(site, "id", str(SITE_COURSE))
            for field in row.get("customfields") or ()
        }
        site.notes["kinds"] = kinds
    return kinds


def found(site: Site, field: str, value: str) -> list[dict[str, Any]]:
    """The courses whose field has that value, if they are shown to the service account."""
    return part(
        COURSES, site.client.ask(COURSES, {"field": field, "value": value}).value, "courses"
    )


class Catalogue(Part):
    """Courses, read back as the documents that they were made from."""

    def show_offerings(self, external_ids: Sequence[str]) -> Reading:
        kinds = field_kinds(self._site)
        return self._site.pool.each(partial(self._show, kinds), external_ids)

    def _show(self, kinds: dict[str, str], external_id: str) -> Answer | Unread:
        try:
            reply = self._site.client.ask(COURSES, {"field": "id", "value": external_id})
            rows = [row for row in part(COURSES, reply.value, "courses") if is_course(row)]
            if not rows:
                raise IncompleteRead(
                    "courses-missing",
                    f"Moodle shows no course {external_id} to the service account.",
                    "It was deleted, or the account lacks moodle/course:viewhiddencourses.",
                )
        except BridgeError as error:
            if stops_everything(error):
                raise
            return Unread(external_id, error)
        fields, state = self._site.settings["fields"], self._site.settings["show"]
        return Answer(
            external_id,
            (reply.body,),
            lambda: (Raw(external_id, shown(row, fields, kinds, state=state)) for row in rows),
        )
