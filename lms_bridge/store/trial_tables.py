"""Tables for a trial on PostgreSQL: private copies, which nobody else sees or waits for.

PostgreSQL looks among the temporary tables of a session first. So the same statements work on the
copies, and the session may write nothing else. They go away with the session.
"""

from __future__ import annotations

from typing import Any

from psycopg import sql
from sqlalchemy import Table

from lms_bridge.store import api_tables, lti_tables
from lms_bridge.store.tables import item, metadata, run

_EMPTY = frozenset(
    {
        item,
        run,
        api_tables.kept_response,
        api_tables.outbox_entry,
        api_tables.outbox_notice,
        api_tables.webhook_attempt,
        api_tables.webhook_delivery,
        lti_tables.nonce,
        lti_tables.refusal,
    }
)
"""Logs and queues: a trial may add to them, and needs nothing of what they hold."""


def copy_tables(connection: Any) -> None:
    """Makes the copies in a session of the driver, as of one moment, and ends its right to write
    anything else."""
    cursor = connection.cursor()
    cursor.execute("SET temp_buffers = '64MB'")
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    for table in metadata.sorted_tables:
        _copy(cursor, table)
    cursor.execute("SET default_transaction_read_only = on")
    connection.commit()
    cursor.close()


_COPY = (
    "CREATE TEMPORARY TABLE trial_copy (LIKE {table} INCLUDING ALL)",
    "INSERT INTO trial_copy SELECT * FROM {table}",
    "ALTER TABLE trial_copy RENAME TO {table}",
    "ANALYZE {table}",
)
_OWN_NUMBERS = (  # those of the real table are not to be used up
    "CREATE TEMPORARY SEQUENCE {numbers} OWNED BY {table}.{column}",
    "SELECT setval({name}, (SELECT coalesce(max({column}), 0) + 1 FROM {table}), false)",
    "ALTER TABLE {table} ALTER {column} SET DEFAULT nextval({name})",
)


def _copy(cursor: Any, table: Table) -> None:
    counter = table.autoincrement_column
    numbers = f"trial_{table.name}"
    names = {
        "table": sql.Identifier(table.name),
        "column": sql.Identifier(counter.name if counter is not None else ""),
        "numbers": sql.Identifier(numbers),
        "name": sql.Literal(numbers),
    }
    for statement in _COPY + (_OWN_NUMBERS if counter is not None else ()):
        if table not in _EMPTY or not statement.startswith("INSERT"):
            cursor.execute(sql.SQL(statement).format(**names))


def drop_tables(connection: Any) -> None:
    """Ends the copies at once, and not when PostgreSQL sees that the session ended."""
    connection.rollback()
    connection.execute("DISCARD TEMP")
    connection.commit()
