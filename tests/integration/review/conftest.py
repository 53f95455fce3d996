"""A world of three centres on either kind of database, without second factors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lms_bridge.settings import Settings
from tests.integration.api.world import World, open_world


def _without_factor(settings: Settings) -> Settings:
    return replace(settings, sign_in=replace(settings.sign_in, second_factor=False))


@pytest.fixture
def either(database_address: str) -> Iterator[World]:
    made = open_world(database_address, _without_factor)
    yield made
    made.bridge.close()
