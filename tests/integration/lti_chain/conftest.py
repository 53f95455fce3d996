"""Chains for tests: on SQLite, or on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.lti_chain.chain import Chain, chain_on


@pytest.fixture
def chain(sqlite_address: str) -> Iterator[Chain]:
    with chain_on(sqlite_address) as made:
        yield made


@pytest.fixture
def either_chain(database_address: str) -> Iterator[Chain]:
    """The same; the tests run over both kinds of database."""
    with chain_on(database_address) as made:
        yield made
