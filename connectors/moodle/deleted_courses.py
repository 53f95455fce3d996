"""Deleted courses. Moodle answers about them in several ways, none of which says it plainly."""

from __future__ import annotations

from collections.abc import Callable

from lms_bridge.connectors.moodle.client import Parameter
from lms_bridge.connectors.moodle.courses import CourseRef
from lms_bridge.connectors.moodle.refusals import NO_ENTRY, read_scope
from lms_bridge.connectors.moodle.roster_check import ENROLLED
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.ports import COURSE_GONE, Page, PageError

_MAY_BE_GONE = NO_ENTRY | {"invalidrecord", "invalidparameter", "courses-missing"}


def read_course(site: MoodleSite, offering: str, read: Callable[[], Page]) -> Page | PageError:
    """The answer about one course, or the course as unread or gone."""
    answer = read_scope(offering, read)
    if isinstance(answer, Page) or not _may_be_gone(answer.error):
        return answer
    ref = CourseRef.parse(offering)
    return PageError(offering, course_gone(ref), gone=True) if is_gone(site, ref) else answer


def _may_be_gone(error: BridgeError) -> bool:
    return error.code in _MAY_BE_GONE


def explained(site: MoodleSite, ref: CourseRef, error: BridgeError) -> BridgeError:
    """``course-gone`` if that is the reason of the error, else the error."""
    return course_gone(ref) if _may_be_gone(error) and is_gone(site, ref) else error


def is_gone(site: MoodleSite, ref: CourseRef) -> bool:
    """Whether two functions say that there is no such course. A hidden course that the account
    cannot enter is not found either, but its roster is refused in another way."""
    if site.find_courses("id", str(ref.course)):
        return False
    options: list[Parameter] = [{"name": "limitnumber", "value": 1}]
    try:
        site.client.call(ENROLLED, {"courseid": ref.course, "options": options})
    except RecordRefused as error:
        return error.code == "invalidrecord"
    except BridgeError:
        return False
    return False


def course_gone(ref: CourseRef) -> RecordRefused:
    return RecordRefused(
        COURSE_GONE,
        f"Moodle has no course {ref.course} any more.",
        "Nothing has to be done if it was deleted on purpose. Else restore it, or have the "
        "offering's learners registered for another.",
    )
