"""The sample platform and the sample tool, connected to each other without the bridge between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from lms_bridge.devtools.lti import names
from lms_bridge.devtools.lti.platform_state import PlatformCourse, RegisteredTool, SamplePerson
from lms_bridge.devtools.lti.sample_platform import SamplePlatform
from lms_bridge.devtools.lti.sample_tool import SampleTool
from lms_bridge.devtools.lti.signatures import Signer
from lms_bridge.devtools.lti.site import serve
from lms_bridge.devtools.lti.tool_state import RegisteredPlatform
from tests.peers.browser import Browser, Page

LEARNERS = [
    SamplePerson(f"p{n}", "Sample", f"Learner {n}", f"p{n}@example.org") for n in range(1, 5)
]
TEACHER = SamplePerson("t1", "Sample", "Teacher", "t1@example.org", teaches=True)


@dataclass
class Pair:
    academy: SamplePlatform
    centre: SampleTool
    browser: Browser

    def sign_in(self, person: SamplePerson) -> None:
        self.browser.post(f"{self.academy.address}/sign-in", {"person": person.id})

    def answered(self) -> Page:
        """The page whose form is the platform's answer to a login."""
        self.sign_in(LEARNERS[0])
        return self.browser.get(f"{self.academy.address}/launch/link-1")

    def landed(self) -> Page:
        return self.browser.submit(self.answered())

    def score(self, course: Page, percentage: str) -> Page:
        return self.browser.post(f"{course.address}/score", {"percentage": percentage})

    def token_form(self, scope: str, **changed: Any) -> dict[str, str]:
        now = int(time.time())
        aud = f"{self.academy.address}/token"
        claims: dict[str, Any] = {"iss": "client", "sub": "client", "aud": aud}
        claims |= {"iat": now, "exp": now + 60, "jti": f"jti-{time.monotonic_ns()}", **changed}
        return {
            "grant_type": "client_credentials",
            "client_assertion_type": names.ASSERTION_TYPE,
            "client_assertion": self.centre.signer.sign(claims),
            "scope": scope,
        }

    def ask_token(self, form: dict[str, str]) -> requests.Response:
        return requests.post(f"{self.academy.address}/token", data=form, timeout=120)

    def send(self, score: dict[str, Any], scope: str = names.SCORE_SCOPE) -> requests.Response:
        token = self.ask_token(self.token_form(scope)).json()["access_token"]
        return requests.post(
            f"{self.academy.address}/services/C-1/items/1/scores?type=lti",
            json=score,
            headers={"Authorization": f"Bearer {token}"},
            timeout=120,
        )


@pytest.fixture
def pair() -> Iterator[Pair]:
    academy, centre = SamplePlatform("Sample platform"), SampleTool("Sample tool")
    with serve(academy) as platform, serve(centre) as tool:
        academy.register(
            RegisteredTool("client", "1", f"{tool}/login", (f"{tool}/launch",), f"{tool}/launch",
                 f"{tool}/keys")
        )  # fmt: skip
        centre.register(
            RegisteredPlatform(
                platform,
                "client",
                "1",
                f"{platform}/authentication",
                f"{platform}/token",
                f"{platform}/keys",
            )
        )
        academy.add_people([*LEARNERS, TEACHER])
        academy.add_course(
            PlatformCourse("C-1", "Sample course", tuple(each.id for each in LEARNERS))
        )
        academy.add_link("C-1", "Sample link")
        browser = Browser()
        yield Pair(academy, centre, browser)
        browser.close()


def test_a_launch_reaches_the_sample_tool(pair: Pair) -> None:
    page = pair.landed()
    assert page.status == 200
    landing = pair.centre.landings[-1]
    assert (landing.person, landing.course, landing.link_title) == ("p1", "C-1", "Sample link")


def test_a_launch_is_accepted_once(pair: Pair) -> None:
    answered = pair.answered()
    assert pair.browser.submit(answered).status == 200
    assert "was opened already" in pair.browser.submit(answered).text


def test_a_launch_is_accepted_in_one_browser(pair: Pair) -> None:
    answered = pair.answered()
    pair.browser.cookies.clear()
    assert pair.browser.submit(answered).status == 403
    assert pair.centre.landings == []


