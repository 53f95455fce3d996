"""Categories of an Academy's Moodle for regions and centres. They are made when first needed."""

from __future__ import annotations

from lms_bridge.connectors.moodle.client import Parameter, Parameters, without_tags
from lms_bridge.connectors.moodle.courses import CATEGORIES
from lms_bridge.connectors.moodle.refusals import requires
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.domain.document import Document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.ports import CENTRE_NAME, REGION

CREATE_CATEGORIES = "core_course_create_categories"
LONGEST_NAME = 255


def category_of(site: MoodleSite, document: Document) -> int:
    """The id of the category in which a new course of this offering is to lie.

    Raises:
        AccessDenied, RecordRefused: a category is missing and cannot be made.
    """
    category: int = site.settings["category"]
    wanted = site.settings["categories"]
    region, centre = str(document.get(REGION) or ""), str(document.get("centre") or "")
    if wanted != "one" and region:
        category = _category(site, category, f"region-{region}", _title(region))
    if wanted == "centre" and centre:
        name = str(document.get(CENTRE_NAME) or centre)
        category = _category(site, category, f"centre-{centre}", name)
    return category


def _title(region: str) -> str:
    return region.replace("_", " ").title()


def _category(site: MoodleSite, parent: int, idnumber: str, name: str) -> int:
    return site.once(f"category {idnumber}", lambda: _find_or_make(site, parent, idnumber, name))


def _find_or_make(site: MoodleSite, parent: int, idnumber: str, name: str) -> int:
    found = _find(site, idnumber)
    if found is not None:
        return found
    shown = without_tags(name[:LONGEST_NAME])
    row: Parameter = {"name": shown, "parent": parent, "idnumber": idnumber}
    try:
        with requires("moodle/category:manage"):
            reply = site.client.call(CREATE_CATEGORIES, {"categories": [row]}, repeatable=False)
    except RecordRefused:
        found = _find(site, idnumber)  # another run may have been quicker
        if found is None:
            raise
        return found
    return int(reply.rows()[0]["id"])


def _find(site: MoodleSite, idnumber: str) -> int | None:
    """The category with that ID number. Moodle looks for one only for those who may manage it."""
    criteria: Parameters = {
        "criteria": [{"key": "idnumber", "value": idnumber}],
        "addsubcategories": False,
    }
    with requires("moodle/category:manage", "criteriaerror"):
        rows = site.client.rows(CATEGORIES, criteria)
    return int(rows[0]["id"]) if rows else None
