"""What an operator types for a centre, or an Academy, that speaks only LTI."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from lms_bridge.lti.registrations import Status
from lms_bridge.store import centres
from tests.integration.lti_connector.world import Connected
from tests.integration.lti_platform.test_commands import Cli
from tests.integration.lti_platform.world import World, add_tool, world_on
from tests.peers.rosters import RosterPlatform, person


@pytest.fixture
def world(sqlite_address: str) -> Iterator[World]:
    with world_on(sqlite_address) as made:
        yield made


@pytest.fixture
def cli(world: World) -> Cli:
    made = Cli(world)
    made.environment["LMS_BRIDGE_NETWORK__PRIVATE_ADDRESSES"] = "true"
    return made


ADD = ("centre", "add", "NEW", "--name", "Sample new", "--region", "africa", "--connector", "lti")


def test_a_centre_whose_lms_is_a_tool_is_added_and_checked(world: World, cli: Cli) -> None:
    cli(*ADD)  # and asks for no token
    assert "No tool is connected" in cli("centre", "check", "NEW", code=1)
    assert "no learning system" in cli("lti", "choose", "--centre", "NEW", code=2).lower()
    registration = add_tool(world.lti, world.tool, centre="NEW")
    assert "NEW is ready" in cli("centre", "check", "NEW")
    link = cli("lti", "choose", "--centre", "NEW").strip()
    assert "NEW" in requests.get(link, timeout=120).text
    moved = requests.post(link, timeout=120, allow_redirects=False)
    requested = parse_qs(urlsplit(moved.headers["Location"]).query)
    assert requested["client_id"] == [registration.client_id]
    assert requested["target_link_uri"] == [registration.deep_link_uri]
    cli("sync", "--centre", "NEW")


def test_a_choice_is_for_a_centre_or_an_offering(cli: Cli) -> None:
    cli("lti", "choose", code=2)
    cli("lti", "choose", "OFF-1", "--centre", "ONE", code=2)
    assert "no centre" in cli("lti", "choose", "--centre", "NOBODY", code=2)


def test_an_unknown_role_is_refused(cli: Cli) -> None:
    assert "role" in cli(*ADD, "-o", "role=both", code=2)
    assert "rolle" in cli(*ADD, "-o", "rolle=tool", code=2)


def test_a_centre_whose_lms_is_a_platform_is_added(
    world: World, cli: Cli, platform: RosterPlatform
) -> None:
    cli(*ADD, "-o", "role=platform")
    with_platform(world, platform, "NEW")
    assert "It can be read. Learners: 1." in cli("centre", "check", "NEW")
    cli("sync", "--centre", "NEW")


def test_an_academy_is_connected_by_lti(world: World, cli: Cli, platform: RosterPlatform) -> None:
    cli.environment["LMS_BRIDGE_ACADEMY__CONNECTOR"] = "academy_lti"
    assert "No platform is connected" in cli("settings", "check", code=1)
    with_platform(world, platform, "")
    assert "It can be read. Learners: 1." in cli("settings", "check")


def with_platform(world: World, platform: RosterPlatform, owner: str) -> None:
    """A platform of the owner's, from a course of which an offering was launched."""
    with world.bridge.database.reading() as tx:
        centre = centres.find(tx, owner or "ONE")
    assert centre is not None
    connected = Connected(world.lti, platform, centre)
    registration = connected.connect_platform(owner, status=Status.ACTIVE)
    connected.launched(registration, connected.add_offering("OWN-1"), "c5")
    platform.courses["c5"] = [person("1")]
