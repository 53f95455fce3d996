"""What the pages of the desk share: their blueprint, and how they find a course."""

from __future__ import annotations

from flask import Blueprint

from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Centre, Offering
from lms_bridge.store import offerings
from lms_bridge.web.access import centre_for, the_bridge

pages = Blueprint("centre_desk", __name__, url_prefix="/my-centre", template_folder="templates")


def course_at(scope: Scope, centre: str, code: str) -> tuple[Centre, int, Offering]:
    """The centre, the number of the row, and the offering of this code.

    Raises:
        NotFound: the reader may not use the scope there, or the centre has no such offering;
            another centre's looks as if it did not exist.
    """
    found_centre = centre_for(scope, centre)
    with the_bridge().database.reading() as tx:
        found = offerings.offerings_by_code(tx, [code]).get(code)
    if found is None or found[1].centre != centre:
        raise NotFound("no-such-offering", "There is no such offering.")
    return found_centre, *found
