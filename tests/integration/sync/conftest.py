"""Most tests of the engine run the same statements; those marked ``BOTH`` run on both databases."""

from __future__ import annotations

from tests import databases

database_address = databases.sqlite_unless_both
