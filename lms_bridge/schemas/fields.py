"""Field types that outside data needs: forgiving in form, strict in meaning."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import nh3
from marshmallow import ValidationError, fields

from lms_bridge.domain.document import plain
from lms_bridge.domain.matching import email_key
from lms_bridge.schemas import codes
from lms_bridge.schemas.characters import visible
from lms_bridge.schemas.load import complaint
from lms_bridge.schemas.markup import too_much

LONGEST_TEXT = 100_000
"""Characters in the longest text field; a page of a book has some 3,000."""
LONGEST_LINE = 500
LONGEST_SOURCE = 10_000
"""Characters of a short text before its markup is taken off."""
MOST_MARKS = 100
"""Accents in a row: the time to put them in order grows with the square of their number."""
MOST_DECIMALS = 20
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

_SPACE = re.compile(r"\s+")
_USER = re.compile(r"\s*(?:https?:[/\\]*|[/\\]{2,})[^/\\?#]*@", re.IGNORECASE)
_SHORT_HOUR = re.compile(r"^(\d{4}-\d{2}-\d{2})[T ]+(\d):")
_END_OF_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]24:00(?::00)?(Z|[+-]\d{2}:?\d{2})?")
"""24:00 is the midnight after that day (ISO 8601). Python reads it from 3.14 on."""
_JOINED_DAY = re.compile(r"(?:199|20\d)\d[01]\d[0-3]\d")
"""20270301. As seconds it would be a day of 1970, so it is never meant so."""
_CLOCK_TIME = re.compile(
    r"\d{4}(?:-\d{2}-\d{2}|\d{4})[T\s]\d{2}(?::?\d{2}(?::?\d{2}(?:[.,]\d+)?)?)?"
    r"\s?(?:Z|[+-]\d{2}(?::?\d{2})?)?"
)
"""A day and a time. Python also takes 09.30 for a part of the hour, and any sign between the two,
so that an offset behind a day would become its time."""
_JOINED_HOUR = re.compile(r"(?:199|20\d)\d[01]\d[0-3]\d[0-2]\d")
"""2027030109. As seconds it would be a day of 2033 or later."""
_MAILTO = re.compile(r"^mailto:\s*", re.IGNORECASE)
_BRACKETED = re.compile(r"[^<>@]*<\s*([^<>\s]+@[^<>\s]+)\s*>\s*")
"""An address as mail programs copy it: ``Ana One <ana@example.org>``."""
_ENCODED = "=?"
"""In a header, mail programs take what follows for other characters (RFC 2047)."""
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL = r"[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!\d+$)(?!.$){_LABEL}")
_NO_NUMBER = "is not a number such as 1200 or 250.5: decimals have a point, thousands no mark"
_NO_DATE = "is not a date such as 2026-03-31 or 2026-03-31 09:00"
_DATE_OF_A_SPREADSHEET = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}.{0,20}")
_SPREADSHEET_DAYS = re.compile(r"[34567]\d{4}(?:[.,]\d+)?")
"""A date as a spreadsheet counts it, in days since 1900: 30,000 is in 1982, 79,999 in 2119."""


def _text(value: object, longest: int = LONGEST_TEXT) -> str:
    if isinstance(value, (bool, Mapping, list)) or not isinstance(value, (str, int, float)):
        raise complaint("is not a text", "not-a-text")
    if isinstance(value, float) and not math.isfinite(value):
        raise complaint("is not a text", "not-a-text")
    text = str(value)
    if len(text) > longest:
        raise complaint(f"is longer than {longest:,} characters", "too-long")
    if markup := too_much(text):
        raise complaint(markup, "too-many")
    if _has_many_marks(text):
        raise complaint(f"has more than {MOST_MARKS} accents in a row", "too-many")
    return unicodedata.normalize("NFC", visible(text))


def _has_many_marks(text: str) -> bool:
    if text.isascii() or len(text) < 10 * MOST_MARKS:
        return False
    run = 0
    for mark in map(unicodedata.combining, text):
        run = run + 1 if mark else 0
        if run > MOST_MARKS:
            return True
    return False


def clean_html(text: str, **options: Any) -> str:
    """Harmless HTML. No link holds a user's name, which passes for the name of a site."""
    return nh3.clean(text, attribute_filter=_attribute, **options)


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name in ("href", "src", "cite") and has_user(value):
        return None
    return value


def has_user(address: str) -> bool:
    """Whether browsers find a user's name or a password in a web address."""
    return _USER.match(re.sub(r"[\t\r\n]", "", address)) is not None