@pytest.mark.parametrize("by", ["another key", "another message"])
def test_a_launch_that_is_not_genuine_is_refused(pair: Pair, by: str) -> None:
    answered = pair.answered()
    head, body, signature = answered.forms[-1].fields["id_token"].split(".")
    if by == "another key":
        token = Signer().sign({"iss": pair.academy.address})
    else:
        token = f"{head}.{body[:-4]}AAAA.{signature}"
    assert pair.browser.submit(answered, id_token=token).status == 400
    assert pair.centre.landings == []


def test_a_login_cannot_be_continued_by_another_person(pair: Pair) -> None:
    pair.sign_in(LEARNERS[0])
    begun = pair.browser.get(f"{pair.academy.address}/launch/link-1", follow=False)
    login = pair.browser.get(begun.goes_to, follow=False)
    pair.sign_in(LEARNERS[1])
    assert pair.browser.get(login.goes_to).status == 403


@pytest.mark.parametrize("percentage", [0, 70, 100])
def test_a_score_is_sent(pair: Pair, percentage: int) -> None:
    assert f"The score {percentage} % was sent" in pair.score(pair.landed(), str(percentage)).text
    assert pair.academy.scores["1", "p1"].given == percentage
    grades = pair.browser.get(f"{pair.academy.address}/grades")
    assert f"{percentage} of 100" in grades.text


GOOD = {
    "userId": "p1",
    "scoreGiven": 7,
    "scoreMaximum": 10,
    "activityProgress": "Completed",
    "gradingProgress": "FullyGraded",
    "timestamp": "2026-03-01T10:00:00+00:00",
}


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"userId": "nobody"}, 404),
        ({"scoreGiven": "7"}, 400),
        ({"scoreGiven": -1}, 400),
        ({"scoreMaximum": 0}, 400),
        ({"gradingProgress": "Done"}, 400),
        ({"timestamp": "2026-03-01T10:00:00"}, 400),
        ({"timestamp": "2026-03-01T11:00:00+01:00"}, 409),
        ({"timestamp": "2026-03-01T10:00:01Z", "scoreGiven": None}, 204),
    ],
)
def test_only_valid_scores_are_accepted(pair: Pair, changed: dict[str, Any], status: int) -> None:
    assert pair.send(GOOD).status_code == 204
    assert pair.send(GOOD | changed).status_code == status
    assert (pair.academy.scores["1", "p1"].given is None) is (status == 204)


def test_a_token_needs_a_proof_and_holds_the_requested_scopes(pair: Pair) -> None:
    form = pair.token_form(names.MEMBERS_SCOPE)
    assert pair.ask_token(form).status_code == 200
    assert "used before" in pair.ask_token(form).json()["message"]
    for changed in ({"iss": "other"}, {"sub": "other"}, {"aud": "other"}, {"exp": 1}, {"jti": ""}):
        assert pair.ask_token(pair.token_form(names.SCORE_SCOPE, **changed)).status_code == 400
    assert pair.send(GOOD, names.MEMBERS_SCOPE).status_code == 403
    unsigned = requests.get(f"{pair.academy.address}/services/C-1/items", timeout=120)
    assert unsigned.status_code == 401


def test_members_are_read_page_by_page(pair: Pair) -> None:
    page = pair.browser.get(f"{pair.landed().address}/members")
    assert "5 people" in page.text
    assert all(each.name in page.text for each in [*LEARNERS, TEACHER])


def test_content_is_chosen(pair: Pair) -> None:
    pair.sign_in(TEACHER)
    picking = pair.browser.submit(pair.browser.get(f"{pair.academy.address}/choose/C-1"))
    chosen = pair.browser.post(picking.address, {"resource": ["exercise", "reading"]})
    assert "2 links were added" in pair.browser.submit(chosen).text
    assert "answered already" in pair.browser.submit(chosen).text
    _, exercise, reading = pair.academy.links_of("C-1")
    assert exercise.address == f"{pair.centre.address}/launch?resource=exercise"
    linked = {item.link for item in pair.academy.line_items_of("C-1")}
    assert exercise.id in linked
    assert reading.id not in linked
    pair.browser.submit(pair.browser.get(f"{pair.academy.address}/launch/{reading.id}"))
    assert pair.centre.landings[-1].resource == "reading"


def test_a_taken_port_is_an_error_and_no_end_of_the_program() -> None:
    tool = SampleTool("A centre's tool")
    with serve(tool) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), serve(SampleTool("Another"), port):
            pass
