"""One statement, put together once and given to the driver as it is.

For the few statements that every launch runs: SQLAlchemy's way to a statement costs several times
what the statement does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ClauseElement, Column, Dialect
from sqlalchemy.types import TypeEngine

Convert = Callable[[Any], Any]


class Prepared:
    """A statement of one dialect, with what its values need on their way in and out.

    Args:
        returned: the columns of its rows.
    """

    def __init__(
        self, statement: ClauseElement, returned: tuple[Column[Any], ...], dialect: Dialect
    ) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self._order: list[str] | None = compiled.positiontup
        types = {name: bind.type for name, bind in compiled.binds.items()}
        self._in = {name: _in(kind, dialect) for name, kind in types.items()}
        self._out = [_out(column.type, dialect) for column in returned]

    def given(self, values: Mapping[str, Any]) -> Any:
        """The values as the driver takes them: in order, or by name."""
        ready = {
            name: values[name] if convert is None else convert(values[name])
            for name, convert in self._in.items()
        }
        return ready if self._order is None else [ready[name] for name in self._order]

    def row(self, found: Any) -> tuple[Any, ...]:
        """A row of the driver's, with the types of its columns."""
        return tuple(
            value if convert is None else convert(value)
            for value, convert in zip(found, self._out, strict=True)
        )


def _in(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _out(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    own = kind.dialect_impl(dialect)
    return own.result_processor(dialect, None)
