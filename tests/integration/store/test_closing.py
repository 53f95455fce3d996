"""The end of a database's connections."""

from __future__ import annotations

from typing import Any

import pytest

from lms_bridge.store.database import Database


def test_a_connection_in_use_ends_when_its_user_has_done_with_it(database: Database) -> None:
    connection = database.engine.raw_connection()
    driver: Any = connection.driver_connection
    database.close()
    driver.execute("SELECT 1")
    connection.close()
    with pytest.raises(database.dialect.loaded_dbapi.Error, match="closed"):
        driver.execute("SELECT 1")


def test_a_closed_database_may_be_used_again(database: Database) -> None:
    database.close()
    for _ in range(3):
        with database.reading() as tx:
            assert tx.exec_driver_sql("SELECT 1").scalar() == 1
