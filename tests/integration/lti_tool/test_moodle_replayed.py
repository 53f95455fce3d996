"""The services of a real Moodle 4.5, as recorded, called over HTTP: tests/recordings/lti."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from lms_bridge.domain.errors import RetryLater
from lms_bridge.domain.ports import Limits
from lms_bridge.lti import registrations
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.lti.tool.dynamic_registration import invite_platform
from lms_bridge.lti.tool.grade_service import (
    PlatformLineItem,
    ScoreDelivery,
    SentScore,
    create,
    find_or_create,
    line_items,
    post_score,
    results,
)
from lms_bridge.lti.tool.launch import Grading
from lms_bridge.lti.tool.names_and_roles import memberships
from lms_bridge.lti.tool.service_client import ServiceClient, ServiceClients
from tests.integration.lti_tool.conftest import Site
from tests.interoperability import Works
from tests.peers.browser import Browser
from tests.peers.recorded_moodle import ITEMS, RecordedMoodle, recorded, recorded_moodle

AT = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
PEER = "moodle as platform"


@pytest.fixture
def moodle() -> Iterator[RecordedMoodle]:
    with recorded_moodle() as running:
        yield running
        assert running.unknown == []


@pytest.fixture
def connector(site: Site, moodle: RecordedMoodle) -> Iterator[ServiceClient]:
    made = ServiceClients(site.tool.lti, Limits(attempts=1))
    reported = recorded("openid-configuration")[0]["body"]
    yield made.to(
        LtiRegistration(
            side=Side.PLATFORM,
            issuer=moodle.address,
            client_id=recorded("registration-response")[0]["body"]["client_id"],
            deployment_ids=("1",),
            token_endpoint=reported["token_endpoint"].replace(reported["issuer"], moodle.address),
            status=Status.ACTIVE,
            private_addresses=True,
        )
    )
    made.close()


def test_the_bridge_registers_with_a_recorded_moodle(
    site: Site, moodle: RecordedMoodle, browser: Browser, works: Works
) -> None:
    address = invite_platform(site.tool.lti, "AFR")
    configuration = f"{moodle.address}/.well-known/openid-configuration"
    page = browser.get(f"{address}&openid_configuration={configuration}&registration_token=word")
    assert page.status == 200
    (sent,) = moodle.registered
    assert sent["jwks_uri"] == f"{site.address}/lti/tool/jwks"
    with site.bridge.database.reading() as tx:
        (registration,) = registrations.all_registrations(tx)
    assert (registration.status, registration.client_id) == (Status.PENDING, "xXMUbpDlYTzUQdN")
    assert registration.deployment_ids == ("1",)
    assert registration.jwks_uri == f"{moodle.address}/mod/lti/certs.php"
    works(PEER, "registration")


def test_members_of_a_recorded_moodle_are_read(
    connector: ServiceClient, moodle: RecordedMoodle, works: Works
) -> None:
    address = f"{moodle.address}/mod/lti/services.php/CourseSection/5/bindings/1/memberships"
    whole = list(memberships(connector, address))
    assert [(each.id, each.stable_id) for each in whole] == [
        ("3", "acad-0"),
        ("4", "acad-1"),
        ("5", "acad-2"),
    ]
    assert list(memberships(connector, address, limit=2)) == whole
    works(PEER, "memberships")


def test_line_items_of_a_recorded_moodle_are_read(
    connector: ServiceClient, moodle: RecordedMoodle, works: Works
) -> None:
    grading = Grading(line_items=f"{moodle.address}{ITEMS}?type_id=1")
    (item,) = line_items(connector, grading)
    assert (item.label, item.maximum, item.resource_link_id) == (
        "Academy course",
        Decimal(100),
        "1",
    )
    assert item.address == f"{moodle.address}{ITEMS}/6/lineitem?type_id=1"
    desired = PlatformLineItem("Completion", Decimal(1), "r-1", "completion")
    made = find_or_create(connector, grading, desired)
    assert made.address == f"{moodle.address}{ITEMS}/7/lineitem?type_id=1"
    assert create(connector, grading, desired) == made
    works(PEER, "line items")


def test_a_score_is_sent_to_a_recorded_moodle(
    connector: ServiceClient, moodle: RecordedMoodle, works: Works
) -> None:
    item = f"{moodle.address}{ITEMS}/6/lineitem?type_id=1"
    score = SentScore("4", Decimal(80), Decimal(100), AT)
    assert post_score(connector, item, score) is ScoreDelivery.TAKEN
    (shown,) = results(connector, item)
    assert (shown.person, shown.score, shown.maximum) == ("4", Decimal(80), Decimal(100))
    works(PEER, "scores", "results")


def test_a_score_for_an_unknown_person_is_an_error_at_a_recorded_moodle(
    connector: ServiceClient, moodle: RecordedMoodle
) -> None:
    score = SentScore("nobody", Decimal(50), Decimal(100), AT.replace(hour=19))
    with pytest.raises(RetryLater):
        post_score(connector, f"{moodle.address}{ITEMS}/6/lineitem?type_id=1", score)
