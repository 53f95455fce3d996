"""Alembic's entry: the connection is given by lms_bridge.store.migrate."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import TypeDecorator

from lms_bridge.store.tables import metadata

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
    compare_type=True,
    transactional_ddl=False,
)
context.run_migrations()
