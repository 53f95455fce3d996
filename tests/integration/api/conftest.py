"""Worlds over either kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.api.world import World, open_world


@pytest.fixture
def world(sqlite_address: str) -> Iterator[World]:
    """On SQLite alone, for what does not depend on the database."""
    made = open_world(sqlite_address)
    yield made
    made.bridge.close()


@pytest.fixture
def either(database_address: str) -> Iterator[World]:
    """On SQLite, then on PostgreSQL."""
    made = open_world(database_address)
    yield made
    made.bridge.close()
