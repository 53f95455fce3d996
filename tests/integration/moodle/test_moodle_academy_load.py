"""How hard the runs of many centres press an Academy's Moodle."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from lms_bridge.connectors.moodle.academy import MoodleAcademy
from lms_bridge.connectors.moodle.client import CALL_SEVERAL
from lms_bridge.connectors.moodle.permission_checks import ACADEMY_FUNCTIONS, ACADEMY_OPTIONAL
from lms_bridge.devtools.moodle.pace import EVERY
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from lms_bridge.domain.ports import Page
from tests.integration.moodle.conftest import LIMITS
from tests.integration.moodle.records import records

Open = Callable[..., MoodleAcademy]
CENTRES = 10


def test_runs_of_ten_centres_together_keep_the_limit_of_calls_at_once(
    site: MoodleState, academy_of: Open, person: Callable[[int], int]
) -> None:
    for course in (2, 3, 4):
        site.enrolments.enrol(course, person(course))
    site.pace.latency[EVERY] = 0.01
    opened = [academy_of() for _ in range(CENTRES)]

    def read(academy: MoodleAcademy) -> int:
        return len(records(academy.read_registrations("demo", {"2": "A", "3": "B", "4": "C"})))

    with ThreadPoolExecutor(CENTRES) as pool:
        assert list(pool.map(read, opened)) == [3] * CENTRES
    assert 1 < site.most_calls_at_once <= LIMITS.calls_at_once


def test_many_empty_courses_are_read_in_few_calls(site: MoodleState, academy_of: Open) -> None:
    courses = [site.catalogue.add_course(f"E{n}", "Empty", idnumber=f"E-{n}") for n in range(400)]
    offerings = {str(each.id): f"E-{each.id}" for each in courses}
    pages = list(academy_of().read_registrations("demo", offerings))
    assert [each.scope for each in pages] == list(offerings)
    assert all(isinstance(each, Page) for each in pages)
    assert site.calls.total() < len(courses) / 4


def test_a_service_without_the_batch_function_is_asked_course_by_course(
    site: MoodleState, academy_of: Open, person: Callable[[int], int]
) -> None:
    names = [*ACADEMY_FUNCTIONS, *ACADEMY_OPTIONAL]
    site.access.restrict(SERVICE_TOKEN, [name for name in names if name != CALL_SEVERAL])
    site.enrolments.enrol(2, person(1))
    offerings = {"2": "A", "3": "B", "4": "C"}
    assert len(records(academy_of().read_registrations("demo", offerings))) == 1
