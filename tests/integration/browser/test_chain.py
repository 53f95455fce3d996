"""The whole way: from the sample Academy through the bridge into a centre's tool, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from lms_bridge.devtools.lti.platform_state import SamplePerson
from lms_bridge.domain.model import Offering, OfferingStatus
from lms_bridge.store import offerings
from tests.integration.browser.conftest import NewWorld
from tests.integration.browser.walking import held_answers, launched, launched_here, sign_in
from tests.integration.browser.world import LEARNER, STRANGER, STRICT, TEACHER, WAITING, World

TITLE = "Spectre & réglementation"


def _landed(place: Page | FrameLocator, sites: World) -> None:
    """As the right learner in the right course, by what the page and the tool itself say."""
    expect(place.get_by_role("heading", name=TITLE)).to_be_visible()
    expect(place.get_by_text("Welcome, Fn1 Ln1.")).to_be_visible()
    landing = sites.centre.landings[-1]
    assert (landing.person, landing.course) == (LEARNER.id, "OFF-1")
    assert landing.is_learner


def _scored(place: Page | FrameLocator, percentage: int) -> None:
    place.get_by_role("button", name=f"Send {percentage} %", exact=True).click()
    expect(place.get_by_text(f"The score {percentage} % was sent.")).to_be_visible()


def _grade_is(tab: Page, sites: World, shown: str) -> None:
    """The Academy's gradebook shows the score as soon as the bridge has sent it on."""
    tab.goto(f"{sites.academy.address}/grades")
    row = tab.get_by_role("row", name=LEARNER.name).filter(has_text=shown)
    for _ in range(600):
        if row.count():
            return
        tab.wait_for_timeout(100)
        tab.reload()
    pytest.fail(f"the gradebook does not show {shown}: {tab.inner_text('main')}")


def test_a_launch_in_a_new_tab_sends_the_score_up(tab: Page, sites: World) -> None:
    sign_in(tab, sites, LEARNER)
    page = launched(tab)
    _landed(page, sites)
    _scored(page, 70)
    _grade_is(tab, sites, "70 of 100")


def test_a_launch_in_a_frame_sends_the_score_up(tab: Page, sites: World) -> None:
    """Two sites inside a third one's page, in a browser that blocks third-party cookies."""
    sign_in(tab, sites, LEARNER)
    frame = launched_here(tab)
    _landed(frame, sites)
    assert tab.frames[-1].url.startswith(sites.centre.address)
    _scored(frame, 70)
    _grade_is(tab, sites, "70 of 100")


def test_two_launches_at_once_both_reach_the_tool(tab: Page, sites: World) -> None:
    """Both wait for the Academy's answer, and go on together. Its keys are known from a launch
    before: only one launch of a platform may wait for them (docs/security.md)."""
    sign_in(tab, sites, LEARNER)
    _landed(launched(tab), sites)
    with held_answers(tab, sites):
        pages = [launched(tab), launched(tab)]
        for page in pages:
            expect(page.get_by_role("button", name="Go on")).to_be_visible()
        for page in reversed(pages):
            page.get_by_role("button", name="Go on").click(no_wait_after=True)
        for page in pages:
            _landed(page, sites)
    _scored(pages[0], 70)
    _grade_is(tab, sites, "70 of 100")


def test_a_zero_score_and_a_regrade_reach_the_gradebook(tab: Page, sites: World) -> None:
    sign_in(tab, sites, LEARNER)
    page = launched(tab)
    _scored(page, 0)
    _grade_is(tab, sites, "0 of 100")
    _scored(page, 70)
    _scored(page, 100)
    _grade_is(tab, sites, "100 of 100")


def test_a_launch_without_cookies_opens_the_tool_in_a_window(
    tab: Page, new_world: NewWorld
) -> None:
    """Where the browser keeps nothing for pages inside others, the platform's storage brings the
    launch to the bridge, and a button into the tool."""
    sites = new_world(host=STRICT, offers_storage=True)
    sign_in(tab, sites, LEARNER)
    frame = launched_here(tab)
    with tab.context.expect_page() as opened:
        frame.get_by_role("button", name="Open the course in a new window").click()
    _landed(opened.value, sites)


def test_the_return_link_leads_back_to_the_academy(tab: Page, sites: World) -> None:
    sign_in(tab, sites, LEARNER)
    page = launched(tab)
    page.get_by_role("link", name="Back to where you came from").click()
    expect(page.get_by_role("heading", name="My courses")).to_be_visible()


def test_the_tool_lists_the_members_of_the_course(tab: Page, sites: World) -> None:
    sign_in(tab, sites, LEARNER)
    page = launched(tab)
    page.get_by_role("link", name="Who else is here").click()
    expect(page.get_by_text("3 people")).to_be_visible()


def test_a_teacher_stays_on_the_page_of_the_bridge(tab: Page, sites: World) -> None:
    sign_in(tab, sites, TEACHER)
    page = launched(tab)
    expect(page.get_by_role("heading", name=f"Welcome, {TEACHER.name}")).to_be_visible()
    assert sites.centre.landings == []


Change = Callable[[Offering], Offering]


@pytest.mark.parametrize(
    ("person", "change", "code"),
    [
        (STRANGER, None, "not-enrolled"),
        (WAITING, lambda found: replace(found, price=Decimal(150)), "place-unpaid"),
        (LEARNER, lambda found: replace(found, status=OfferingStatus.POSTPONED), "offering-post"),
    ],
    ids=["not enrolled", "not paid", "not open"],
)
@pytest.mark.parametrize("way", [launched, launched_here], ids=["new tab", "frame"])
def test_a_refused_launch_shows_its_reason(
    tab: Page,
    sites: World,
    person: SamplePerson,
    change: Change | None,
    code: str,
    way: Callable[[Page], Page | FrameLocator],
) -> None:
    if change is not None:
        id_ = sites.ids["OFF-1"]
        with sites.bridge.database.writing() as tx:
            found = offerings.offerings(tx, [id_])[id_]
            offerings.change_offerings(tx, {id_: change(found)})
    sign_in(tab, sites, person)
    place = way(tab)
    expect(place.get_by_text(f"LTI/{code}")).to_be_visible()
    assert sites.centre.landings == []
