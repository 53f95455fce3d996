"""The simulated Moodle answers what a real one answered about deleted courses and people, hidden
totals, texts in several languages, and a service account that lost its place."""

import json
from collections.abc import Callable

import pytest
import requests

from lms_bridge.devtools.moodle.facts import ENROLMENT_CAPABILITIES
from lms_bridge.devtools.moodle.records import CustomField
from lms_bridge.devtools.moodle.server import serve
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from tests.contract.recorded_moodle import ENDPOINT, Answer, Json, difference, send
from tests.contract.test_simulated_moodle import RECORDINGS

EXCHANGES: list[dict[str, Json]] = json.loads(
    (RECORDINGS / "ws-more.json").read_text(encoding="utf-8")
)
NOT_IN_THE_SERVICE = {"core_course_get_courses", "core_enrol_get_course_enrolment_methods"}
GRADED, DELETED, HIDDEN = 467, 468, 469
FIRST_LEARNER, SUSPENDED, GONE = 3958, 3961, 3962
FIRST_TOTAL = 168
#: Ids of grade categories, which the simulator does not have.
OTHER_VALUES = frozenset({"iteminstance", "categoryid"})
TEXT_FIELDS = (
    "status hours seats currency payment languages topics coordinators organisers location timezone"
)
FIELDS = (
    CustomField("itu_modality", "Modality", "select"),
    CustomField("itu_level", "Level", "select"),
    CustomField("itu_price", "Price (USD)", "text"),
    CustomField("itu_publish", "Publish in the ITU Academy catalogue", "checkbox"),
    CustomField("itu_regclose", "Registration closes", "date"),
    CustomField("itu_objectives", "Objectives", "textarea"),
    *(CustomField(f"itu_{name}", name, "text") for name in TEXT_FIELDS.split()),
    CustomField("itu_registration", "Registration", "select"),
    CustomField("itu_regopen", "Registration opens", "date"),
    CustomField("itu_audience", "audience", "textarea"),
    CustomField("itu_requirements", "requirements", "textarea"),
)


def recorded_site() -> MoodleState:
    site = MoodleState("Centre Moodle", clock=lambda: 1795887171, service_account=False)
    site.theme_revision, site.context_offset = 1795884520, 4307
    site.more_filters = ("multilang",)
    site.add_service_account(ENROLMENT_CAPABILITIES)
    site.people.change(site.service_user_id, username="lmsbridge2")
    for field in FIELDS:
        site.catalogue.define_field(field)
    while len(site.catalogue.categories) < 21:
        site.catalogue.add_category("REC 887191")
    for course in (GRADED, DELETED, HIDDEN):
        site.catalogue.add_course(f"REC-{course}", f"Course {course}", 21, id=course)
    site.catalogue.change(HIDDEN, visible=0)
    for number in range(5):
        name = f"rec887167u{number}"
        site.people.add(
            name,
            f"Fn{number}",
            f"Ln{number}",
            f"{name}@example.org",
            idnumber=f"rec-887167-{number}",
            id=FIRST_LEARNER + number,
        )
        for course in (GRADED, DELETED, HIDDEN):
            site.enrolments.enrol(course, FIRST_LEARNER + number)
    add_grades(site)
    return site


def add_grades(site: MoodleState) -> None:
    book = site.gradebook
    for other_course in range(1, FIRST_TOTAL):
        book.total_id(other_course)
    for course in (GRADED, HIDDEN):
        item = book.add_item(course, "Exam")
        item.regraded = False
        for number, grade in enumerate((75.0, 0.0, 100.0)):
            book.grade(item, FIRST_LEARNER + number, grade, graded_at=1795887168)
    book.hide_total(HIDDEN, at=1795887169)


def suspend_service_account(site: MoodleState) -> None:
    site.access.add_token(SERVICE_TOKEN, site.service_user_id)
    site.people.change(site.service_user_id, suspended=True)


def add_texts_in_two_languages(site: MoodleState) -> None:
    site.people.change(site.service_user_id, suspended=False)
    name = "Broadband policy", "Politique du haut débit"
    spans = "".join(
        f'<span lang="{language}" class="multilang">{text}</span>'
        for language, text in zip(("en", "fr"), name, strict=True)
    )
    times = {"timecreated": 1795887192, "timemodified": 1795887192, "cacherev": 1795887194}
    dates = {"startdate": 1795824000, "enddate": 1827360000}
    site.catalogue.add_course(
        "REC887191-ML", spans, 21, id=472, summary=f"<p>{spans}</p>", **times, **dates
    )
    site.catalogue.add_course(
        "REC887191-M2",
        "{mlang en}Spectrum{mlang}{mlang fr}Spectre{mlang}",
        21,
        id=473,
        **times,
        **dates,
    )


ARRANGEMENTS: dict[str, Callable[[MoodleState], object]] = {
    "grades_hidden_total_not_seen": lambda site: site.revoke("moodle/grade:viewhidden"),
    "completion_not_tracked": lambda site: site.grant("moodle/grade:viewhidden"),
    "account_suspended": lambda site: site.people.change(SUSPENDED, suspended=True),
    "account_deleted_looked_up": lambda site: site.delete_person(GONE),
    "course_deleted_by_ids": lambda site: site.catalogue.remove(DELETED),
    "no_manual_method_enrol": lambda site: site.catalogue.change(GRADED, manual_enrolment=False),
    "token_expired_first": lambda site: setattr(
        site.access.tokens[SERVICE_TOKEN], "valid_until", site.now() - 1
    ),
    "service_account_suspended": suspend_service_account,
    "multilang_names_default": add_texts_in_two_languages,
}
"""What was changed on the site before an exchange."""


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """Every exchange's answer, got in the recorded order from one site."""
    site = recorded_site()
    got: dict[str, Answer] = {}
    with serve(site) as server, requests.Session() as session:
        site.wwwroot = "http://localhost:8080"
        functions = {each["function"] for each in EXCHANGES} - NOT_IN_THE_SERVICE
        site.access.restrict(SERVICE_TOKEN, functions)
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
    assert difference(exchange["response"], answer.json(), others=OTHER_VALUES) is None


def test_no_exchange_is_left_out(answers: dict[str, Answer]) -> None:
    assert len(answers) == len(EXCHANGES) == 33
    assert ARRANGEMENTS.keys() <= answers.keys()
