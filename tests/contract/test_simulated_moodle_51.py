"""The simulated Moodle answers as Moodle 5.1 does, which does not say which record is missing."""

import json

import pytest
import requests

from lms_bridge.devtools.moodle.server import serve
from lms_bridge.devtools.moodle.state import MoodleState
from tests.contract.recorded_moodle import ENDPOINT, Answer, Json, difference, send
from tests.contract.test_simulated_moodle import RECORDINGS

EXCHANGES: list[dict[str, Json]] = json.loads(
    (RECORDINGS / "ws-moodle-51.json").read_text(encoding="utf-8")
)
GONE_ACCOUNT, COURSE, GONE_COURSE = 20, 2, 7


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    site = MoodleState("Centre Moodle")
    site.names_tables = False
    site.catalogue.add_course("HERE", "Here", 1, id=COURSE)
    for number in (5, GONE_ACCOUNT):
        site.people.add(f"p{number}", "P", "Erson", f"p{number}@example.test", id=number)
    site.delete_person(GONE_ACCOUNT)
    with serve(site) as server, requests.Session() as session:
        site.wwwroot = "http://localhost:8080"
        url = server.url + ENDPOINT
        return {each["name"]: send(session, url, each) for each in EXCHANGES}


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: str(exchange["name"]))
def test_every_answer_is_as_recorded(exchange: dict[str, Json], answers: dict[str, Answer]) -> None:
    answer = answers[exchange["name"]]
    assert (answer.status, answer.content_type) == (exchange["status"], exchange["content_type"])
    expected, actual = exchange["response"], answer.json()
    if exchange["name"] == "course_deleted_in_a_batch":  # the addresses of the site differ
        expected, actual = (
            {name: json.loads(each["responses"][0]["exception"])[name] for name in ERROR}
            for each in (expected, actual)
        )
    assert difference(expected, actual) is None


ERROR = ("message", "errorcode")
