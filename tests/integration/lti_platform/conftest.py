"""Worlds for tests: on SQLite, or on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.lti_platform.world import World, world_on


@pytest.fixture
def world(sqlite_address: str) -> Iterator[World]:
    with world_on(sqlite_address) as made:
        yield made


@pytest.fixture
def either_world(database_address: str) -> Iterator[World]:
    """The same; the tests run over both kinds of database."""
    with world_on(database_address) as made:
        yield made
