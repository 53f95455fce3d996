"""What the pages of the desk share: their blueprint, how they find a course, and their forms."""

from __future__ import annotations

from flask import Blueprint, make_response
from werkzeug.wrappers import Response

from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import BridgeError, RetryLater
from lms_bridge.domain.model import Centre, Offering
from lms_bridge.sync.offering_actions import find_offering
from lms_bridge.web import typed_text
from lms_bridge.web.access import centre_for, the_bridge
from lms_bridge.web.kept_forms import form_given

pages = Blueprint("centre_desk", __name__, url_prefix="/my-centre", template_folder="templates")
MOST_BYTES = 400 * 1024
"""Of a form with long texts: a letter of Arabic or Chinese takes 6 to 9 bytes in it."""


def course_at(scope: Scope, centre: str, code: str) -> tuple[Centre, int, Offering]:
    """The centre, the number of the row, and the offering of this code.

    Raises:
        NotFound: the reader may not use the scope there, or the centre has no such offering;
            another centre's looks as if it did not exist.
    """
    found_centre = centre_for(scope, centre)
    with the_bridge().database.reading() as tx:
        return found_centre, *find_offering(tx, centre, code)


def not_stored(page: str, status: int = 200) -> Response:
    """A page that the browser asks for again when its reader comes back to it."""
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def form_text(name: str, longest: int) -> str:
    """A text of the form that was given."""
    return typed_text.lines(form_given().get(name, ""), longest)


def revision_given() -> int:
    """The revision of the offering that the reader saw; -1 where the form says none."""
    text = form_given().get("revision", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


def sees_now(error: BridgeError | None) -> bool:
    """Whether the writer sees the offering as it is now. Until then, theirs is the one of the form
    that they sent."""
    return not form_given() or (error is not None and error.code == "changed-meanwhile")


def status_of(problem: BridgeError) -> int:
    return 503 if isinstance(problem, RetryLater) else 409