class Line(fields.Field[str]):
    """A text on one line: markup taken off, white space folded, at most 500 characters."""

    def __init__(self, *, longest: int = LONGEST_LINE, **options: Any) -> None:
        super().__init__(**options)
        self.longest = longest

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> str:
        text = _text(value, LONGEST_SOURCE)
        if "<" in text or "&" in text:
            text = visible(html.unescape(nh3.clean(text, tags=set())))
        text = _SPACE.sub(" ", text).strip()
        if len(text) > self.longest:
            raise complaint(f"is longer than {self.longest} characters", "too-long")
        if self.required and not text:
            raise complaint("is empty", "empty")
        return text


_OTHER_SCHEME = re.compile(r"(?!https?:)[a-z][a-z0-9+-]*:(?!\d)", re.IGNORECASE)
"""``javascript:`` and others; what has a port instead is a host without a scheme."""
_PAGE = re.compile(r"https?://[^\s/?#]+(?:[/?#]\S*)?", re.IGNORECASE)


class WebAddress(Line):
    """The address of a page that people are led to."""

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        address = super()._deserialize(value, *args, **options)
        if has_user(address):
            raise complaint("has a user name or a password in it", "address-with-user")
        if _OTHER_SCHEME.match(address):
            raise _no_page()
        return address


class PageAddress(WebAddress):
    """The same as a whole: pages show no other, so whoever writes it is told."""

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        address = super()._deserialize(value, *args, **options)
        if address and not _PAGE.fullmatch(address):
            raise _no_page()
        return address


def _no_page() -> ValidationError:
    return complaint("is not the address of a page: it begins with https://", "not-a-page")


class Email(Line):
    """An address as people write it: RFC 5321, section 4.1.2, with letters of all scripts (RFC
    6531), and without quoted or bracketed forms."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any
    ) -> str:
        if isinstance(value, str) and (found := _BRACKETED.fullmatch(value)):
            value = found[1]
        text = _MAILTO.sub("", super()._deserialize(value, attr, data, **options))
        key = email_key(text)
        # The key has plain characters for others: some become commas, brackets or blanks.
        if not (_is_email(text) and (text.isascii() or _is_email(key))):
            raise complaint("is not an e-mail address", "invalid")
        if len(key) > self.longest:
            raise complaint(f"is longer than {self.longest} characters", "too-long")
        return text


def _is_email(text: str) -> bool:
    name, _, domain = text.rpartition("@")
    if len(name) > 64 or name.startswith("'") or _ENCODED in name:
        return False
    return bool(_LOCAL_PART.fullmatch(name) and _DOMAIN.fullmatch(domain))


class RichText(fields.Field[str]):
    """A text that may hold HTML: scripts, styles and event handlers are taken out."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> str:
        text = _text(value)
        return visible(clean_html(text)).strip() if "<" in text else text.strip()


class _Plain:
    """Shows a value as documents have it, so that what is shown and what is compared are one."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> Any:
        return plain(value)


class Choice(_Plain, fields.Field[StrEnum]):
    """One of a fixed set, by its value or by its label in any case ("Face-to-face"). The message of
    a schema with ``shows_values`` repeats a short value."""

    def __init__(self, choices: type[StrEnum], **options: Any) -> None:
        super().__init__(**options)
        self.choices = tuple(member.value for member in choices)
        self._by_key = {_choice_key(member.value): member for member in choices}

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> Any:
        if value == "" and self.allow_none:
            return None
        text = _text(value)
        found = self._by_key.get(_choice_key(text))
        if found is None:
            what = f"is not one of: {', '.join(self.choices)}"
            shows = getattr(self.parent, "shows_values", False)
            message = codes.public_refusal(text, what) if shows else what
            raise complaint(message, "not-one-of", allowed=self.choices)
        return found


def _choice_key(text: str) -> str:
    return re.sub(r"[\W_]+", "_", text.casefold()).strip("_")


class StandardCode(fields.Field[str]):
    """A code, as ``lms_bridge.schemas.codes`` reads it; empty without one. No message repeats a
    ``personal`` one."""

    def __init__(
        self, read: Callable[[str], str], *, personal: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self._read = read
        self._personal = personal

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> str:
        text = _text(value)
        try:
            return self._read(text)
        except codes.NoSuchCode as error:
            what = str(error)
            if not self._personal:
                what = codes.public_refusal(text, what)
            raise complaint(what, "no-such-code") from None


class Lines(_Plain, fields.Field[tuple[str, ...]]):
    """Several short texts: a list, or one text with ``;`` between them."""

    separators = re.compile(";")

    def __init__(self, *, most: int = 100, **options: Any) -> None:
        super().__init__(**options)
        self._most = most
        self._item: fields.Field[str] = Line()

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> tuple[str, ...]:
        items = self.separators.split(value) if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise complaint("is not a list of texts", "not-a-list")
        if len(items) > self._most:
            raise complaint(f"has more than {self._most} entries", "too-many")
        texts = (self._item.deserialize(item) for item in items)
        return tuple(dict.fromkeys(text for text in texts if text))


class Languages(Lines):
    """Several languages; a comma also stands between them, since no tag or name has one."""

    separators = re.compile("[;,]")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._item = StandardCode(codes.language)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any
    ) -> tuple[str, ...]:
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            value = ";".join(value)
        return super()._deserialize(value, attr, data, **options)


class Amount(_Plain, fields.Field[Decimal]):
    """A decimal number within bounds, never through a binary float's digits. It may have as many
    decimals as a binary float may show."""

    def __init__(self, *, least: Decimal, most: Decimal, remark: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._least, self._most = least, most
        self._no_number = f"{_NO_NUMBER}; {remark}" if remark else _NO_NUMBER

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
            message = codes.refusal(str(value), self._no_number)
            raise complaint(message, "not-a-number") from None
        if not number.is_finite():
            raise complaint("is not a number", "not-a-number")
        if not self._least <= number <= self._most:
            bounds = f"is not between {self._least} and {self._most}"
            raise complaint(codes.refusal(str(value), bounds), "out-of-range")
        exponent = number.normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < -MOST_DECIMALS:
            raise complaint(f"has more than {MOST_DECIMALS} decimals", "out-of-range")
        return number + 0  # minus zero is zero


class Zone(fields.Field[str]):
    """The name of a time zone of the IANA database."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> str:
        return zone(_text(value).strip()).key


