"""Tables for a trial on PostgreSQL: private copies, which nobody else sees or waits for.

PostgreSQL looks among the temporary tables of a session first. So the same statements work on the
copies, and the session may write nothing else. They go away with the session.
"""

from __future__ import annotations

from typing import Any

from psycopg import sql

_EMPTY = frozenset(
    {
        *("item", "run", "kept_response", "outbox_entry", "outbox_notice"),
        *("webhook_attempt", "webhook_delivery", "nonce", "lti_refusal"),
    }
)
"""Logs and queues: a trial may add to them, and needs nothing of what they hold."""


_TABLES = """
    SELECT relname, EXISTS (
        SELECT FROM pg_attribute JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = pg_class.oid AND attname = 'id'
    )
    FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
    AND relname NOT LIKE 'procrastinate%' AND relname <> 'alembic_version'
    ORDER BY relname
"""
"""All tables of the bridge, also those that only PostgreSQL has; and whether they number rows."""


def copy_tables(connection: Any) -> None:
    """Makes the copies in a session of the driver, as of one moment, and ends its right to write
    anything else."""
    cursor = connection.cursor()
    cursor.execute("SET temp_buffers = '64MB'")
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    cursor.execute(_TABLES)
    for name, is_numbered in cursor.fetchall():
        _copy(cursor, name, is_numbered)
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
    "CREATE TEMPORARY SEQUENCE {numbers} OWNED BY {table}.id",
    "SELECT setval({name}, (SELECT coalesce(max(id), 0) + 1 FROM {table}), false)",
    "ALTER TABLE {table} ALTER id SET DEFAULT nextval({name})",
)


def _copy(cursor: Any, table: str, is_numbered: bool) -> None:
    names = {
        "table": sql.Identifier(table),
        "numbers": sql.Identifier(f"trial_{table}"),
        "name": sql.Literal(f"trial_{table}"),
    }
    for statement in _COPY + (_OWN_NUMBERS if is_numbered else ()):
        if table not in _EMPTY or not statement.startswith("INSERT"):
            cursor.execute(sql.SQL(statement).format(**names))


def drop_tables(connection: Any) -> None:
    """Ends the copies at once, and not when PostgreSQL sees that the session ended."""
    connection.rollback()
    connection.execute("DISCARD TEMP")
    connection.commit()
