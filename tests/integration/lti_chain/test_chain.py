"""One click at a platform: the learner lands in the tool that serves the offering."""

from __future__ import annotations

import html
import logging
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from lms_bridge.audit import COMMAND, Actor
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Kind
from lms_bridge.lti import approval, registrations
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.registrations import PersonId, Status
from lms_bridge.store.links import insert_links
from tests.integration.lti_chain.chain import Chain
from tests.peers.browser import Browser, Page
from tests.peers.platform import AGS, LTI, Platform, running


def test_one_click_takes_the_learner_to_the_tool(either_chain: Chain) -> None:
    chain = either_chain
    page = chain.click()
    assert page.status == 303
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    claims = chain.arrive(page)
    assert claims["iss"] == chain.world.address
    assert claims["sub"] == "acad-1"
    assert claims[lti.ROLES] == [lti.LEARNER]
    assert claims[lti.CONTEXT]["id"] == "OFF-1"
    back = claims[lti.LAUNCH_PRESENTATION]["return_url"]
    assert back == f"{chain.academy.address}/course"
    (origin,) = chain.launch_origins()
    assert origin.registration_id == chain.registration.id
    assert origin.learner_id == chain.world.ids["acad-1"]
    assert origin.offering_id == chain.world.ids["OFF-1"]
    assert origin.subject == "acad-1"
    assert origin.line_item == f"{chain.academy.address}/Items/6/lineitem?type_id=1"
    with chain.world.bridge.database.reading() as tx:
        (course,) = tx.exec_driver_sql("select context, title, memberships from lti_course").all()
    assert tuple(course) == ("5", "Spectre & réglementation", f"{chain.academy.address}/Members")


def test_a_second_click_writes_nothing_new(chain: Chain) -> None:
    chain.launch()
    chain.world.settle()  # else a run that the launch asked for may be at work
    before, counts = chain.launch_origins(), chain.world.counts()
    chain.launch()
    chain.world.settle()
    assert chain.launch_origins() == before
    assert chain.world.counts() == counts


def test_two_launches_at_once_share_one_cookie(chain: Chain) -> None:
    first, second = chain.click(), chain.click()
    ours = [line for line in chain.browser.set_cookies if line.startswith("lms_bridge_launch_")]
    assert len({line.partition(";")[0] for line in ours}) == 1
    assert chain.arrive(second)[lti.CONTEXT]["id"] == "OFF-1"
    assert chain.arrive(first)[lti.CONTEXT]["id"] == "OFF-1"
    for _ in range(3):
        chain.launch()
    (kept,) = [each for each in chain.browser.cookies.values() if each]
    (name,) = [each for each in kept if each != "lti-probe"]
    assert name.startswith("lms_bridge_launch_")


def test_a_launch_is_continued_only_in_the_same_browser(chain: Chain) -> None:
    page = chain.click()
    other = Browser()
    answer = other.post(chain.world.address + endpoints.AUTHENTICATION, chain.request_of(page))
    assert (answer.status, answer.code) == (403, "auth-other-browser")
    other.close()
    chain.arrive(page)


def test_a_replayed_launch_is_refused(chain: Chain) -> None:
    address, browser = chain.world.address, chain.browser
    begun = browser.post(f"{address}/lti/tool/login", chain.academy.login(address), follow=False)
    form = chain.academy.answer(begun.goes_to, address, _is("acad-1"))
    first = browser.post(f"{address}/lti/tool/launch", form, follow=False)
    again = browser.post(f"{address}/lti/tool/launch", form, follow=False)
    assert (again.status, again.code) == (400, "state-unknown")
    request = chain.request_of(first)
    assert browser.post(address + endpoints.AUTHENTICATION, request).status == 200
    once_more = browser.post(address + endpoints.AUTHENTICATION, request)
    assert (once_more.status, once_more.code) == (400, "auth-login-gone")


def _is(learner: str) -> Any:
    def change(claims: dict[str, Any]) -> None:
        claims["sub"] = learner
        claims[f"{LTI}custom"] = {"offering": "OFF-1"}

    return change


def test_a_course_label_names_the_offering(chain: Chain) -> None:
    def change(claims: dict[str, Any]) -> None:
        claims[f"{LTI}custom"] = {}
        claims[f"{LTI}context"]["label"] = "OFF-1"

    assert chain.launch(change=change)[lti.CONTEXT]["id"] == "OFF-1"


def test_a_platform_without_grades_or_course_can_launch(chain: Chain) -> None:
    def change(claims: dict[str, Any]) -> None:
        del claims[f"{AGS}claim/endpoint"], claims[f"{LTI}context"]

    assert chain.launch(change=change)["sub"] == "acad-1"
    (origin,) = chain.launch_origins()
    assert (origin.line_item, origin.line_items, origin.scopes) == ("", "", ())


