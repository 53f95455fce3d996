"""Moments and days as the formats write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from lms_bridge.feeds.entry import Entry


def utc(moment: datetime) -> str:
    """RFC 3339, in UTC, to the second: ``2026-03-02T09:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local(moment: datetime, zone: ZoneInfo) -> str:
    """RFC 3339, as the clocks of the zone show it, with the offset."""
    return moment.astimezone(zone).isoformat(timespec="seconds")


def first_and_last_day(entry: Entry) -> tuple[date, date] | None:
    """The days of an offering in its own time zone; None where it may be begun at any time."""
    offering = entry.offering
    if offering.starts_at is None:
        return None
    first = offering.starts_at.astimezone(entry.zone).date()
    if offering.ends_at is None:
        return first, first
    # An end at midnight is the end of the day before.
    last = (offering.ends_at - timedelta(seconds=1)).astimezone(entry.zone).date()
    return first, max(first, last)
