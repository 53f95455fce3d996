"""Databases for measurements, each of them new."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from tests.fakes.postgres import TemporaryServer


@dataclass(frozen=True, slots=True)
class Databases:
    """``fresh`` makes a database of that name, still without tables, and gives its address."""

    name: str
    fresh: Callable[[str], str]


def both(folder: Path) -> Iterator[Databases]:
    """SQLite, with its files in the folder, and then PostgreSQL, whose server runs meanwhile."""
    yield Databases("SQLite", lambda name: f"sqlite:///{folder / name}.sqlite3")
    with TemporaryServer() as server:
        yield Databases("PostgreSQL", lambda name: _made(server.address, name))


def _made(address: str, name: str) -> str:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return make_url(address).set(database=name).render_as_string(hide_password=False)