# ---- who it is ---------------------------------------------------------------------------


def test_a_learner_is_known_by_the_sourced_id(chain: Chain) -> None:
    chain.change_registration(person_id=PersonId.SOURCED_ID)

    def change(claims: dict[str, Any]) -> None:
        claims[f"{LTI}lis"] = {"person_sourcedid": "acad-2"}

    assert chain.launch("4711", change=change)["sub"] == "acad-2"
    nameless = chain.click("acad-1")
    assert (nameless.status, nameless.code) == (403, "person-unnamed")

    def by_parameter(claims: dict[str, Any]) -> None:
        claims[f"{LTI}custom"]["person_sourcedid"] = "acad-2"  # whoever edits the link can set it

    assert chain.click("4711", change=by_parameter).code == "person-unnamed"


@pytest.mark.parametrize("name", ["course_section_sourcedid", "course_offering_sourcedid"])
def test_a_link_without_an_offering_opens_that_of_the_course(chain: Chain, name: str) -> None:
    def change(claims: dict[str, Any]) -> None:
        claims[f"{LTI}custom"] = {}
        claims[f"{LTI}lis"] = {"course_section_sourcedid": "", name: "OFF-1"}

    assert chain.launch(change=change)["sub"] == "acad-1"


def test_a_learner_is_never_known_by_an_email_address(chain: Chain) -> None:
    def change(claims: dict[str, Any]) -> None:
        claims["email"] = "l1@example.org"

    page = chain.click("stranger", change=change)
    assert (page.status, page.code) == (403, "person-unknown")
    assert "Spectre &amp; réglementation" in page.text
    assert chain.launch_origins() == []


def test_a_centres_platform_knows_learners_by_its_accounts(chain: Chain) -> None:
    row = {"system": "centre:ONE", "kind": Kind.LEARNER, "centre": "ONE", "external_id": "17"}
    with chain.world.bridge.database.writing() as tx:
        insert_links(tx, [{**row, "record_id": chain.world.ids["acad-1"], "scope": ""}])
    with running(Platform()) as moodle, running(Platform()) as second:
        chain.add_platform(moodle, centre="ONE")
        assert chain.launch("17", platform=moodle)["sub"] == "acad-1"
        assert chain.click("acad-1", platform=moodle).code == "person-unknown"
        registration = chain.add_platform(second, centre="TWO", client_id="client-2")
        second.client_id = "client-2"
        assert chain.click("17", platform=second).code == "link-without-offering"
        # Two platforms of one centre: the one's account 17 is not the other's.
        with chain.world.bridge.database.writing() as tx:
            registrations.change(tx, replace(registration, centre="ONE"))
        third = Browser()
        assert chain.click("17", platform=moodle, browser=third).code == "person-ambiguous"
        third.close()


def test_a_centre_does_not_vouch_for_others_people(chain: Chain) -> None:
    """By the Academy's ids a centre could pass for any learner in another centre's course."""
    with running(Platform(client_id="client-2")) as elsewhere:
        by = {"centre": "TWO", "client_id": "client-2", "person_id": PersonId.SOURCED_ID}
        chain.add_platform(elsewhere, **by, any_offering=True)

        def change(claims: dict[str, Any]) -> None:
            claims[f"{LTI}lis"] = {"person_sourcedid": "acad-1"}

        page = chain.click("5", platform=elsewhere, change=change)
        assert (page.status, page.code) == (403, "person-elsewhere")
        assert chain.launch_origins() == []
        row = {"system": "centre:TWO", "kind": Kind.LEARNER, "centre": "TWO", "external_id": "5"}
        with chain.world.bridge.database.writing() as tx:
            insert_links(tx, [{**row, "record_id": chain.world.ids["acad-1"], "scope": ""}])
        assert chain.launch("5", platform=elsewhere, change=change)["sub"] == "acad-1"


@pytest.mark.parametrize("role", ["Instructor", "Administrator", "Mentor"])
def test_only_learners_are_launched(chain: Chain, role: str) -> None:
    def change(claims: dict[str, Any]) -> None:
        claims[f"{LTI}roles"] = [role]

    page = chain.click(change=change)
    assert page.status == 200
    assert "ouvre le cours dans son centre de formation" in page.text
    assert chain.launch_origins() == []
    chain.world.change_registration(status=Status.DISABLED)
    assert "Le centre de formation peut en connecter une" in chain.click(change=change).text


def test_a_link_without_an_offering_is_refused(chain: Chain) -> None:
    page = chain.click(course="OFF-9")
    assert (page.status, page.code) == (200, "link-without-offering")


