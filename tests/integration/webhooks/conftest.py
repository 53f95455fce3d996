"""Worlds with a receiver beside them, and a dispatcher whose time the tests decide."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import databases
from tests.integration.api.world import World, open_world
from tests.integration.webhooks.receiver import Receiver, receiving
from tests.integration.webhooks.world import Post, open_post

database_address = databases.sqlite_unless_both


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def post(database_address: str, receiver: Receiver) -> Iterator[Post]:
    """On SQLite, then on PostgreSQL."""
    made = open_post(database_address, receiver)
    yield made
    made.close()


@pytest.fixture
def one_post(sqlite_address: str, receiver: Receiver) -> Iterator[Post]:
    """On SQLite alone, for what does not depend on the database."""
    made = open_post(sqlite_address, receiver)
    yield made
    made.close()


@pytest.fixture
def either(database_address: str) -> Iterator[World]:
    """A world without a receiver, on SQLite, then on PostgreSQL."""
    made = open_world(database_address)
    yield made
    made.bridge.close()
