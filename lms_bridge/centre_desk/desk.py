"""What the desk's pages share: their blueprint, and whose centre and offering an address names."""

from __future__ import annotations

from flask import Blueprint

from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Centre, Offering
from lms_bridge.store import offerings
from lms_bridge.web.access import centre_for, the_bridge

pages = Blueprint("centre_desk", __name__, url_prefix="/my-centre", template_folder="templates")
OFFERING = "/<code>/offerings/<path:offering>"


def offering_of(scope: Scope, code: str, offering: str) -> tuple[Centre, int, Offering]:
    """The centre, and its offering of that code with its id.

    Raises:
        NotFound: the reader may not see the centre, or the offering is another centre's.
    """
    centre = centre_for(scope, code)
    with the_bridge().database.reading() as tx:
        found = offerings.offerings_by_code(tx, [offering]).get(offering)
    if found is None or found[1].centre != centre.code:
        raise NotFound("no-such-offering", "There is no such offering.")
    return centre, *found
