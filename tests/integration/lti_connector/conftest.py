"""A platform on a real socket, and a bridge that knows it, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lms_bridge.store.database import Database
from tests import databases
from tests.integration.lti_connector.world import Connected, room_on
from tests.peers.rosters import RosterPlatform, serving_rosters

database_address = databases.sqlite_unless_both


@pytest.fixture
def platform() -> Iterator[RosterPlatform]:
    with serving_rosters() as made:
        yield made


@pytest.fixture
def connected(database: Database, platform: RosterPlatform) -> Iterator[Connected]:
    """On both databases."""
    lti = room_on(database)
    made = Connected(lti, platform)
    made.add_centre()
    yield made
    lti.close()
