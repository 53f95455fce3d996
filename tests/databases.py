"""Which tests run on both kinds of database.

A test on PostgreSQL takes three times the work of one on SQLite, and the same code builds the
statements of both. Some folders have many tests that run the same statements. There only the tests
marked ``BOTH`` run on both kinds:

- at least three for each statement, where there are so many;
- those about what databases do differently: locks, transactions at once, deaths of processes, and
  which texts and numbers they keep.
"""

from __future__ import annotations

import pytest

BOTH = pytest.mark.parametrize("database_address", ["sqlite", "postgresql"], indirect=True)
"""For a test that is the first to run a statement, or about what databases do differently."""


def address_of(kind: str, request: pytest.FixtureRequest) -> str:
    """The address of an empty, migrated database of this kind."""
    name = "sqlite_address" if kind == "sqlite" else "postgres_address"
    address: str = request.getfixturevalue(name)
    return address


@pytest.fixture
def sqlite_unless_both(request: pytest.FixtureRequest) -> str:
    """``database_address`` of a folder in which tests run on SQLite unless marked ``BOTH``."""
    return address_of(getattr(request, "param", "sqlite"), request)
