"""When a thing is due: a cron expression in a time zone, or every so many seconds.

Due times are worked out from the calendar alone, never from when something ran last. Two processes
therefore always agree about them, and "was one missed since then?" has one answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_SHIFT = timedelta(hours=3)
"""Clocks are put forward or back by less than this."""
_TICK = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cron:
    """Due when the clocks of a zone show the times of a five-field cron expression, and ``offset``
    seconds later.

    A time that the clocks skip is due as much later as they were put forward; a time that they
    show twice is due the first time only. (APScheduler's own trigger leaves such a day out where
    the gap is at midnight, and fires twice in autumn.)
    """

    expression: str
    zone: str
    offset: float = 0.0

    def after(self, moment: datetime) -> datetime | None:
        """The first due time later than ``moment``; None when there never is one."""
        zone = ZoneInfo(self.zone)
        moment -= timedelta(seconds=self.offset)
        shown = moment.astimezone(zone).replace(tzinfo=UTC) - _LONGEST_SHIFT
        while True:
            found: datetime | None = _trigger(self.expression).get_next_fire_time(
                None, shown + _TICK
            )
            if found is None:
                return None
            shown = found
            due: datetime = shown.replace(tzinfo=zone, fold=0).astimezone(UTC)
            if due > moment:
                return due + timedelta(seconds=self.offset)


@dataclass(frozen=True, slots=True)
class Every:
    """Due at ``offset`` seconds past each multiple of ``seconds`` since 1970."""

    seconds: int
    offset: float = 0.0

    def after(self, moment: datetime) -> datetime | None:
        """The first due time later than ``moment``."""
        start = _EPOCH + timedelta(seconds=self.offset)
        step = timedelta(seconds=self.seconds)
        return start + ((moment - start) // step + 1) * step


@lru_cache(maxsize=256)
def _trigger(expression: str) -> CronTrigger:
    """The expression over the times that a clock shows: UTC stands for "no zone" here."""
    fields = expression.split()
    if len(fields) == 5:
        fields[4] = weekdays(fields[4])
    return CronTrigger.from_crontab(" ".join(fields), UTC)


def weekdays(field: str) -> str:
    """The names of the weekdays that cron numbers from Sunday = 0: APScheduler counts from Monday.

    >>> weekdays("1-5")
    'mon,tue,wed,thu,fri'
    """
    return ",".join(_named(part) for part in field.split(","))


def _named(part: str) -> str:
    days, slash, step = part.partition("/")
    first, dash, last = days.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        return part
    numbers = range(int(first), int(last or (6 if slash else first)) + 1, int(step or 1))
    if not numbers or numbers[-1] > 7:
        raise ValueError(f'"{part}" is not a day of the week')
    return ",".join(_WEEKDAYS[number % 7] for number in numbers)


def check(expression: str) -> None:
    """Raises ValueError, with the reason, where the expression is not one of five cron fields."""
    _trigger(expression)
