"""The courses of platforms become known by launches, whoever launches; then their rosters count."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from lms_bridge.connectors.lti import academy as academy_lti
from lms_bridge.connectors.lti import centre as lti
from lms_bridge.domain.model import ACADEMY, Offering
from lms_bridge.domain.ports import SystemAccess
from lms_bridge.lti.feature import lti_of
from lms_bridge.lti.registrations import PersonId
from lms_bridge.lti.system_connections import SystemConnections
from lms_bridge.store import centres, offerings
from lms_bridge.store.lti_tables import course
from tests.fakes.academy import sample_person
from tests.fakes.nights import sample_centre
from tests.integration.lti_connector.world import LIMITS, LtiNights
from tests.integration.lti_tool.conftest import NewSite, Site, add_registration, registration_of
from tests.peers.browser import Browser, Page
from tests.peers.platform import LTI, NRPS, Platform
from tests.peers.rosters import person


@pytest.fixture
def site(new_site: NewSite, database_address: str) -> Site:
    return new_site(address=database_address)


def launch(site: Site, platform: Platform, browser: Browser, code: str, **more: Any) -> Page:
    """A learner (or somebody with other roles) launches an offering from the platform's course."""

    def change(claims: dict[str, Any]) -> None:
        claims[f"{LTI}custom"] = {"offering": code}
        claims[f"{LTI}lis"] = {"person_sourcedid": "SAMPLE-4"}
        claims.update(more)

    began = site.login(browser, platform.login(site.address))
    form = platform.answer(began.headers["Location"], site.address, change)
    return site.launch(browser, form)


def known_courses(site: Site) -> list[tuple[str, str, str]]:
    with site.bridge.database.reading() as tx:
        rows = tx.execute(select(course).order_by(course.c.id)).all()
    return [(row.context, row.title, row.memberships) for row in rows]


TEACHER = {f"{LTI}roles": ["Instructor"]}
COURSE = ("5", "Spectre & réglementation")


@pytest.mark.parametrize("opened_by", ["teacher", "unknown learner"])
def test_an_academys_course_is_known_after_its_first_launch(
    site: Site, platform: Platform, browser: Browser, opened_by: str
) -> None:
    def open_academy() -> Any:
        peering = SystemConnections(lti_of(site.bridge).context, "", LIMITS)
        return academy_lti.open(SystemAccess(ACADEMY, "", "", limits=LIMITS, lti=peering))

    add_registration(
        site.bridge, registration_of(platform, centre="", person_id=PersonId.SOURCED_ID)
    )
    night = LtiNights(site.bridge.database, open_academy=open_academy)
    night.open_centre = lambda: night.lms
    night.lms.add_course("Spectrum")
    night.good_night()
    (code,) = night.codes().values()

    page = launch(site, platform, browser, code, **(TEACHER if opened_by == "teacher" else {}))
    if opened_by == "teacher":
        assert page.status == 200, page.text
    else:
        assert page.code == "person-unknown"
    assert known_courses(site) == [(*COURSE, f"{platform.address}/Members")]
    launch(site, platform, browser, code, **TEACHER)
    assert len(known_courses(site)) == 1

    platform.members = [person("4"), person("5", roles=["Instructor"])]
    night.good_night()
    ((_, account),) = night.lms.roster
    assert night.lms.people[account].stable_id == "SAMPLE-4"
    page = launch(site, platform, browser, code)
    assert page.code == "no-tool"  # known and enrolled: only the centre's LMS has no LTI


def test_a_centres_course_is_known_after_its_first_launch(
    site: Site, platform: Platform, browser: Browser
) -> None:
    centre = sample_centre()
    with site.bridge.database.writing() as tx:
        centres.add(tx, centre, b"")
        record = Offering("SAMPLE-A", "SAMPLE", "", "Spectrum")
        offerings.add_offerings(tx, [record])
    add_registration(site.bridge, registration_of(platform, centre="SAMPLE"))

    def open_centre() -> Any:
        peering = SystemConnections(lti_of(site.bridge).context, "SAMPLE", LIMITS)
        access = SystemAccess(centre.system, "", "", {"role": "platform"}, LIMITS, lti=peering)
        return lti.open(access)

    night = LtiNights(site.bridge.database, centre=centre, open_centre=open_centre)
    night.academy.register("SAMPLE", "SAMPLE-A", sample_person(4))
    platform.members = [person("4")]
    night.night()
    assert launch(site, platform, browser, "SAMPLE-A").code == "person-unknown"
    assert [each[0] for each in known_courses(site)] == ["5"]
    night.now = lti_of(site.bridge).context.now()  # what waited is looked for again
    night.night()
    assert launch(site, platform, browser, "SAMPLE-A").code == "no-tool"


LONG = "https://lms.example.org/" + "m" * 2000


@pytest.mark.parametrize(
    ("claims", "kept"),
    [
        ({f"{LTI}context": {"id": "c" * 255, "title": "t" * 1500}}, 1),
        ({f"{LTI}context": {"id": "c", "title": "a\x00b"}}, 1),
        ({f"{LTI}context": None}, 0),
        ({f"{NRPS}claim/namesroleservice": {"context_memberships_url": LONG}}, 0),
        ({f"{NRPS}claim/namesroleservice": None}, 1),
    ],
)
def test_courses_that_cannot_be_kept_stop_no_launch(
    site: Site, platform: Platform, browser: Browser, claims: dict[str, Any], kept: int
) -> None:
    add_registration(site.bridge, registration_of(platform, centre=""))
    with site.bridge.database.writing() as tx:
        offerings.add_offerings(tx, [Offering("SAMPLE-A", "SAMPLE", "", "Spectrum")])
    assert launch(site, platform, browser, "SAMPLE-A", **TEACHER, **claims).status == 200
    assert len(known_courses(site)) == kept
