"""The sample platform and the sample tool, connected to each other without the bridge between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from lms_bridge.simulators.lti import (
    Course,
    Person,
    Platform,
    SamplePlatform,
    SampleTool,
    Tool,
    names,
    serve,
)
from lms_bridge.simulators.lti.signing import Signer
from tests.peers.browser import Browser, Page

LEARNERS = [Person(f"p{n}", "Sample", f"Learner {n}", f"p{n}@example.org") for n in range(1, 5)]
TEACHER = Person("t1", "Sample", "Teacher", "t1@example.org", teaches=True)


@dataclass
class Pair:
    academy: SamplePlatform
    centre: SampleTool
    browser: Browser

    def sign_in(self, person: Person) -> None:
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
        return requests.post(f"{self.academy.address}/token", data=form, timeout=10)

    def send(self, score: dict[str, Any], scope: str = names.SCORE_SCOPE) -> requests.Response:
        token = self.ask_token(self.token_form(scope)).json()["access_token"]
        return requests.post(
            f"{self.academy.address}/services/C-1/items/1/scores?type=lti",
            json=score,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )


@pytest.fixture
def pair() -> Iterator[Pair]:
    academy, centre = SamplePlatform("Sample platform"), SampleTool("Sample tool")
    with serve(academy) as platform, serve(centre) as tool:
        academy.register(
            Tool("client", "1", f"{tool}/login", (f"{tool}/launch",), f"{tool}/launch",
                 f"{tool}/keys")
        )  # fmt: skip
        centre.register(
            Platform(platform, "client", "1", f"{platform}/authentication", f"{platform}/token",
                     f"{platform}/keys")
        )  # fmt: skip
        academy.add_people([*LEARNERS, TEACHER])
        academy.add_course(Course("C-1", "Sample course", tuple(each.id for each in LEARNERS)))
        academy.add_link("C-1", "Sample link")
        browser = Browser()
        yield Pair(academy, centre, browser)
        browser.close()


def test_a_launch_lands(pair: Pair) -> None:
    page = pair.landed()
    assert page.status == 200
    landing = pair.centre.landings[-1]
    assert (landing.person, landing.course, landing.link_title) == ("p1", "C-1", "Sample link")


def test_a_launch_is_good_once(pair: Pair) -> None:
    answered = pair.answered()
    assert pair.browser.submit(answered).status == 200
    assert "was opened already" in pair.browser.submit(answered).text


def test_a_launch_is_good_in_one_browser(pair: Pair) -> None:
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


def test_another_person_cannot_go_on_with_a_login(pair: Pair) -> None:
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
def test_scores_that_fit_are_taken(pair: Pair, changed: dict[str, Any], status: int) -> None:
    assert pair.send(GOOD).status_code == 204
    assert pair.send(GOOD | changed).status_code == status
    assert (pair.academy.scores["1", "p1"].given is None) is (status == 204)


def test_tokens_are_for_those_who_prove_it_and_for_what_they_ask(pair: Pair) -> None:
    form = pair.token_form(names.MEMBERS_SCOPE)
    assert pair.ask_token(form).status_code == 200
    assert "used before" in pair.ask_token(form).json()["message"]
    for changed in ({"iss": "other"}, {"sub": "other"}, {"aud": "other"}, {"exp": 1}, {"jti": ""}):
        assert pair.ask_token(pair.token_form(names.SCORE_SCOPE, **changed)).status_code == 400
    assert pair.send(GOOD, names.MEMBERS_SCOPE).status_code == 403
    unsigned = requests.get(f"{pair.academy.address}/services/C-1/items", timeout=10)
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
