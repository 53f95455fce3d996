"""Template filters: labels, times in their own zone, amounts, languages, cleaned HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_decimal
from flask import Flask
from flask_babel import gettext
from markupsafe import Markup, escape

from lms_bridge import __version__
from lms_bridge.domain import dates
from lms_bridge.domain.model import EnrolmentStatus, Kind, OfferingStatus, system_label
from lms_bridge.logs import redacted_text
from lms_bridge.reference import reference
from lms_bridge.schemas.fields import clean_html
from lms_bridge.web.languages import NAMES
from lms_bridge.web.languages import language as reader_language
from lms_bridge.web.languages import word as translated_word

STATUSES = {
    "done": "Done",
    "partial": "Done in part",
    "failed": "Failed",
    "held": "Waits for approval",
    "waiting": "Waits",
    "running": "Running",
    "cut off": "Cut off",
}
AVAILABILITIES = {
    "not_yet_open": "Registration opens later",
    "open": "Registration open",
    "closing_soon": "Registration closes soon",
    "open_without_end": "Always open",
    "closed": "Registration closed",
    "running": "Under way",
    "over": "The course is over",
    "all": "All, also past courses",
}
HTMX = (
    "htmx-2.0.11.min.js",
    "sha384-2OatzQy1H+Zd/IIrjr1TcuDGqLXeHhbooAyJY1KdQMKnr4LZ22k31GBLdYKHmVjg",
)
"""The script of pages that renew a part of themselves, and its hash (docs/design.md)."""
_COMMAS = {"ar": "، ", "zh": " "}
"""Between a day and a time, where it is not the Latin one."""
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|&[a-zA-Z#]\w*;")
_TAGS = {
    *("p", "br", "hr", "ul", "ol", "li", "dl", "dt", "dd", "strong", "b", "em", "i", "u", "a"),
    *("h3", "h4", "h5", "h6", "blockquote", "pre", "code", "sub", "sup", "span", "div"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href"}, "*": {"dir", "lang"}, "td": {"colspan"}, "th": {"colspan", "scope"}}


def rich(text: str) -> Markup:
    """A text that may hold HTML, reduced to harmless tags. It was cleaned on its way in; this
    second pass also covers values that came in before the rules changed."""
    if not _MARKUP.search(text):
        lines = (escape(line) for line in text.splitlines())
        return Markup("<br>").join(lines)
    cleaned = clean_html(
        text,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    return Markup(cleaned)  # noqa: S704 (it has just been cleaned)


def moment(value: object) -> datetime | None:
    """A time, or the ISO 8601 text of one, in UTC."""
    if isinstance(value, str) and value:
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else None


_zone = dates.zone_of


def _time(at: datetime, text: str) -> Markup:
    """Put together without ``Markup.format``, which takes most of the time of a long list."""
    stamp = at.isoformat(timespec="seconds")[:19]
    return Markup(f'<time datetime="{stamp}Z">{escape(text)}</time>')  # noqa: S704 (escaped)


def date_alone(local: date) -> str:
    """A day without its time, in the reader's language."""
    return _day_text(date(local.year, local.month, local.day), reader_language())


@lru_cache(4096)
def _day_text(local: date, locale: str) -> str:
    if locale == "en":
        return f"{local.day} {local:%b %Y}"  # day first, as the Academy writes it
    return format_date(local, "medium", locale)


def begun_by(trigger: str) -> str:
    """What began a run, in the reader's language. A check of an LMS has a clock, too: its own."""
    word = "scheduler" if trigger == "clock" else trigger
    return translated_word(word) or word


_PERSON = re.compile(r"(account|learner) (\d{1,18})")


def audit_name(name: str) -> str:
    """What the audit calls somebody (`account 7`), in the reader's language."""
    found = _PERSON.fullmatch(name)
    if found is None:
        return name
    if found[1] == "account":
        return str(gettext("account %(number)s", number=found[2]))
    return str(gettext("learner %(number)s", number=found[2]))


def number(many: float | Decimal) -> str:
    return number_text(many, reader_language())


@lru_cache(4096)
def number_text(many: float | Decimal, locale: str) -> str:
    return format_decimal(many, locale=locale)


def day(value: object, zone: str = "UTC") -> Markup:
    """The day in the zone that the time belongs to."""
    at = moment(value)
    return Markup("") if at is None else _time(at, date_alone(at.astimezone(_zone(zone))))


