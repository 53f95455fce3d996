"""Field types that outside data needs: forgiving in form, strict in meaning."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import nh3
from marshmallow import fields

from lms_bridge.domain.document import plain
from lms_bridge.schemas.complaints import complaint

LONGEST_TEXT = 100_000
"""Characters in the longest text field; a page of a book has some 3,000."""
LONGEST_LINE = 500
MOST_DECIMALS = 20
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_SPACE = re.compile(r"\s+")


def _text(value: object) -> str:
    if isinstance(value, (bool, Mapping, list)) or not isinstance(value, (str, int, float)):
        raise complaint("is not a text", "not-a-text")
    if isinstance(value, float) and not math.isfinite(value):
        raise complaint("is not a text", "not-a-text")
    return unicodedata.normalize("NFC", _CONTROL.sub("", str(value)))


class Line(fields.Field[str]):
    """A text on one line: markup taken off, white space folded, at most 500 characters."""

    def __init__(self, *, longest: int = LONGEST_LINE, **options: Any) -> None:
        super().__init__(**options)
        self.longest = longest

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> str:
        text = _text(value)
        if "<" in text or "&" in text:
            text = html.unescape(nh3.clean(text, tags=set()))
        text = _SPACE.sub(" ", text).strip()
        if len(text) > self.longest:
            raise complaint(f"is longer than {self.longest} characters", "too-long")
        if self.required and not text:
            raise complaint("is empty", "empty")
        return text


class RichText(fields.Field[str]):
    """A text that may hold HTML: scripts, styles and event handlers are taken out."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> str:
        text = _text(value)
        if len(text) > LONGEST_TEXT:
            raise complaint(f"is longer than {LONGEST_TEXT:,} characters", "too-long")
        return nh3.clean(text).strip() if "<" in text else text.strip()


class _Plain:
    """Shows a value as documents have it, so that what is shown and what is compared are one."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> Any:
        return plain(value)


class Choice(_Plain, fields.Field[StrEnum]):
    """One of a fixed set, by its value or by its label in any case ("Face-to-face")."""

    def __init__(self, choices: type[StrEnum], **options: Any) -> None:
        super().__init__(**options)
        self.choices = tuple(member.value for member in choices)
        self._by_key = {_choice_key(member.value): member for member in choices}

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> Any:
        if value == "" and self.allow_none:
            return None
        found = self._by_key.get(_choice_key(_text(value)))
        if found is None:
            listed = ", ".join(self.choices)
            raise complaint(f"is not one of: {listed}", "not-one-of", allowed=self.choices)
        return found


def _choice_key(text: str) -> str:
    return re.sub(r"[\W_]+", "_", text.casefold()).strip("_")


class Lines(_Plain, fields.Field[tuple[str, ...]]):
    """Several short texts: a list, or one text with ``;`` between them."""

    def __init__(self, *, most: int = 100, **options: Any) -> None:
        super().__init__(**options)
        self._most = most

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> tuple[str, ...]:
        items = value.split(";") if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise complaint("is not a list of texts", "not-a-list")
        if len(items) > self._most:
            raise complaint(f"has more than {self._most} entries", "too-many")
        line = Line()
        texts = (line.deserialize(item) for item in items)
        return tuple(dict.fromkeys(text for text in texts if text))


class Amount(_Plain, fields.Field[Decimal]):
    """A decimal number within bounds, never through a binary float's digits. It may have as many
    decimals as a binary float may show."""

    def __init__(self, *, least: Decimal, most: Decimal, **options: Any) -> None:
        super().__init__(**options)
        self._least, self._most = least, most

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> Any:
        if isinstance(value, str) and not value.strip() and self.allow_none:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
            raise complaint("is not a number", "not-a-number")
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            raise complaint("is not a number", "not-a-number") from None
        if not number.is_finite():
            raise complaint("is not a number", "not-a-number")
        if not self._least <= number <= self._most:
            raise complaint(f"is not between {self._least} and {self._most}", "out-of-range")
        exponent = number.normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < -MOST_DECIMALS:
            raise complaint(f"has more than {MOST_DECIMALS} decimals", "out-of-range")
        return number + 0  # minus zero is zero


class Zone(fields.Field[str]):
    """The name of a time zone of the IANA database."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> str:
        name = _text(value).strip()
        zone(name)
        return name


def zone(name: str) -> ZoneInfo:
    """The time zone of that name.

    Raises:
        ValidationError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise complaint("is not a time zone such as Africa/Nairobi", "no-such-zone") from None


class Moment(_Plain, fields.Field[datetime]):
    """A time, kept in UTC: seconds since 1970, ISO 8601, or a plain date.

    A date, or a time without an offset, is meant in the record's own time zone (``time_zone`` of
    the record, else the default given by the schema). ``end_of_day`` says that a plain date means
    its last second, so that a day never shifts. Of a local time that comes twice the first is
    meant; a schema with ``exact_times`` refuses it instead.
    """

    def __init__(self, *, end_of_day: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._end_of_day = end_of_day

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> Any:
        if value in (0, "", "0") and value is not False:  # Moodle writes "no date" as 0
            if not self.allow_none:
                raise complaint("is empty", "empty")
            return None
        try:
            moment = self._moment(value, data or {})
        except OverflowError:
            raise complaint("is not a date between 1990 and 2100", "not-a-date") from None
        if not EARLIEST <= moment <= LATEST:
            raise complaint("is not a date between 1990 and 2100", "not-a-date")
        return moment

    def _moment(self, value: object, data: Mapping[str, Any]) -> datetime:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise complaint("is not a date", "not-a-date")
        if not isinstance(value, str) or value.strip().isdecimal():
            return _from_seconds(float(value))
        text = value.strip()
        try:
            if len(text) == 10:
                clock = time(23, 59, 59) if self._end_of_day else time()
                return self._day(datetime.combine(date.fromisoformat(text), clock), data)
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise complaint("is not a date such as 2026-03-31", "not-a-date") from None
        return moment.astimezone(UTC) if moment.tzinfo else self._time(moment, data)

    def _time(self, naive: datetime, data: Mapping[str, Any]) -> datetime:
        local = self._zone(data)
        moment = naive.replace(tzinfo=local).astimezone(UTC)
        if moment.astimezone(local).replace(tzinfo=None) != naive:
            raise complaint("is a time that the clocks of its zone skip", "time-skipped")
        if getattr(self.parent, "exact_times", False):
            again = naive.replace(tzinfo=local, fold=1).astimezone(UTC)
            if again != moment:
                first, second = (each.astimezone(local).isoformat() for each in (moment, again))
                raise complaint(
                    f"comes twice, as the clocks of its zone go back: write {first} or {second}",
                    "time-ambiguous",
                    allowed=(first, second),
                )
        return moment

    def _day(self, naive: datetime, data: Mapping[str, Any]) -> datetime:
        """The first or last moment of a day. Where the clocks skip midnight (Cairo and Beirut in
        spring), the day begins when they go on; where its last hour comes twice, it ends after
        the second one."""
        local = self._zone(data)
        moment = naive.replace(tzinfo=local, fold=int(self._end_of_day)).astimezone(UTC)
        if moment.astimezone(local).date() != naive.date():
            raise complaint("is a day that its zone skips", "time-skipped")
        return moment

    def _zone(self, data: Mapping[str, Any]) -> ZoneInfo:
        parent = self.parent
        default = getattr(parent, "default_zone", "UTC") if parent is not None else "UTC"
        return zone(str(data.get("time_zone") or default))


def _from_seconds(seconds: float) -> datetime:
    if math.isnan(seconds):
        raise complaint("is not a date", "not-a-date")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
