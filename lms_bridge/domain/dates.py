"""Dates of offerings: their days, and when registration ends. One place, so that all agree."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from lms_bridge.domain.model import Modality, Offering

_INSTANT = timedelta(seconds=1)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name; UTC where there is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return ZoneInfo("UTC")


def first_day(starts_at: datetime, zone: ZoneInfo) -> date:
    """The day on which something begins, in its own time zone."""
    return starts_at.astimezone(zone).date()


def last_day(ends_at: datetime, zone: ZoneInfo, starts_at: datetime | None = None) -> date:
    """The last day of what ends then: an end at midnight is the end of the day before. It is never
    before the first day, also of what ends as it begins."""
    last = (ends_at - _INSTANT).astimezone(zone).date()
    return last if starts_at is None else max(last, first_day(starts_at, zone))


def length_in_days(starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> int:
    """How many days something takes, the first and the last one included."""
    return (last_day(ends_at, zone, starts_at) - first_day(starts_at, zone)).days + 1


def is_dated(offering: Offering) -> bool:
    """Whether an offering has a beginning and an end: one that is self-paced stays open."""
    return offering.modality is not Modality.SELF_PACED


def is_endless(offering: Offering) -> bool:
    """Whether no time ends the offering. Such a course is self-paced, or nobody said what it is."""
    return offering.ends_at is None and offering.modality in (Modality.SELF_PACED, None)


def registration_end(offering: Offering) -> datetime | None:
    """When registration ends. Without a time of its own that is the start of a course with dates.
    It ends with the course at the latest; None: never."""
    starts = offering.starts_at if is_dated(offering) else None
    moments = (offering.registration_closes or starts, offering.ends_at)
    return min((each for each in moments if each is not None), default=None)
