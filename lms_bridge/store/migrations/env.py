"""Alembic's entry. lms_bridge.store.migrate passes the connection."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import TypeDecorator

from lms_bridge.store import (
    account_tables,
    api_tables,
    lti_tables,
    network_tables,
    review_tables,
    run_tables,
)
from lms_bridge.store.search import is_search_index
from lms_bridge.store.tables import metadata

TABLES = (account_tables, api_tables, lti_tables, network_tables, review_tables, run_tables)
"""Importing these modules adds their tables to the metadata."""

connection = context.config.attributes["connection"]


def render(kind: str, value: Any, _: Any) -> str | Literal[False]:
    """Migrations name plain column types: they must not change when our own types do."""
    if kind == "type" and isinstance(value, TypeDecorator):
        return f"sa.{value.impl!r}"
    return False


context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    render_item=render,
    include_name=lambda name, kind, _: not (kind == "table" and is_search_index(name)),
    compare_type=True,
    transactional_ddl=False,
)
context.run_migrations()
