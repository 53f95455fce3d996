"""A served catalogue over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import text

from lms_bridge.store.database import Database
from tests.integration.feeds.world import World, served


@pytest.fixture
def serve() -> Iterator[Callable[[str], World]]:
    """Serves the catalogue of a database, by its address, until the end of the test."""
    with ExitStack() as stack:
        yield lambda address: stack.enter_context(served(address))


@pytest.fixture
def world(serve: Callable[[str], World], database: Database, database_address: str) -> World:
    """An empty catalogue; the test runs once on SQLite and once on PostgreSQL."""
    del database  # it is there already, with its tables
    return serve(database_address)


@pytest.fixture
def lite(serve: Callable[[str], World], sqlite_address: str) -> World:
    """The same on SQLite alone, for what does not depend on the database."""
    return serve(sqlite_address)


@pytest.fixture
def break_offerings() -> Iterator[Callable[[World], None]]:
    """Takes the table of courses away, until the end of the test."""
    broken: list[World] = []

    def rename(world: World, old: str, new: str) -> None:
        with world.database.writing() as tx:
            tx.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    def do(world: World) -> None:
        rename(world, "course", "course_away")
        broken.append(world)

    yield do
    for world in broken:
        rename(world, "course_away", "course")
