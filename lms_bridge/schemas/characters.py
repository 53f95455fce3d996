"""Which invisible characters a text may hold: those that its script needs, and no others.

Overrides and isolates of direction make a text read as another one than it is. Other invisible
characters make two names look alike that are not. Some scripts and emoji cannot be written without
a few of them, so those stay, but only where they have an effect.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

_CANDIDATES = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\ud800-\udfff\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_ENTITY = re.compile(r"&(?:#[xX]?[0-9a-fA-F]{1,8}|[A-Za-z]{2,31});?")
_RIGHT_TO_LEFT = ("R", "AL")
_NON_JOINER, _JOINER, _SPACE = "\u200c", "\u200d", "\u200b"
_DIRECTION_MARKS = "\u061c\u200e\u200f"
_BLACK_FLAG, _TAGS = "\U0001f3f4", ("\U000e0020", "\U000e007f")
_FLAG = re.compile(f"{_BLACK_FLAG}[{_TAGS[0]}-{_TAGS[1]}]*$")
_VIRAMA = 9
_LONGEST_FLAG = 8


def visible(text: str) -> str:
    """The text without control characters, and without invisible ones that have no effect, also
    where they are written as entities of HTML."""
    if "&" in text:
        text = _ENTITY.sub(_unescaped, text)
    return visible_plain(text)


def visible_plain(text: str) -> str:
    """The same for a text that is never taken for HTML, such as one typed after a command."""
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\x85", "\n")
    if not _CANDIDATES.search(text):
        return text
    rightwards = any(map(_is_right_to_left, text))
    kept: list[str] = []
    for at, mark in enumerate(text):
        if not _CANDIDATES.match(mark) or _is_needed(mark, kept, text[at + 1 : at + 2], rightwards):
            kept.append(mark)
    return "".join(kept)


def _unescaped(entity: re.Match[str]) -> str:
    return _meant(entity[0])


@lru_cache(1024)
def _meant(entity: str) -> str:
    """The character of an entity, if it is one to look at; else the entity."""
    meant = html.unescape(entity)
    return meant if _CANDIDATES.match(meant) else entity


def _is_needed(mark: str, kept: list[str], after: str, rightwards: bool) -> bool:
    if not kept:
        return False
    before = kept[-1]
    if mark == _NON_JOINER:
        joins = _is_joining(after) or unicodedata.combining(before) == _VIRAMA
        return _is_joining(before) and joins
    if mark == _JOINER:
        emoji = before == "\ufe0f" or _is_symbol(before)
        return _is_joining(before) or (emoji and _is_symbol(after))
    if mark == _SPACE:  # these scripts have no spaces between words
        return any(low <= before <= high for low, high in _UNSPACED)
    if mark in _DIRECTION_MARKS:
        return before not in _DIRECTION_MARKS and rightwards
    if "\u180b" <= mark <= "\u180f":
        return "\u1800" <= before <= "\u18af"
    if "\ufe00" <= mark <= "\ufe0f":
        return _is_symbol(before) or _is_ideograph(before) or after == "\u20e3"
    if mark >= "\U000e0100":
        return _is_ideograph(before)
    if _TAGS[0] <= mark <= _TAGS[1]:
        return _FLAG.search("".join(kept[-_LONGEST_FLAG:])) is not None
    return False


_UNSPACED = (("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"))
"""Thai and Lao, Burmese, Khmer."""


def _is_joining(character: str) -> bool:
    """Of a script whose letters change with their neighbours: Arabic, Indic and their kin."""
    return "\u0600" <= character < "\u2000" and unicodedata.category(character)[0] in "LM"


def _is_right_to_left(character: str) -> bool:
    return character.isalpha() and unicodedata.bidirectional(character) in _RIGHT_TO_LEFT


def _is_symbol(character: str) -> bool:
    """A symbol that may be a part of an emoji."""
    return character > "\u2000" and unicodedata.category(character) in ("So", "Sk", "Sm", "Po")


def _is_ideograph(character: str) -> bool:
    return unicodedata.name(character, "").startswith("CJK ")
