"""The bridge's application on its own server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lms_bridge.server.app import create_app
from tests.integration.api.world import World as Bridge
from tests.integration.api.world import open_world
from tests.integration.server.world import World, served


@pytest.fixture
def bridge(sqlite_address: str) -> Iterator[Bridge]:
    made = open_world(sqlite_address)
    yield made
    made.bridge.close()


@pytest.fixture
def world(bridge: Bridge) -> Iterator[World]:
    with served(instead=create_app(bridge.bridge)) as made:
        yield made
