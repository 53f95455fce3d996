"""The simulated Moodle answers what a real one answered about the teacher's role in a course."""

import json

import pytest
import requests

from lms_bridge.devtools.moodle.facts import ENROLMENT_CAPABILITIES
from lms_bridge.devtools.moodle.server import serve
from lms_bridge.devtools.moodle.state import MoodleState
from tests.contract.recorded_moodle import ENDPOINT, Answer, Json, difference, send
from tests.contract.test_simulated_moodle import RECORDINGS

EXCHANGES: list[dict[str, Json]] = json.loads(
    (RECORDINGS / "ws-teachers.json").read_text(encoding="utf-8")
)
COURSE, TEACHER = 4, 17
LEARNERS = (4, 5)


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """Every exchange's answer, got in the recorded order from one site."""
    site = MoodleState("Centre Moodle", service_account=False)
    site.add_service_account(ENROLMENT_CAPABILITIES)
    site.catalogue.add_course("C-4", "A course", 1, id=COURSE)
    for number in (*LEARNERS, TEACHER):
        name = str(number - 4)
        site.people.add(f"p{name}", f"Fn{name}", f"Ln{name}", f"p{name}@example.test", id=number)
    for number in LEARNERS:
        site.enrolments.enrol(COURSE, number)
    with serve(site) as server, requests.Session() as session:
        url = server.url + ENDPOINT
        return {each["name"]: send(session, url, each) for each in EXCHANGES}


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: str(exchange["name"]))
def test_every_answer_is_as_recorded(exchange: dict[str, Json], answers: dict[str, Answer]) -> None:
    answer = answers[exchange["name"]]
    assert (answer.status, answer.content_type) == (exchange["status"], exchange["content_type"])
    assert difference(exchange["response"], answer.json()) is None
