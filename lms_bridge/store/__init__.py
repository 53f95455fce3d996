"""Where the bridge keeps its records: SQLAlchemy Core on SQLite (WAL) or PostgreSQL."""

from __future__ import annotations
