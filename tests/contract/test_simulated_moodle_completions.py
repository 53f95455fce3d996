"""The simulated Moodle answers what a real one answered about completions before and after its
task ran, about categories in several languages, and to an account without REST."""

import json
from collections.abc import Callable

import pytest
import requests

from lms_bridge.devtools.moodle.facts import ENROLMENT_CAPABILITIES
from lms_bridge.devtools.moodle.server import serve
from lms_bridge.devtools.moodle.state import MoodleState
from tests.contract.recorded_moodle import ENDPOINT, Answer, Json, difference, send
from tests.contract.test_simulated_moodle import RECORDINGS

EXCHANGES: list[dict[str, Json]] = json.loads(
    (RECORDINGS / "ws-completions.json").read_text(encoding="utf-8")
)
ALL_NEEDED, ANY_NEEDED = 4, 5
COMPLETE, INCOMPLETE = 4, 5
FIRST_MET, SECOND_MET, NOW = 1795963265, 1795966865, 1795970465


def recorded_site() -> MoodleState:
    site = MoodleState("Centre Moodle", clock=lambda: NOW, service_account=False)
    site.more_filters = ("multilang",)
    site.add_service_account(ENROLMENT_CAPABILITIES)
    site.catalogue.add_category("Probe")
    spans = (
        '<span lang="en" class="multilang">Spectrum</span>'
        '<span lang="fr" class="multilang">Spectre</span>'
    )
    for name in (spans, "{mlang en}Broadband{mlang}{mlang fr}Haut débit{mlang}"):
        category = site.catalogue.add_category(name)
        category.descriptionformat = 0
        site.catalogue.add_course(f"IN-{category.id}", "A course", category.id)
    for number in (COMPLETE, INCOMPLETE):
        site.people.add(f"p{number}", "P", "Erson", f"p{number}@example.test", id=number)
    for course in (ALL_NEEDED, ANY_NEEDED):
        site.catalogue.add_course(f"C-{course}", "A course", 2, id=course)
        site.completions.add_criterion(course)
        site.completions.add_grade_criterion(course, 50)
        for person in (COMPLETE, INCOMPLETE):
            site.enrolments.enrol(course, person)
        site.completions.meet(course, COMPLETE, 1, FIRST_MET)
    site.completions.need_any(ANY_NEEDED)
    site.completions.meet(ALL_NEEDED, COMPLETE, 2, SECOND_MET)
    return site


ARRANGEMENTS: dict[str, Callable[[MoodleState], object]] = {
    "completion_all_met_after_cron": lambda site: site.completions.run_task(NOW),
    "site_info_without_rest_use": lambda site: site.revoke("webservice/rest:use"),
}
"""What was changed on the site before an exchange."""


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """Every exchange's answer, got in the recorded order from one site."""
    site = recorded_site()
    got: dict[str, Answer] = {}
    with serve(site) as server, requests.Session() as session:
        for exchange in EXCHANGES:
            arrange = ARRANGEMENTS.get(exchange["name"])
            if arrange is not None:
                arrange(site)
            got[exchange["name"]] = send(session, server.url + ENDPOINT, exchange)
    return got


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: str(exchange["name"]))
def test_every_answer_is_as_recorded(exchange: dict[str, Json], answers: dict[str, Answer]) -> None:
    answer = answers[exchange["name"]]
    assert (answer.status, answer.content_type) == (exchange["status"], exchange["content_type"])
    assert difference(exchange["response"], answer.json()) is None


def test_no_exchange_is_left_out(answers: dict[str, Answer]) -> None:
    assert len(answers) == len(EXCHANGES) == 12
    assert ARRANGEMENTS.keys() <= answers.keys()
