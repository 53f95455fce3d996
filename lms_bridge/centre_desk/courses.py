"""One course of a centre, as the desk's pages about its people find it."""

from __future__ import annotations

from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Centre, Offering
from lms_bridge.store import offerings
from lms_bridge.web.access import the_bridge


def course_at(centre: Centre, code: str) -> tuple[int, Offering]:
    """The row's number and the offering of this code.

    Raises:
        NotFound: the centre has none; another centre's looks as if it did not exist.
    """
    with the_bridge().database.reading() as tx:
        found = offerings.offerings_by_code(tx, [code]).get(code)
    if found is None or found[1].centre != centre.code:
        raise NotFound("no-such-offering", "There is no such offering.")
    return found