def last_day(value: object, zone: str = "UTC") -> Markup:
    """The last day of what ends then: an end at midnight is the end of the day before."""
    end = moment(value)
    if end is None:
        return Markup("")
    last = dates.last_day(end, _zone(zone))
    return _time(end - timedelta(seconds=1), date_alone(last))


def day_and_time(value: object, zone: str = "UTC", *, clock: str = "%H:%M") -> Markup:
    """The day and the time of the day, in the zone that the time belongs to."""
    at = moment(value)
    if at is None:
        return Markup("")
    local = at.astimezone(_zone(zone))
    text = f"{date_alone(local)}{_COMMAS.get(reader_language(), ', ')}{local:{clock}}"
    return _time(at, f"{text} UTC" if zone == "UTC" else text)


def days(start: object, end: object, zone: str) -> Markup:
    """The first and the last day, or the one day, in the zone that the times belong to."""
    begins, ends, local = moment(start), moment(end), _zone(zone)
    first = begins.astimezone(local).date() if begins else None
    last = dates.last_day(ends, local, begins) if ends else None
    shown = _time(begins, date_alone(first)) if begins and first else Markup("")
    if ends is None or last is None or first == last:
        return shown
    until = _time(ends - timedelta(seconds=1), date_alone(last))
    return (shown or escape(gettext("Any start"))) + " – " + until


def times(start: object, end: object, zone: str) -> Markup:
    """A session: the day, its start and its end, in the zone that the times belong to."""
    first, last = moment(start), moment(end)
    if first is None or last is None:
        return day_and_time(start, zone)
    there, over = first.astimezone(_zone(zone)), last.astimezone(_zone(zone))
    same = there.date() == over.date()
    until = _time(last, f"{over:%H:%M}" if same else f"{date_alone(over)}, {over:%H:%M}")
    return Markup("{} – {}").format(_time(first, f"{date_alone(there)}, {there:%H:%M}"), until)


def took(start: datetime, end: datetime | None) -> str:
    """A duration in its two largest units."""
    if end is None:
        return ""
    seconds = max(0, round((end - start) / timedelta(seconds=1)))
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def price(fields: Mapping[str, object]) -> str:
    """The price of an offering with its currency; an offering without one is free."""
    amount = str(fields.get("price") or "")
    if amount in ("", "0"):
        return str(gettext("Free"))
    places = max(2, len(amount.partition(".")[2])) if "." in amount else 0
    text = format_decimal(Decimal(amount), f"#,##0.{'0' * places}", locale=reader_language())
    return f"{fields.get('currency') or ''} {text}".strip()


@lru_cache(1024)
def language(code: str) -> str:
    """A language in its own words; its tag where it has none."""
    key = code.lower().partition("-")[0]
    if key in NAMES:
        return NAMES[key]
    try:
        name = Locale.parse(key).get_display_name() or ""
    except (ValueError, UnknownLocaleError):
        return code
    return f"{name[:1].upper()}{name[1:]}" or code


def country(code: str) -> str:
    """The name of a country in the reader's language; the code where it has none."""
    locale = Locale.parse(reader_language())
    return str(locale.territories.get(code.upper(), code))


def label(kind: str, word: object) -> str:
    """The label of a word of the reference data, or the word itself where it has none."""
    labels: Mapping[str, str] = getattr(reference(), kind)
    key = str(word or "")
    found = labels.get(key)
    return translated_word(found) if found else key.replace("_", " ").capitalize()


def labels(kind: str) -> dict[str, str]:
    """Every word of a kind of the reference data with its label."""
    words: Mapping[str, str] = getattr(reference(), kind)
    return {key: translated_word(text) for key, text in words.items()}


OFFERING_STATUSES = {
    OfferingStatus.PLANNED: "Planned",
    OfferingStatus.SUBMITTED: "Submitted",
    OfferingStatus.REVIEWED: "Reviewed",
    OfferingStatus.PUBLISHED: "Published",
    OfferingStatus.RUNNING: "Running",
    OfferingStatus.DELIVERED: "Delivered",
    OfferingStatus.REPORTED: "Reported",
    OfferingStatus.CLOSED: "Closed",
    OfferingStatus.POSTPONED: "Postponed",
    OfferingStatus.CANCELLED: "Cancelled",
}


