"""Texts, times and language codes as the formats write them."""

from __future__ import annotations

import html
import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import nh3

from lms_bridge.catalogue.entry import CatalogueEntry
from lms_bridge.domain.dates import first_day, last_day

_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|&[a-zA-Z#]\w*;")
_BREAKS = re.compile(
    r"</?(?:br|p|div|[uod]l|li|d[dt]|h[1-6]|tr|table|blockquote)\b[^<>]*>", re.IGNORECASE
)
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")
# XML 1.0, section 2.2 (Char); lone surrogates have no bytes in UTF-8 at all.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(text: str, *, longest: int = 0) -> str:
    """A text that may hold HTML as plain text, its lines kept; cut where it is too long."""
    if _MARKUP.search(text):
        text = html.unescape(nh3.clean(_BREAKS.sub("\n", text), tags=set()))
    text = _LINES.sub("\n", _SPACES.sub(" ", allowed(text).replace("\r", "\n"))).strip()
    return f"{text[: longest - 1].rstrip()}…" if longest and len(text) > longest else text


def line(text: str) -> str:
    """A text on one line."""
    return " ".join(allowed(text).split())


def allowed(text: str) -> str:
    """The text without the characters that XML 1.0 cannot hold."""
    return _FORBIDDEN.sub("", text)


def xml(text: str) -> str:
    """The text as the content of an element or of an attribute in double quotes."""
    return html.escape(allowed(text))


def utc(moment: datetime) -> str:
    """RFC 3339, in UTC, to the second: ``2026-03-02T09:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local(moment: datetime, zone: ZoneInfo) -> str:
    """RFC 3339, as the clocks of the zone show it, with the offset."""
    return moment.astimezone(zone).isoformat(timespec="seconds")


def local_end(moment: datetime, zone: ZoneInfo, starts_at: datetime | None = None) -> str:
    """The same of an end. One at midnight is the day before: readers of the date alone would take
    it for a day more."""
    end = moment.astimezone(zone)
    if end.time() == time():
        return last_day(moment, zone, starts_at).isoformat()
    return local(moment, zone)


def first_and_last_day(entry: CatalogueEntry) -> tuple[date, date] | None:
    """The days of an offering in its own time zone; None where it may be begun at any time."""
    offering = entry.offering
    if offering.starts_at is None:
        return None
    first = first_day(offering.starts_at, entry.zone)
    if offering.ends_at is None:
        return first, first
    return first, last_day(offering.ends_at, entry.zone, offering.starts_at)


UNKNOWN = "und"
"""Undetermined, by ISO 639-2."""

_PAIRS = (
    "aa:aar af:afr ak:aka am:amh ar:ara as:asm ay:aym az:aze ba:bak be:bel bg:bul bi:bis "
    "bm:bam bn:ben bo:bod bs:bos ca:cat ch:cha cs:ces cy:cym da:dan de:deu dv:div dz:dzo "
    "ee:ewe el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas ff:ful fi:fin fj:fij fo:fao "
    "fr:fra fy:fry ga:gle gd:gla gl:glg gn:grn gu:guj ha:hau he:heb hi:hin ho:hmo hr:hrv "
    "ht:hat hu:hun hy:hye id:ind ig:ibo is:isl it:ita ja:jpn jv:jav ka:kat kg:kon ki:kik "
    "kk:kaz kl:kal km:khm kn:kan ko:kor ku:kur ky:kir la:lat lb:ltz lg:lug ln:lin lo:lao "
    "lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri mk:mkd ml:mal mn:mon mr:mar ms:msa mt:mlt "
    "my:mya na:nau nb:nob nd:nde ne:nep nl:nld nn:nno no:nor nr:nbl ny:nya om:orm or:ori "
    "pa:pan pl:pol ps:pus pt:por qu:que rm:roh rn:run ro:ron ru:rus rw:kin sd:snd sg:sag "
    "si:sin sk:slk sl:slv sm:smo sn:sna so:som sq:sqi sr:srp ss:ssw st:sot su:sun sv:swe "
    "sw:swa ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl tn:tsn to:ton tr:tur ts:tso "
    "tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd uz:uzb ve:ven vi:vie wo:wol xh:xho yi:yid "
    "yo:yor za:zha zh:zho zu:zul "
)
_THREE = dict(pair.split(":") for pair in _PAIRS.split())


def three_letters(tag: str) -> str:
    """The three letters of a language tag such as ``fr`` or ``pt-BR``; ``und`` where unknown."""
    language = tag.lower().partition("-")[0]
    if language in _THREE:
        return _THREE[language]
    return language if len(language) == 3 and language.isascii() and language.isalpha() else UNKNOWN


def two_letters(code: str) -> str:
    """The inverse of ``three_letters``; a code without two letters stays as it is."""
    return next((short for short, long in _THREE.items() if long == code), code)
