"""Events that repeat (RFC 5545, section 3.8.5): a rule with an end gives an offering's meetings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, tzinfo
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr  # type: ignore[import-untyped]  # its types are another package

MOST_MEETINGS = 200
MOST_LEFT_OUT = 2_000
"""Each costs time, and a line of them may be as long as a row."""
_DAY = r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)"
_PARTS = {
    "FREQ": re.compile("DAILY|WEEKLY|MONTHLY"),
    "INTERVAL": re.compile(r"[1-9]\d?"),
    "COUNT": re.compile(r"[1-9]\d{0,2}"),
    "UNTIL": re.compile(".*"),
    "BYDAY": re.compile(f"{_DAY}(,{_DAY}){{0,6}}"),
    "WKST": re.compile("MO|TU|WE|TH|FR|SA|SU"),
}
"""What schedules of courses use. Rules of other parts may take no end of time."""
_MOMENT = re.compile(r"(\d{8})(?:T(\d{4})(\d{2})?(Z)?)?")


class NotBounded(Exception):
    """The rule has no end, too many meetings, too many that are left out, or a part that is not
    taken."""


def occurrences(
    rule: str, starts: date, zone: ZoneInfo, without: Iterable[tuple[str, tzinfo]]
) -> list[date]:
    """The starts of all meetings, of the kind that ``starts`` is: days, or moments local to the
    zone or in UTC. ``without`` are the days and moments that are left out, each with the zone in
    which it is meant.

    Raises:
        NotBounded: see there.
    """
    parts = dict(each.partition("=")[::2] for each in rule.strip().upper().split(";") if each)
    if "FREQ" not in parts or not parts.keys() <= _PARTS.keys():
        raise NotBounded
    if not all(_PARTS[name].fullmatch(value) for name, value in parts.items()):
        raise NotBounded
    if ("COUNT" in parts) == ("UNTIL" in parts):
        raise NotBounded
    first = starts if isinstance(starts, datetime) else datetime.combine(starts, time())
    offset, first = first.tzinfo, first.replace(tzinfo=None)
    here = offset or zone  # the clock by which the rule counts
    last = _local(parts.pop("UNTIL"), here, here, end_of_day=True) if "UNTIL" in parts else None
    text = ";".join(f"{name}={value}" for name, value in parts.items())
    try:
        of_rule = takewhile(
            lambda each: last is None or each <= last, rrulestr(text, dtstart=first)
        )
        moments = list(islice(of_rule, MOST_MEETINGS + 1))
    except (ValueError, OverflowError):
        raise NotBounded from None
    if len(moments) > MOST_MEETINGS:
        raise NotBounded
    gone = {_local(each, meant, here) for each, meant in _each_left_out(without)}
    days = {each.date() for each in gone if each.time() == time()}
    kept = [each for each in moments if each not in gone and each.date() not in days]
    if not isinstance(starts, datetime):
        return [each.date() for each in kept]
    return [each.replace(tzinfo=offset) for each in kept]


def _each_left_out(without: Iterable[tuple[str, tzinfo]]) -> list[tuple[str, tzinfo]]:
    each = [(one, meant) for text, meant in without for one in text.split(",")]
    if len(each) > MOST_LEFT_OUT:
        raise NotBounded
    return each


def _local(text: str, meant: tzinfo, here: tzinfo, *, end_of_day: bool = False) -> datetime:
    """A day or a moment of a rule, as the clock ``here`` shows it. Where the text names no offset,
    its time is in the zone ``meant``."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise NotBounded
    day, clock, seconds, utc = found.groups()
    try:
        if clock is None:
            return datetime.combine(
                datetime.strptime(day, "%Y%m%d").date(),
                time(23, 59, 59) if end_of_day else time(),
            )
        moment = datetime.strptime(f"{day}{clock}{seconds or '00'}", "%Y%m%d%H%M%S")
    except ValueError:
        raise NotBounded from None
    return moment.replace(tzinfo=UTC if utc else meant).astimezone(here).replace(tzinfo=None)
