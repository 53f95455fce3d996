"""Cells and values: what one cell of a CSV file holds, and how it is kept from being run."""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from lms_bridge.schemas import codes
from lms_bridge.schemas.csv.tables import Shape

# What spreadsheet programs take for the start of a formula (OWASP, "CSV Injection"), in either
# width. Where they separate cells by semicolons or tabs, as in much of Europe, a text has such
# starts inside it, too: after a separator and in each line. Apostrophes before it are counted in,
# so that a text which already begins with '= survives the way there and back.
_SIGNS = "[=+\\-@\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(rf"(\A|[;\t\r\n] *)('*{_SIGNS})")
_NEUTRALISED = re.compile(rf"(\A|[;\t\r\n] *)'('*{_SIGNS})")
_BLANK = re.compile(r"'*[\t\r\n]")
_NEUTRALISED_BLANK = re.compile(r"'+[\t\r\n]")

_DAY = r"\d{4}-\d{2}-\d{2}"
_DATE_TIME = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?(?:Z|[+-]\d{2}:?\d{2})?"
_MEETING = re.compile(rf"({_DATE_TIME})\s*/\s*({_DATE_TIME})(?:\s+(.*))?", re.DOTALL)
_FORM = "a meeting is written as 2026-03-02 09:00/2026-03-02 12:30 Room 4"
_CLOCK = re.compile(r"\d{1,2}\s*(?:[:.h]\s*\d|[ap]\.?m)", re.IGNORECASE)
"""What begins as a time of the day does, and so is no place."""
_OF_CLOCK = re.compile(
    r"[ap]\.?m\b|(?:UTC|GMT|Uhr|hrs?|hours|heures?|horas?|o.clock)\b|h\Z|[+-]\d{1,2}(?:\b|:)"
    "|\u4e0a\u5348|\u4e0b\u5348|(?:\u0635|\u0645|\u0447|\u0447\u0430\u0441\\w*)\\Z"
    r"|(?:Z|[ECMPI][SD]T|BST|CES?T|EES?T|WES?T|[EW]AT|SAST|MSK|[JKH]KT|JST|KST|SGT|GST|PKT)\Z",
    re.IGNORECASE,
)
"""What follows a time of the day: half of the day, an offset, or the short name of a zone."""
_DATE = re.compile(_DAY)
_ZONED = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})\Z", re.IGNORECASE)
"""A time with its zone is whole: what follows it is a place, also "2.14", a room's number."""
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
_TEXT_FORMULA = re.compile(r'="((?:[^"]|"")*)"')
_LINES = re.compile(r"\r\n|\r|\n")