ENROLMENT_STATUSES = {
    EnrolmentStatus.REGISTERED: "Registered",
    EnrolmentStatus.APPLIED: "Applied",
    EnrolmentStatus.SELECTED: "Selected",
    EnrolmentStatus.REJECTED: "Not selected",
    EnrolmentStatus.INVOICED: "Payment awaited",
    EnrolmentStatus.ENROLLED: "Enrolled",
    EnrolmentStatus.STARTED: "In progress",
    EnrolmentStatus.COMPLETED: "Completed",
    EnrolmentStatus.NOT_COMPLETED: "Not completed",
    EnrolmentStatus.CERTIFIED: "Certificate released",
    EnrolmentStatus.WITHDRAWN: "Withdrawn",
    EnrolmentStatus.CANCELLED: "Place cancelled",
}


def enrolment_status(status: str) -> str:
    """The status of an enrolment, in words."""
    return translated_word(ENROLMENT_STATUSES[EnrolmentStatus(status)])


def status_label(status: str | None) -> str:
    """The status of an offering, in words."""
    known = _STATUSES_OF[Kind.OFFERING]
    return translated_word(known.get(status or "", ""))


def availability_label(word: str) -> str:
    """What a reader of the catalogue is told of registration, in words."""
    return translated_word(AVAILABILITIES.get(word, ""))


def status(word: str) -> str:
    """The status of a run, in words."""
    return translated_word(STATUSES.get(word, word))


def value(of: object, field: str = "", kind: str = Kind.OFFERING) -> str:
    """A value of a record's field, on one line, for operators. A time, a language and a word of
    the code are in the reader's words."""
    if words := coded(of, field, kind):
        return words
    if isinstance(of, str) and (found := _MOMENT.fullmatch(of)):
        with suppress(ValueError):  # no such day
            # Two values may differ by a second.
            return day_and_time(of, clock="%H:%M" if found[1] in (None, ":00") else "%H:%M:%S")
    return _as_it_is(of)


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(?:\.0+)?(?:Z|[+-]\d\d:\d\d)")


_STATUSES_OF = {
    str(Kind.OFFERING): {str(key): text for key, text in OFFERING_STATUSES.items()},
    str(Kind.ENROLMENT): {str(key): text for key, text in ENROLMENT_STATUSES.items()},
}
CODED = {"modality": "modalities", "level": "levels", "registration": "registration_types"}
"""{field of an offering: where the labels of its values are}"""


def coded(of: object, field: str, kind: str = Kind.OFFERING) -> str:
    """What pages call a value that is a code; "" where this is none."""
    if field == "languages" and isinstance(of, list):
        return str(gettext(", ")).join(language(str(each)) for each in of)
    if not isinstance(of, str) or not of:
        return ""
    if field in CODED:
        return labels(CODED[field]).get(of, "")
    if field != "status":
        return ""
    return translated_word(_STATUSES_OF.get(kind, {}).get(of, of.replace("_", " ")))


def _as_it_is(of: object) -> str:
    if of is None or of == "":
        return "—"
    if isinstance(of, bool):
        return translated_word("yes" if of else "no")
    text = str(gettext(", ")).join(map(str, of)) if isinstance(of, list) else str(of)
    return redacted_text(text if len(text) <= 300 else text[:300] + " …")


def given(of: object, kind: str) -> str:
    """A value of a record in quarantine, on one line. What is personal in a value of somebody's
    record is what has to be mended: it is whole, for those who may read such records."""
    return _as_it_is(of) if kind == Kind.OFFERING else str(of) or "—"


def add_to(app: Flask) -> None:
    app.jinja_env.filters.update(
        rich=rich,
        day=day,
        days=days,
        times=times,
        day_and_time=day_and_time,
        last_day=last_day,
        price=price,
        language=language,
        run_status=status,
        availability=availability_label,
        enrolment_status=enrolment_status,
        value=value,
        given=given,
        redacted=redacted_text,
        system=system_label,
        number=number,
        country=country,
        date_alone=date_alone,
        begun_by=begun_by,
        audit_name=audit_name,
    )
    app.jinja_env.globals.update(
        label=label,
        labels=labels,
        status_label=status_label,
        took=took,
        version=__version__,
        HTMX=HTMX,
        reference=reference(),
    )
