"""A centre's platform opens only its own centre's offerings, unless an operator allows more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lms_bridge.domain.model import Kind
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.store.links import insert_links
from lms_bridge.store.lti_tables import course
from lms_bridge.store.offerings import offerings_by_code
from tests.integration.lti_chain.chain import Chain
from tests.integration.web.filling import publish
from tests.peers.platform import LTI, Platform, running


@pytest.fixture
def elsewhere() -> Iterator[Platform]:
    with running(Platform(client_id="client-2")) as made:
        yield made


@pytest.fixture
def registration(either_chain: Chain, elsewhere: Platform) -> LtiRegistration:
    """Of the centre TWO, where the learner has an account; the offering is the centre ONE's."""
    registration = either_chain.add_platform(elsewhere, centre="TWO", client_id="client-2")
    row = {"system": "centre:TWO", "kind": Kind.LEARNER, "centre": "TWO", "external_id": "5"}
    with either_chain.world.bridge.database.writing() as tx:
        insert_links(tx, [{**row, "record_id": either_chain.world.ids["acad-1"], "scope": ""}])
        id_, offering = offerings_by_code(tx, ["OFF-1"])["OFF-1"]
        publish(tx, id_, offering, {"title": offering.title})
    return registration


@pytest.mark.parametrize("role", ["Learner", "Instructor"])
def test_another_centres_offering_is_refused(
    either_chain: Chain, elsewhere: Platform, registration: LtiRegistration, role: str
) -> None:
    def change(claims: dict[str, Any]) -> None:
        claims[f"{LTI}roles"] = [role]

    page = either_chain.click("5", platform=elsewhere, change=change)
    assert (page.status, page.code) == (403, "offering-elsewhere")
    assert either_chain.launch_origins() == []
    with either_chain.world.bridge.database.reading() as tx:
        assert tx.execute(course.select()).all() == []


def test_an_operator_may_allow_other_centres_offerings(
    either_chain: Chain, elsewhere: Platform, registration: LtiRegistration
) -> None:
    either_chain.allow(registration)
    assert either_chain.launch("5", platform=elsewhere)["sub"] == "acad-1"
    (visit,) = either_chain.launch_origins()
    assert visit.registration_id == registration.id


def test_an_unpublished_offering_of_another_centre_looks_like_none(
    either_chain: Chain, elsewhere: Platform, registration: LtiRegistration
) -> None:
    page = either_chain.click("5", "OFF-2", platform=elsewhere)
    nowhere = either_chain.click("5", "OFF-99", platform=elsewhere)
    assert (page.status, page.code) == (nowhere.status, nowhere.code)
    assert page.code == "link-without-offering"


def test_a_course_that_is_called_like_another_centres_offering_belongs_to_none(
    either_chain: Chain, elsewhere: Platform, registration: LtiRegistration
) -> None:
    def change(claims: dict[str, Any]) -> None:
        claims[f"{LTI}custom"] = {}
        claims[f"{LTI}context"]["label"] = "OFF-1"

    page = either_chain.click("5", platform=elsewhere, change=change)
    assert page.code == "link-without-offering"


def test_grades_stop_when_the_permission_ends(
    either_chain: Chain, elsewhere: Platform, registration: LtiRegistration
) -> None:
    allowed = either_chain.allow(registration)
    claims = either_chain.launch("5", platform=elsewhere)
    assert either_chain.score(claims, 50, 1) == 204
    assert [score for _, score, _ in either_chain.scores(elsewhere)] == [50]
    either_chain.allow(allowed, any_offering=False)
    assert either_chain.score(claims, 70, 2) == 204
    assert [score for _, score, _ in either_chain.scores(elsewhere)] == [50]