def zone(name: str) -> ZoneInfo:
    """The time zone of that name, in capitals or not.

    Raises:
        ValidationError: there is none.
    """
    try:
        found = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = _zones().get(name.casefold())
    else:
        if not _NO_ZONES.match(name):
            return found
        known = None
    if known is None:
        message = codes.public_refusal(name, "is not a time zone such as Africa/Nairobi")
        raise complaint(message, "no-such-zone")
    return ZoneInfo(known)


_NO_ZONES = re.compile(
    r"(?:localtime|Factory|posixrules|EST|MST)\Z|(?:posix|right)/", re.IGNORECASE
)
"""Names that systems add: the zone of this very machine, and zones that count leap seconds. And two
old names without summer time, which people write where the clocks have it, or for Australia."""


@cache
def _zones() -> dict[str, str]:
    names = available_timezones()
    return {name.casefold(): name for name in names if not _NO_ZONES.match(name)}


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
            moment = None
        if moment is None or not EARLIEST <= moment <= LATEST:
            message = codes.refusal(str(value), "is not a date between 1990 and 2100")
            raise complaint(message, "not-a-date")
        return moment

    def _moment(self, value: object, data: Mapping[str, Any]) -> datetime:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise complaint("is not a date", "not-a-date")
        if isinstance(value, str) and _SPREADSHEET_DAYS.fullmatch(value.strip()):
            message = (
                f"is {value.strip()}, a spreadsheet's number of a day: give the column the format "
                "yyyy-mm-dd"
            )
            raise complaint(message, "not-a-date")
        text = str(value).strip()
        if isinstance(value, str) and _JOINED_HOUR.fullmatch(text):
            raise complaint(_no_date(text), "not-a-date")
        is_number = not isinstance(value, str) or text.isdecimal()
        if is_number and not _JOINED_DAY.fullmatch(text):
            return _from_seconds(float(value))
        try:
            text = _extended(text)
            if len(text) == 10:
                clock = time(23, 59, 59) if self._end_of_day else time()
                return self._day(datetime.combine(date.fromisoformat(text), clock), data)
            moment = datetime.fromisoformat(text) if _CLOCK_TIME.fullmatch(text) else None
        except ValueError:
            moment = None
        if moment is None:
            raise complaint(_no_date(str(value).strip()), "not-a-date")
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
        return zone(str(data.get("time_zone") or "").strip() or default)


def _extended(text: str) -> str:
    """The extended form of ISO 8601: with hyphens, two digits of the hour, and no hour 24."""
    if _JOINED_DAY.fullmatch(text):
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if last := _END_OF_DAY.fullmatch(text):
        return f"{date.fromisoformat(last[1]) + timedelta(days=1)}T00:00{last[2] or ''}"
    return _SHORT_HOUR.sub(r"\1 0\2:", text)


def _no_date(text: str) -> str:
    if _DATE_OF_A_SPREADSHEET.fullmatch(text):
        form = "yyyy-mm-dd hh:mm" if ":" in text else "yyyy-mm-dd"
        what = codes.refusal(text, _NO_DATE)
        return f"{what}: give the column the format {form}"
    return codes.refusal(text, _NO_DATE)


def _from_seconds(seconds: float) -> datetime:
    if math.isnan(seconds):
        raise complaint("is not a date", "not-a-date")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
