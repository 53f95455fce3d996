"""A launch while the centre's LMS is down: a page that says so, with a way on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from lms_bridge.domain.clock import utc_now
from lms_bridge.lti import lms_probe, registrations
from lms_bridge.lti.lms_probe import LmsProbe
from lms_bridge.lti.outside_waits import OutsideWaits
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


@pytest.fixture
def unseen(silent: Chain) -> Iterator[Chain]:
    """The LMS answered the last run, and takes no connection any more."""
    read(silent, answered=True)
    with socket.socket() as mute:  # nobody listens at its port, and nobody else gets it
        mute.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{mute.getsockname()[1]}/login"
        gone = replace(silent.world.registration, initiate_login_uri=address)
        with silent.world.bridge.database.writing() as tx:
            registrations.change(tx, gone)
        silent.world.registration = gone
        yield silent


def test_a_launch_notices_by_itself_that_the_lms_takes_no_connection(unseen: Chain) -> None:
    """No run saw it: the first learner reads the page, and may go on anyway."""
    page = unseen.click()
    assert shown(page, FRENCH) == (503, "lms-silent", True)
    onward = f"{unseen.world.address}{page.forms[0].action}"
    again = unseen.browser.post(onward, {}, follow=False)
    assert shown(again) == (503, "lms-silent", True)
    assert unseen.browser.post(onward, {"anyway": "1"}, follow=False).status == 303


def test_a_launch_asks_no_lms_that_was_heard_of_within_a_minute(unseen: Chain) -> None:
    unseen.world.lti.probe.heard(unseen.world.registration.initiate_login_uri)
    assert unseen.click().status == 303


def test_a_launch_waits_no_longer_for_an_lms_that_lets_it_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection is given up later, by another thread: then the next launch knows."""
    given_up, ended = threading.Event(), threading.Event()

    def slow(address: str, **_: object) -> bool:
        given_up.wait(60)
        ended.set()
        return False

    monkeypatch.setattr(lms_probe, "takes_connections", slow)
    monkeypatch.setattr(lms_probe, "WAIT_SECONDS", 0.01)
    probe, lms = LmsProbe(OutsideWaits(8)), "https://lms.example.org/login"
    assert probe.silent_since(lms, private_addresses=False) is None
    given_up.set()
    assert ended.wait(60)
    monkeypatch.setattr(lms_probe, "WAIT_SECONDS", 60.0)
    assert probe.silent_since(lms, private_addresses=False) is not None
    probe.heard(lms)
    assert not probe.is_unheard(lms)


def test_a_launch_asks_no_lms_that_no_run_reached_lately(unseen: Chain) -> None:
    """The bridge may have no way to it where learners have one."""
    with unseen.world.bridge.database.writing() as tx:
        centre = centres.find(tx, "ONE")
        assert centre is not None
        centres.change(tx, replace(centre, address=""))
    assert unseen.click().status == 303


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
