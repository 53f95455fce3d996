"""Texts in several languages, in the two forms that Moodle's filters know.

The first is a row of ``<span lang="en" class="multilang">``. The second is ``{mlang en}…{mlang}``,
of a plug-in. Moodle sends both unresolved, because the bridge asks for raw texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain

from babel import Locale

_TAG = re.compile(r"<(/?)(span|lang)\b([^<>]{0,300})>", re.IGNORECASE)
_MLANG = re.compile(r"\{\s{0,3}mlang(?:\s{1,3}([\w ,-]{1,100}))?\}", re.IGNORECASE)
_LANGUAGE = re.compile(r"\blang\s?=\s?[\"']([\w-]{1,20})[\"']", re.IGNORECASE)
_MULTILANG = re.compile(r"\bclass\s?=\s?[\"'][^\"']*\bmultilang\b", re.IGNORECASE)
MOST_LANGUAGES = 20
"""More are left out: each costs a pass over the text."""
OTHER = "other"
"""The block of a text for everybody whose language has none."""

Piece = tuple[tuple[str, ...], str]
"""The languages of a piece of a text, none for all languages, and the piece."""


def in_language(text: str, languages: Sequence[str]) -> str:
    """The text in the first of these languages that it has, else in English, else in its first
    language. No marks are left, and never two languages."""
    return _of_blocks(_of_spans(text, languages), languages) if _has_marks(text) else text


def languages_of(text: str) -> dict[str, str]:
    """{language: the text in it}, of each language that the whole text has. Empty for a text in
    one language.

    A text with ``other`` blocks has every language that it names anywhere.
    """
    named = _named(text) if _has_marks(text) else []
    found = {tag: _in_all(text, tag) for tag in named}
    there = {tag: translated for tag, translated in found.items() if translated is not None}
    return there if len(there) > 1 else {}


def _in_all(text: str, language: str) -> str | None:
    """The text, if all of it has this language. Spans may be in blocks, and blocks in spans."""
    for first, second in ((_of_spans, _of_blocks), (_of_blocks, _of_spans)):
        try:
            return second(first(text, [language], strict=True), [language], strict=True)
        except LookupError:
            continue
    return None


def _has_marks(text: str) -> bool:
    lowered = text.lower()
    return "mlang" in lowered or "multilang" in lowered or "<lang" in lowered


def _named(text: str) -> list[str]:
    """The languages that a text names."""
    pieces = chain(_pieces_of_spans(text), _pieces_of_blocks(text))
    tags = dict.fromkeys(tag for tags, _ in pieces for tag in tags)
    known = Locale("en").languages
    return [tag for tag in tags if tag.partition("-")[0] in known][:MOST_LANGUAGES]


def _of_spans(text: str, languages: Sequence[str], *, strict: bool = False) -> str:
    """The text without spans. With ``strict`` all of it must be in the first of ``languages``.

    Raises:
        LookupError: a part of it is not, with ``strict``.
    """
    rows = list(_rows(_pieces_of_spans(text)))
    there = _tags_of(piece for row in rows for piece in row)
    if len(there) < 2:  # spans of one language are no choice
        return "".join(piece for row in rows for _, piece in row)
    chosen = _chosen_in(there, languages, strict=strict)
    return "".join(_of_row(row, chosen, languages, strict=strict) for row in rows)


def _of_blocks(text: str, languages: Sequence[str], *, strict: bool = False) -> str:
    """The same without blocks."""
    blocks = list(_pieces_of_blocks(text))
    there = _tags_of(blocks)
    chosen = _chosen_in(there, languages, strict=strict) if there else ""
    return "".join(piece for tags, piece in blocks if not tags or chosen in tags)


def _of_row(row: Sequence[Piece], chosen: str, languages: Sequence[str], *, strict: bool) -> str:
    """One row in the chosen language. A row without it may have its own choice, but not if it has
    one language only: then another row has the text in the chosen one."""
    there = _tags_of(row)
    if there and chosen not in there:
        if len(there) == 1:
            return "".join(piece for tags, piece in row if not tags)
        chosen = _chosen_in(there, languages, strict=strict)
    return "".join(piece for tags, piece in row if not tags or chosen in tags)


def _tags_of(pieces: Iterable[Piece]) -> list[str]:
    return list(dict.fromkeys(tag for tags, _ in pieces for tag in tags))


def _chosen_in(there: Sequence[str], languages: Sequence[str], *, strict: bool) -> str:
    chosen = _chosen(there, languages)
    if strict and not (chosen == OTHER or _is_kin(chosen, languages[0])):
        raise LookupError(languages[0])
    return chosen


def _is_kin(tag: str, other: str) -> bool:
    """Whether one of them is the other, or both are of one language."""
    return tag.partition("-")[0] == other.partition("-")[0]


def _rows(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """The pieces, with the languages of one text together. Each row has its own choice."""
    row: list[Piece] = []
    for tags, piece in pieces:
        if row and not tags and piece.strip():
            yield row
            row = []
        if tags or piece.strip() or not row:  # blanks between two languages belong to neither
            row.append((tags, piece))
        if not tags and piece.strip():
            yield row
            row = []
    if row:
        yield row


def _pieces_of_spans(text: str) -> Iterator[Piece]:
    at, inside, depth = 0, "", 0
    tags: tuple[str, ...] = ()
    for mark in _TAG.finditer(text):
        closes, name, attributes = mark.group(1), mark.group(2).lower(), mark.group(3)
        language = "" if closes else _language_of(name, attributes)
        if inside == name and not language and (depth or not closes):
            depth += -1 if closes else 1  # an ordinary span within one of a language
        elif language or (closes and inside == name):
            yield tags, text[at : mark.start()]
            at, depth = mark.end(), 0
            inside, tags = (name, (language,)) if language else ("", ())
    yield tags, text[at:]


def _language_of(name: str, attributes: str) -> str:
    found = _LANGUAGE.search(attributes)
    if not found or (name == "span" and not _MULTILANG.search(attributes)):
        return ""
    return _tag(found.group(1))


def _pieces_of_blocks(text: str) -> Iterator[Piece]:
    at = 0
    tags: tuple[str, ...] = ()
    for mark in _MLANG.finditer(text):
        yield tags, text[at : mark.start()]
        at, tags = mark.end(), _tags(mark.group(1) or "")
    yield tags, text[at:]


def _chosen(there: Sequence[str], languages: Iterable[str]) -> str:
    """The language to show: a wanted one, or its parent or a variant of it, else the text's own
    choice for everybody else, English, or the first."""
    for wanted in [_tag(each) for each in languages]:
        for tag in there:
            if tag == wanted:
                return tag
        for tag in there:
            if _is_kin(tag, wanted):
                return tag
    return next((tag for tag in (OTHER, "en") if tag in there), there[0])


@lru_cache(maxsize=256)
def _tags(names: str) -> tuple[str, ...]:
    return tuple(_tag(name) for name in names.split(",") if name.strip())


def _tag(name: str) -> str:
    """Moodle writes ``zh_cn`` where others write ``zh-CN``."""
    return name.strip().lower().replace("_", "-")
