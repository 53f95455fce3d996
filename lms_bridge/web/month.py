"""A month of courses as a calendar: the weeks, and on each day what takes place then."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, get_day_names
from flask import request

from lms_bridge.domain.dates import last_day
from lms_bridge.web.languages import language

_FIRST, _LAST = 1990, 2200


@dataclass(frozen=True, slots=True)
class Span:
    """A course on its days."""

    course: Any
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class MonthDay:
    """A day with its courses, each with whether it begins then; ``more`` are not shown."""

    day: date
    courses: Sequence[tuple[Any, bool]]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Month:
    """A month in the reader's language; ``before`` and ``after`` are values of ``?month=``.
    ``later`` is the next month with courses, as a value and as a title, for one that has none."""

    title: str
    days: Sequence[str]
    weeks: Sequence[Sequence[MonthDay | None]]
    before: str
    after: str
    any: bool
    later: tuple[str, str] | None = None


def month_param(today: date) -> date:
    """The first day of the month that the address names; else of this month."""
    try:
        named = datetime.strptime(request.args.get("month", "")[:7], "%Y-%m").date()
    except ValueError:
        named = date.min
    return named if _FIRST <= named.year < _LAST else today.replace(day=1)


def month_after(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The beginning of a day there, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def span_of(course: Any, starts: datetime, ends: datetime | None, zone: ZoneInfo) -> Span:
    """The days of a course in a time zone."""
    first = starts.astimezone(zone).date()
    return Span(course, first, last_day(ends, zone, starts) if ends else first)


def month_of(
    first: date, spans: Sequence[Span], *, later: date | None = None, most_a_day: int = 1_000
) -> Month:
    """The month that begins on this day. What begins on a day comes before what goes on. ``later``:
    the day of the first course after this month."""
    weeks = [
        [_day(day, spans, most_a_day) if day.month == first.month else None for day in week]
        for week in calendar.Calendar().monthdatescalendar(first.year, first.month)
    ]
    after, locale = month_after(first), language()
    names = get_day_names("abbreviated", locale=locale)
    return Month(
        _title(first, locale),
        [names[number] for number in range(7)],
        weeks,
        (first - timedelta(days=1)).strftime("%Y-%m") if first.year > _FIRST else "",
        after.strftime("%Y-%m") if after.year < _LAST else "",
        bool(spans),
        (later.strftime("%Y-%m"), _title(later, locale)) if later is not None else None,
    )


def _title(day: date, locale: str) -> str:
    return format_date(day, "LLLL y", locale=locale)


def _day(day: date, spans: Sequence[Span], most: int) -> MonthDay:
    there = [(each.course, each.first == day) for each in spans if each.first <= day <= each.last]
    there.sort(key=lambda each: not each[1])
    return MonthDay(day, there[:most], max(0, len(there) - most))
