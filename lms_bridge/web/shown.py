"""How values are shown: labels, times in their own zone, amounts, languages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import nh3
from flask import Flask
from markupsafe import Markup, escape

from lms_bridge import __version__
from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.model import system_label
from lms_bridge.logs import redacted_text
from lms_bridge.reference import reference

LANGUAGES = {
    "ar": "العربية",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "ru": "Русский",
    "zh": "中文",
    "pt": "Português",
}
"""The six official languages of the United Nations and one more, as their readers call them."""

STATUSES = {
    "done": "Done",
    "partial": "Done in part",
    "failed": "Failed",
    "held": "Waits for approval",
    "running": "Running",
    "cut off": "Cut off",
}
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|&[a-zA-Z#]\w*;")
_TAGS = {
    *("p", "br", "hr", "ul", "ol", "li", "dl", "dt", "dd", "strong", "b", "em", "i", "u", "a"),
    *("h3", "h4", "h5", "h6", "blockquote", "pre", "code", "sub", "sup", "span", "div"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href"}, "*": {"dir", "lang"}, "td": {"colspan"}, "th": {"colspan", "scope"}}


def rich(text: str) -> Markup:
    """A text that may hold HTML, with nothing in it but the marks of writing: it was cleaned when
    it came in, and is again here, where it matters."""
    if not _MARKUP.search(text):
        lines = (escape(line) for line in text.splitlines())
        return Markup("<br>").join(lines)
    cleaned = nh3.clean(
        text,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    return Markup(cleaned)  # noqa: S704 (nh3 has just cleaned it)


def moment(value: object) -> datetime | None:
    """A time of the store or of a document."""
    if isinstance(value, str) and value:
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return ZoneInfo("UTC")


def _time(at: datetime, text: str) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(at.strftime("%Y-%m-%dT%H:%M:%SZ"), text)


def _day(local: datetime) -> str:
    return f"{local.day} {local:%b %Y}"


def day(value: object, zone: str = "UTC") -> Markup:
    """The day in the zone that the time belongs to."""
    at = moment(value)
    return Markup("") if at is None else _time(at, _day(at.astimezone(_zone(zone))))


def day_and_time(value: object, zone: str = "UTC") -> Markup:
    """The day and the time of the day, in the zone that the time belongs to."""
    at = moment(value)
    if at is None:
        return Markup("")
    local = at.astimezone(_zone(zone))
    text = f"{_day(local)}, {local:%H:%M}"
    return _time(at, f"{text} UTC" if zone == "UTC" else text)


def days(start: object, end: object, zone: str) -> Markup:
    """From which day to which, or the one day, in the zone that the times belong to."""
    first, last = day(start, zone), day(end, zone)
    if not last or first.striptags() == last.striptags():
        return first
    return Markup("{} – {}").format(first or "Any start", last)


def times(start: object, end: object, zone: str) -> Markup:
    """A session: the day, and from when to when, in the zone that the times belong to."""
    first, last = moment(start), moment(end)
    if first is None or last is None:
        return day_and_time(start, zone)
    there, over = first.astimezone(_zone(zone)), last.astimezone(_zone(zone))
    same = there.date() == over.date()
    until = _time(last, f"{over:%H:%M}" if same else f"{_day(over)}, {over:%H:%M}")
    return Markup("{} – {}").format(_time(first, f"{_day(there)}, {there:%H:%M}"), until)


def took(start: datetime, end: datetime | None) -> str:
    """How long something took, to the two largest units."""
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
        return "Free"
    whole, dot, cents = amount.partition(".")
    shown = f"{int(whole):,}" + (f".{cents:<02}" if dot else "")
    return f"{fields.get('currency') or ''} {shown}".strip()


def language(code: str) -> str:
    return LANGUAGES.get(code.lower().partition("-")[0], code)


def label(kind: str, word: object) -> str:
    """The label of a word of the reference data; a word without one as it is."""
    labels: Mapping[str, str] = getattr(reference(), kind)
    key = str(word or "")
    return labels.get(key, key.replace("_", " ").capitalize())


def status(word: str) -> str:
    return STATUSES.get(word, word)


def value(of: object) -> str:
    """A value of a record's field, on one line, for the people who run the bridge."""
    if of is None or of == "":
        return "—"
    if isinstance(of, bool):
        return "yes" if of else "no"
    text = ", ".join(map(str, of)) if isinstance(of, list) else str(of)
    return redacted_text(text if len(text) <= 300 else text[:300] + " …")


def add_to(app: Flask, bridge: Bridge) -> None:
    """Gives templates these functions."""
    del bridge
    app.jinja_env.filters.update(
        rich=rich,
        day=day,
        days=days,
        times=times,
        day_and_time=day_and_time,
        price=price,
        language=language,
        run_status=status,
        value=value,
        redacted=redacted_text,
        system=system_label,
        number=lambda many: f"{many:,}",
    )
    app.jinja_env.globals.update(label=label, took=took, version=__version__, reference=reference())
