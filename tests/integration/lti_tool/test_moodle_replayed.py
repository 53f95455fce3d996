"""The services of a real Moodle 4.5, as recorded, called over HTTP: tests/recordings/lti."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from lms_bridge.domain.errors import RetryLater
from lms_bridge.domain.ports import Limits
from lms_bridge.lti import parties
from lms_bridge.lti.parties import Party, Side, Status
from lms_bridge.lti.tool.connections import Connections
from lms_bridge.lti.tool.connector import Connector
from lms_bridge.lti.tool.launch import Grading
from lms_bridge.lti.tool.registering import invite
from lms_bridge.lti.tool.services import (
    Delivery,
    LineItem,
    Score,
    create,
    find_or_create,
    line_items,
    memberships,
    post_score,
    results,
)
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
def connector(site: Site, moodle: RecordedMoodle) -> Iterator[Connector]:
    made = Connections(site.tool.room, Limits(attempts=1))
    told = recorded("openid-configuration")[0]["body"]
    yield made.to(
        Party(
            side=Side.PLATFORM,
            issuer=moodle.address,
            client_id=recorded("registration-response")[0]["body"]["client_id"],
            deployment_ids=("1",),
            token_endpoint=told["token_endpoint"].replace(told["issuer"], moodle.address),
            status=Status.ACTIVE,
            private_addresses=True,
        )
    )
    made.close()


def test_registration(site: Site, moodle: RecordedMoodle, browser: Browser, works: Works) -> None:
    address = invite(site.tool.room, "AFR")
    configuration = f"{moodle.address}/.well-known/openid-configuration"
    page = browser.get(f"{address}&openid_configuration={configuration}&registration_token=word")
    assert page.status == 200
    (sent,) = moodle.registered
    assert sent["jwks_uri"] == f"{site.address}/lti/tool/jwks"
    with site.bridge.database.reading() as tx:
        (party,) = parties.all_parties(tx)
    assert (party.status, party.client_id) == (Status.PENDING, "xXMUbpDlYTzUQdN")
    assert party.deployment_ids == ("1",)
    assert party.jwks_uri == f"{moodle.address}/mod/lti/certs.php"
    works(PEER, "registration")


def test_members(connector: Connector, moodle: RecordedMoodle, works: Works) -> None:
    address = f"{moodle.address}/mod/lti/services.php/CourseSection/5/bindings/1/memberships"
    whole = list(memberships(connector, address))
    assert [(each.id, each.stable_id) for each in whole] == [
        ("3", "acad-0"),
        ("4", "acad-1"),
        ("5", "acad-2"),
    ]
    assert list(memberships(connector, address, limit=2)) == whole
    works(PEER, "memberships")


def test_line_items(connector: Connector, moodle: RecordedMoodle, works: Works) -> None:
    grading = Grading(line_items=f"{moodle.address}{ITEMS}?type_id=1")
    (item,) = line_items(connector, grading)
    assert (item.label, item.maximum, item.resource_link_id) == (
        "Academy course",
        Decimal(100),
        "1",
    )
    assert item.address == f"{moodle.address}{ITEMS}/6/lineitem?type_id=1"
    wanted = LineItem("Completion", Decimal(1), "r-1", "completion")
    made = find_or_create(connector, grading, wanted)
    assert made.address == f"{moodle.address}{ITEMS}/7/lineitem?type_id=1"
    assert create(connector, grading, wanted) == made
    works(PEER, "line items")


def test_scores(connector: Connector, moodle: RecordedMoodle, works: Works) -> None:
    item = f"{moodle.address}{ITEMS}/6/lineitem?type_id=1"
    score = Score("4", Decimal(80), Decimal(100), AT)
    assert post_score(connector, item, score) is Delivery.TAKEN
    (shown,) = results(connector, item)
    assert (shown.person, shown.score, shown.maximum) == ("4", Decimal(80), Decimal(100))
    works(PEER, "scores", "results")


def test_a_score_of_nobody_is_a_bad_gateway_there(
    connector: Connector, moodle: RecordedMoodle
) -> None:
    score = Score("nobody", Decimal(50), Decimal(100), AT.replace(hour=19))
    with pytest.raises(RetryLater):
        post_score(connector, f"{moodle.address}{ITEMS}/6/lineitem?type_id=1", score)