def test_a_launch_without_a_connected_tool_is_refused(chain: Chain) -> None:
    assert chain.click(course="OFF-3").code == "no-tool"  # the tool is another centre's
    chain.world.change_registration(status=Status.DISABLED)
    page = chain.click()
    assert (page.status, page.code) == (404, "no-tool")
    assert "Spectre &amp; réglementation" in page.text
    assert chain.launch_origins() == []


def test_nothing_personal_is_logged(chain: Chain, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    chain.launch()
    chain.click("stranger-77")
    for word in ("acad-1", "stranger-77", "Ada", "ada@example.org", "Ln1"):
        assert word not in caplog.text


# ---- windows -----------------------------------------------------------------------------


def test_a_launch_in_a_frame_sets_partitioned_cookies(chain: Chain) -> None:
    page = chain.click(frame=True)
    cookie = [line for line in chain.browser.set_cookies if line.startswith("lms_bridge_launch_")]
    for part in ("HttpOnly", "Secure", "SameSite=None", "Partitioned"):
        assert part in cookie[-1]
    answer = chain.browser.post(
        chain.world.address + endpoints.AUTHENTICATION, chain.request_of(page)
    )
    policy = answer.headers["Content-Security-Policy"]
    assert chain.academy.address in policy.partition("frame-ancestors")[2]
    claims = chain.world.read(answer.forms[-1].fields["id_token"])
    assert claims[lti.LAUNCH_PRESENTATION]["document_target"] == "iframe"


@pytest.mark.parametrize("by", ["link", "tool"])
def test_a_tool_that_allows_no_frame_opens_a_window(chain: Chain, by: str) -> None:
    chain.launch()
    if by == "tool":
        chain.world.change_registration(opens_in="window")
    with chain.world.bridge.database.writing() as tx:
        target = "iframe" if by == "tool" else "window"  # Moodle's links always say iframe
        tx.exec_driver_sql(f"update lti_resource set target = '{target}'")
    assert chain.click().status == 303  # outside of a frame it just opens
    page = chain.click(frame=True)
    _opens_in_window(chain, page)


def _opens_in_window(chain: Chain, page: Page) -> None:
    assert page.status == 200
    assert 'target="_blank"' in page.text
    policy = page.headers["Content-Security-Policy"]
    assert chain.academy.address in policy.partition("frame-ancestors")[2]
    window = Browser()  # nothing of the frame is known there
    moved = window.post(_action(chain, page), {}, follow=False)
    claims = chain.arrive(moved, window)
    assert claims["sub"] == "acad-1"
    assert claims[lti.LAUNCH_PRESENTATION]["return_url"] == f"{chain.academy.address}/course"
    again = window.post(_action(chain, page), {}, follow=False)
    assert (again.status, again.code) == (404, "launch-link-gone")
    window.close()


def _action(chain: Chain, page: Page) -> str:
    return chain.world.address + urlsplit(page.forms[-1].action).path


def test_a_browser_without_cookies_in_frames_opens_a_window(chain: Chain) -> None:
    """The platform's own storage proves who it is; the rest needs a window."""
    address, browser = chain.world.address, Browser()
    given = {**chain.academy.login(address), "lti_storage_target": "_parent"}
    begun = browser.post(f"{address}/lti/tool/login", given, follow=False)
    data = _data(begun.text)
    form = chain.academy.answer(data["address"], address, _is("acad-1"))
    browser.cookies.clear()
    requested = browser.post(f"{address}/lti/tool/launch", form, follow=False)
    page = browser.submit(requested, stored_secret=data["secret"], stored_nonce=data["nonce"])
    _opens_in_window(chain, page)
    browser.close()


def _data(page: str) -> dict[str, str]:
    return {name: html.unescape(text) for name, text in re.findall(r'data-(\w+)="([^"]*)"', page)}


@pytest.mark.parametrize("way", ["at once", "a link", "a link that was used"])
def test_a_launch_ends_when_its_platform_is_switched_off(either_chain: Chain, way: str) -> None:
    chain, linked = either_chain, way != "at once"
    world, browser = chain.world, chain.browser
    world.change_registration(opens_in="window")  # from inside a frame: by a link
    page, other = chain.click(frame=linked), world.start("acad-2")
    link = next((form.action for form in page.forms if "/lti/launch/" in form.action), "")
    if way == "a link that was used":
        page = browser.post(f"{world.address}{link}", {}, follow=False)
    with world.bridge.database.writing() as tx:
        approval.reject_registration(tx, chain.registration, Actor("", COMMAND, utc_now()))
    if way == "a link":
        ended = browser.post(f"{world.address}{link}", {}, follow=False)
        assert (ended.status, ended.code) == (404, "launch-link-gone")
    else:
        ended = browser.post(world.address + endpoints.AUTHENTICATION, chain.request_of(page))
        assert (ended.status, ended.code) == (400, "auth-login-gone")
    assert world.authenticate(world.auth_request(other)).status_code == 200
