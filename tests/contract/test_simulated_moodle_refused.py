"""The simulated Moodle answers what a real one answered about accounts that cannot log in, a course
whose manual method is disabled, and courses without a total."""

import json

import pytest
import requests

from lms_bridge.devtools.moodle.facts import ENROLMENT_CAPABILITIES
from lms_bridge.devtools.moodle.server import serve
from lms_bridge.devtools.moodle.state import MoodleState
from tests.contract.recorded_moodle import ENDPOINT, Answer, Json, difference, send
from tests.contract.test_simulated_moodle import RECORDINGS

EXCHANGES: list[dict[str, Json]] = json.loads(
    (RECORDINGS / "ws-refused.json").read_text(encoding="utf-8")
)
COURSE, WITHOUT_TOTAL = 22, 23
PEOPLE = (18, 19, 20, 21)
TOTALS_BEFORE = 21
GRADED_AT = 1796051219
DISABLES_METHOD = "disabled_method_active"


def recorded_site() -> MoodleState:
    site = MoodleState("Centre", service_account=False)
    site.add_service_account(ENROLMENT_CAPABILITIES)
    for course, name in ((COURSE, "REC"), (WITHOUT_TOTAL, "RECN")):
        site.catalogue.add_course(name, f"Course {name}", 1, id=course, idnumber=name)
    for number, person in enumerate(PEOPLE):
        name, address = f"r{number}", f"r{number}@example.test"
        confirmed = number not in (1, 2)
        auth = "nologin" if number == 3 else "manual"
        site.people.add(
            name,
            f"Fn{number}",
            f"Ln{number}",
            address,
            id=person,
            idnumber=f"R-{number}",
            confirmed=confirmed,
            auth=auth,
        )
    for course in (COURSE, WITHOUT_TOTAL):
        for person in PEOPLE[:2]:
            site.enrolments.enrol(course, person)
    for number in range(TOTALS_BEFORE):  # of the site's other courses
        site.gradebook.total_id(1000 + number)
    item = site.gradebook.add_item(WITHOUT_TOTAL, "Exam")
    item.regraded = False
    site.gradebook.grade(item, PEOPLE[0], 81.0, GRADED_AT)
    site.gradebook.remove_total(WITHOUT_TOTAL)
    return site


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """Every exchange's answer, got in the recorded order from one site."""
    site = recorded_site()
    found = {}
    with serve(site) as server, requests.Session() as session:
        site.wwwroot = "http://localhost"
        for each in EXCHANGES:
            if each["name"] == DISABLES_METHOD:
                site.catalogue.change(COURSE, manual_enabled=False)
            found[each["name"]] = send(session, server.url + ENDPOINT, each)
    return found


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: str(exchange["name"]))
def test_every_answer_is_as_recorded(exchange: dict[str, Json], answers: dict[str, Answer]) -> None:
    answer = answers[exchange["name"]]
    assert (answer.status, answer.content_type) == (exchange["status"], exchange["content_type"])
    assert difference(exchange["response"], answer.json()) is None
