"""The clock: moments are aware and in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

OVERLAP = timedelta(minutes=10)
"""A change bears a time before its commit, so it can become visible late. Whoever asks for what
changed since a moment therefore gets what changed a little earlier, too."""


def utc_now() -> datetime:
    return datetime.now(UTC)