_ERROR = re.compile(r"#{3,}|#[^\W\d_]/[^\W\d_]!?|#NV|#\u00a1?[^\W\d_]+(?:/0)?[!?]")
"""What a spreadsheet shows in its language where a formula fails, or a column is too narrow."""
_TEXT_OF_DIGITS = re.compile(r"'+\d[\w.:/,-]*")
"""What people type to keep the zeros of a number, or a date as it is."""
_SHORTENED = re.compile(r"[+-]?\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
_TWICE_ENCODED = {
    "cp1252": re.compile(
        "\u00c3[\u00a1-\u00ba\u00bc-\u00bf]|\u00e2\u20ac."
        "|(?:[\u00d0\u00d1\u00d8\u00d9][^\x00-\x7f]){2}"
    ),
    "cp1251": re.compile("(?:[\u0420\u0421][^\x00-\x7f]){2}"),
    "mac_roman": re.compile("\u221a[^\x00-\x7f]"),
}
"""Bytes of UTF-8 that were taken for another encoding. Where only a quotation mark follows a
capital, it may well be meant."""
_QUOTED_PRINTABLE = re.compile(r"=C[3-9A-F]=[89AB][0-9A-F]|=[DE][0-9A-F](?:=[89AB][0-9A-F]){1,2}")
_LOST = "\ufffd"


def spoiled(cell: str, *, is_id: bool = True) -> str:
    """What a program put where a text was: an error of a spreadsheet, a number that it shortened,
    or letters that were read in another encoding once. Empty if it is none of these, or if an
    apostrophe before it says that it is meant."""
    text = cell.strip()
    if cell.startswith("'"):
        return ""
    if _ERROR.fullmatch(text) and text == text.upper():
        return f"is {text}, an error of a spreadsheet: correct the cell"
    if is_id and _SHORTENED.fullmatch(text):
        return f"is {text}, a shortened number: give the column the format text"
    return misread(text)


def misread(text: str) -> str:
    """Letters that were read in another encoding once. Empty if there are none."""
    if _LOST in text:
        return f'has "{_LOST}" in place of a letter: it was saved in a wrong encoding'
    for found, meant in _meant(text):
        if meant:
            return f'has "{found}", which stands for "{meant}": it was saved in a wrong encoding'
    return ""


def _meant(text: str) -> Iterator[tuple[str, str]]:
    """What looks misread, with what it stands for if that can be told."""
    if text.isascii():
        for found in _QUOTED_PRINTABLE.finditer(text):
            with suppress(UnicodeError):
                yield found[0], quopri.decodestring(found[0].encode()).decode()
        return
    for encoding, pattern in _TWICE_ENCODED.items():
        for found in pattern.finditer(text):
            with suppress(UnicodeError):
                yield found[0], found[0].encode(encoding).decode()


def neutralised(text: str) -> str:
    """The text with an apostrophe wherever a spreadsheet would take it for a formula, and before
    what would be refused as spoiled."""
    text = _FORMULA.sub(r"\1'\2", text)
    if _BLANK.match(text) or _TEXT_OF_DIGITS.fullmatch(text):
        text = f"'{text}"
    return f"'{text}" if spoiled(text.lstrip("'")) else text


def restored(text: str) -> str:
    """The inverse of ``neutralised``; and the text of ``="00123"``, a spreadsheet's way to keep
    the zeros of a number."""
    formula = _TEXT_FORMULA.fullmatch(text.strip())
    if formula:
        return formula[1].replace('""', '"')
    if text.startswith("'") and spoiled(text.lstrip("'")):
        text = text[1:]
    if _NEUTRALISED_BLANK.match(text) or _TEXT_OF_DIGITS.fullmatch(text):
        text = text[1:]
    return _NEUTRALISED.sub(r"\1\2", text)


class CellUnclear(Exception):
    """A cell that could mean two things; the text goes on from the column's name, which a reader
    of rows adds."""

    column = ""


def cell_of(value: object, shape: Shape) -> str:
    """The text of a cell, before neutralising. None and empty lists make an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if shape is Shape.LIST and isinstance(value, (list, tuple)):
        return _list_cell([str(item) for item in value])
    if shape is Shape.MEETINGS and isinstance(value, (list, tuple)):
        return "\n".join(_meeting_cell(item) for item in value)
    if shape is Shape.AMOUNT and _AMBIGUOUS.fullmatch(str(value)):
        return f"{value}0"  # 1.234 could also be read as a thousand and more
    return str(value)


def value_of(cell: str, shape: Shape, time_zone: str) -> object:
    """The value of a cell that is not empty, unchecked; ``time_zone`` is that of its row.

    Raises:
        CellUnclear: it could mean two things, or is no meeting.
    """
    if shape is Shape.LIST:
        lines = _LINES.split(cell)
        parts = lines if len(lines) > 1 else cell.split(";")
        return [part.strip() for part in parts if part.strip()]
    if shape is Shape.MEETINGS:
        return [_meeting(line.strip(), time_zone) for line in _LINES.split(cell) if line.strip()]
    if shape is Shape.AMOUNT and _AMBIGUOUS.fullmatch(cell.strip()):
        text = cell.strip()
        digits = text.replace(".", "")
        if text.count(".") > 1:
            raise CellUnclear(f"is {text}: write {digits} without the points")
        raise CellUnclear(f"is {text}: write {digits}, or {text}0 if it is a decimal")
    return cell


def _goes_on(place: str, *, is_whole: bool) -> bool:
    """Whether what stands in the place of a meeting belongs to its end, or is another meeting."""
    if _DATE.search(place):
        return True
    return not is_whole and bool(_CLOCK.match(place) or _OF_CLOCK.match(place))


def _list_cell(items: list[str]) -> str:
    if not any(";" in item for item in items):
        return "; ".join(items)
    return "".join(f"{item}\n" for item in items)


def _meeting_cell(item: object) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    return f"{item.get('starts_at')}/{item.get('ends_at')} {item.get('place') or ''}".strip()


def _meeting(line: str, time_zone: str) -> dict[str, object]:
    found = _MEETING.fullmatch(line)
    if found is None:
        why = codes.refusal(line[:40], "is no meeting")
        raise CellUnclear(f"{why}: {_FORM}")
    starts_at, ends_at, place = found.groups()
    if place and _goes_on(place, is_whole=_ZONED.search(ends_at) is not None):
        why = f'has the place "{place[:20]}", which looks like a time'
        raise CellUnclear(f"{why}: {_FORM}")
    if _DATE.fullmatch(ends_at) and not _DATE.fullmatch(starts_at):
        why = codes.refusal(line[:40], "has no time of the day where it ends")
        raise CellUnclear(f"{why}: {_FORM}")
    meeting: dict[str, object] = {"starts_at": starts_at, "ends_at": ends_at, "place": place or ""}
    # Meetings are nested: without their row's zone, the schema would take local times for UTC.
    return {**meeting, "time_zone": time_zone} if time_zone else meeting
