"""A launch while the centre's LMS is down: a page that says so, with a way on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from lms_bridge.domain.clock import utc_now
from lms_bridge.lti.platform.launch import LINK, make_launch_link
from lms_bridge.store import centres, runs
from tests.integration.lti_chain.chain import Chain
from tests.peers.browser import Page

SILENT = "The learning system of the training centre does not answer at the moment."
FRENCH = "La plateforme d’apprentissage du centre de formation ne répond pas pour le moment."


def read(chain: Chain, *, answered: bool, minutes_ago: float = 1) -> None:
    """A run that read the centre, and whose LMS answered or not."""
    at = utc_now() - timedelta(minutes=minutes_ago)
    with chain.world.bridge.database.writing() as tx:
        number = runs.start_run(tx, "ONE", "enrolments", "clock", at)
        status, error = ("done", "") if answered else ("failed", "no-connection")
        runs.finish_run(tx, number, status, {}, at, (error, error), answered=answered)


@pytest.fixture
def silent(either_chain: Chain) -> Chain:
    """The LMS of the offering's centre is at the tool's host, and does not answer."""
    bridge = either_chain.world.bridge
    with bridge.database.writing() as tx:
        centre = centres.find(tx, "ONE")
        assert centre is not None
        tool = either_chain.world.registration.initiate_login_uri
        centres.change(tx, replace(centre, address=tool))
    read(either_chain, answered=False)
    return either_chain


def shown(page: Page, text: str = SILENT) -> tuple[int, str, bool]:
    return page.status, page.code, text in page.text


@pytest.mark.parametrize("frame", [False, True])
def test_a_launch_by_a_platform_says_that_the_lms_is_silent_and_goes_on_anyway(
    silent: Chain, frame: bool
) -> None:
    page = silent.click(frame=frame)
    assert shown(page, FRENCH) == (503, "lms-silent", True)  # the language of the launch
    assert "Elle ne répond plus depuis" in page.text
    form = page.forms[0]
    assert form.action.startswith("/lti/launch/")
    onward = silent.browser.post(
        f"{silent.world.address}{form.action}", {"anyway": "1"}, follow=False
    )
    assert silent.arrive(onward)["sub"]


def test_a_launch_goes_straight_on_once_the_lms_answers_again(silent: Chain) -> None:
    read(silent, answered=True)
    assert silent.click().status == 303


def test_what_was_seen_long_ago_holds_up_no_launch(silent: Chain) -> None:
    with silent.world.bridge.database.writing() as tx:
        number = runs.start_run(tx, "ONE", "enrolments", "clock", utc_now())
        runs.finish_run(tx, number, "failed", {}, utc_now() - timedelta(hours=2))
    assert silent.click().status == 303


def test_a_tool_on_another_server_is_not_held_up(silent: Chain) -> None:
    with silent.world.bridge.database.writing() as tx:
        centre = centres.find(tx, "ONE")
        assert centre is not None
        centres.change(tx, replace(centre, address="https://lms.example.org"))
    assert silent.click().status == 303


def test_a_launch_link_is_not_used_up_by_a_silent_lms(silent: Chain) -> None:
    record: dict[str, str | int] = {"learner": "acad-1", "offering": "OFF-1", "registration": 0}
    link = make_launch_link(silent.world.lti, record)
    for _ in range(2):
        page = silent.browser.post(link, {}, follow=False)
        assert shown(page) == (503, "lms-silent", True)
    assert silent.world.lti.nonces.look(LINK, link.rpartition("/")[2]) is not None
    assert silent.browser.post(link, {"anyway": "1"}, follow=False).status == 303
    assert silent.browser.post(link, {"anyway": "1"}, follow=False).code == "launch-link-gone"


def test_the_result_finds_its_way_also_after_a_silent_lms(silent: Chain) -> None:
    """The launch origin is stored although the learner did not arrive."""
    silent.click()
    assert len(silent.launch_origins()) == 1
