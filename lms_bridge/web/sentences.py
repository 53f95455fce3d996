"""Sentences of the code in the reader's language, also those with values in them.

The engine and the connectors write plain English, such as "There is no connection 7." The log, the
commands, the API and the database hold just that. Pages recognise it. The catalogues have
an entry for each such sentence, with names in place of its values: "There is no connection
{number}." A text fits an entry whose words it holds in that order; what stands between them are the
values. They go into the translation as they are: as plain text, never as HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path

from babel.messages.mofile import read_mo

FOLDER = Path(__file__).parent / "translations"

WORDS = frozenset(
    {
        *("action", "completed", "damage", "error", "flow", "how", "kind", "loss", "message"),
        *("problem", "reason", "refused", "remedy", "role", "said", "score", "seen", "side"),
        *("state", "status", "system", "then", "what", "when", "where", "which", "whose", "why"),
    }
)
"""Names of values that are words or sentences of the code themselves: they are translated, too. Any
other value is a name, a number, an address or a text of a person, and stays as it is."""

LONGEST, MOST_PIECES, MOST_TEXTS, DEEPEST = 1_000, 24, 200, 12
"""Characters of a text, pieces of it, texts in it, and in each other: more is not looked
at, as an outside system may have written a part of it."""
MOST_SENTENCES = 4
"""Sentences in one entry."""
_NAME = re.compile(r"{([a-z][a-z0-9_]*)}")
_MARK = re.compile('(: |["“(])$')
"""What shows where a value begins: "Known: {regions}."."""
_FIELD = re.compile(r"(?:([a-z][A-Za-z0-9_]*(?:\.\w+)*) )?(.+?)(\.?)", re.DOTALL)
"""A field, what is wrong with it, and the end of the sentence."""
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z])")
_CODE = re.compile(r"([a-z_]+/[a-z_]+:[a-z_]+)")
_SEVERAL_WORDS = re.compile(r"[^\W\d]\W* \W*[^\W\d]")
_JOINTS = {
    "ar": {"; ": "؛ ", ", ": "، "},
    "fr": {": ": "\N{NO-BREAK SPACE}: ", "; ": "\N{NO-BREAK SPACE}; "},
    "zh": {": ": "：", "; ": "；", ", ": "、", " ": "", " (": "（", ")": "）", ").": "）。"},
}
"""What stands between sentences and parts, where it differs from English."""
_ENDS = {"zh": "。"}


class PartKind(Enum):
    TEXT = "in the reader's language"
    VALUE = "a name, a number or a text of a person"
    ENGLISH = "a text of the code that has no translation"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a sentence."""

    text: str
    kind: PartKind = PartKind.TEXT


Parts = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Template:
    """``literals`` stand before, between and after the values that ``names`` names."""

    literals: tuple[str, ...]
    names: tuple[str, ...]
    longest: str
    is_short: bool
    translation: str

    def values(self, text: str) -> dict[str, str] | None:
        """The values, if the text fits: each as short as it can be, and never empty."""
        first, *middle, last = self.literals
        end = len(text) - len(last)
        if not (text.startswith(first) and text.endswith(last)):
            return None
        found: list[str] = []
        begin = len(first)
        for literal in middle:
            at = text.find(literal, begin + 1, end)
            if at < 0:
                return None
            found.append(text[begin:at])
            begin = at + len(literal)
        found.append(text[begin:end])
        values = dict(zip(self.names, found, strict=True))
        same = all(values[name] == value for name, value in zip(self.names, found, strict=True))
        return values if begin < end and same else None


@dataclass(frozen=True, slots=True)
class _Catalogue:
    texts: dict[str, str]
    templates: tuple[_Template, ...]


@lru_cache(16)
def _catalogue(language: str) -> _Catalogue:
    with (FOLDER / language / "LC_MESSAGES" / "messages.mo").open("rb") as file:
        messages = [each for each in read_mo(file) if isinstance(each.id, str) and each.id]
    texts = {str(each.id): str(each.string) for each in messages}
    templates = (_template(text, texts[text]) for text in texts if _NAME.search(text))
    # The more a template says, the surer it is that a text which fits is meant.
    ordered = sorted(templates, key=lambda each: -sum(map(len, each.literals)))
    return _Catalogue(texts, tuple(ordered))


def _template(text: str, translation: str) -> _Template:
    pieces = _NAME.split(text)
    literals = tuple(pieces[::2])
    words = sum(len(re.findall(r"[A-Za-z']+", each)) for each in literals)
    is_short = words < 3 and not (words and any(map(_MARK.search, literals[:-1])))
    return _Template(literals, tuple(pieces[1::2]), max(literals, key=len), is_short, translation)


@lru_cache(8_192)
def parts(text: str, language: str) -> Parts:
    """A text of the code in a language; () where it is not known there."""
    return _Reader(language).read(text) if text and len(text) <= LONGEST else ()


class _Reader:
    """Reads a text, and the texts inside of it, each once."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._read: dict[str, Parts] = {}
        self._depth = 0

    def read(self, text: str) -> Parts:
        if text not in self._read:
            if self._depth > DEEPEST or len(self._read) > MOST_TEXTS:
                return ()
            self._depth += 1
            self._read[text] = self._in_any_way(text)
            self._depth -= 1
        return self._read[text]

    def _in_any_way(self, text: str) -> Parts:
        subject, colon, message = text.partition(": ")
        named = self._exact(subject) if colon else ()
        if named and not self._exact(text) and (found := self.read(message)):
            return (*named, self._joint(colon), *found)
        return (
            self._known(text)
            or self._in_pieces(text, _SENTENCE_END.split(text, MOST_PIECES), " ")
            or self._in_pieces(text, text.split("; ", MOST_PIECES), "; ")
            or self._listed(text)
            or self._with_tail(text)
            or self._by_field(text)
            or self._about(text)
            or self._by_template(text, strict=False)
        )

    def _exact(self, text: str) -> Parts:
        return tuple(_with_codes(_catalogue(self.language).texts.get(text, "")))

    def _known(self, text: str) -> Parts:
        return self._exact(text) or self._by_template(text, strict=True)

    def _by_template(self, text: str, *, strict: bool) -> Parts:
        for template in _catalogue(self.language).templates:
            if template.longest in text:
                values = template.values(text)
                if values is not None:
                    shown = {name: self._value(name, value) for name, value in values.items()}
                    if all(_fits(template, each, strict=strict) for each in shown.values()):
                        return tuple(_filled(template.translation, shown))
        return ()

    def _value(self, name: str, value: str) -> Parts:
        if name.removesuffix("_2") not in WORDS:
            return (Part(value, PartKind.VALUE),)
        label = _catalogue(self.language).texts.get(value.replace("_", " ").capitalize())
        if label and value.islower():
            return (Part(label[:1].lower() + label[1:]),)
        is_code = not value.isalpha() and " " not in value
        return self.read(value) or (Part(value, PartKind.VALUE if is_code else PartKind.ENGLISH),)

    def _in_pieces(self, text: str, pieces: list[str], joint: str) -> Parts:
        """Several sentences or problems. Some entries have two sentences, so the longest row of
        pieces is taken that is known. Pieces that are not known stay English between others."""
        found: list[Parts] = []
        begin = 0
        while len(pieces) > 1 and begin < len(pieces):
            ends = range(begin + 1, min(begin + MOST_SENTENCES, len(pieces)) + 1)
            rows = [joint.join(pieces[begin:end]) for end in ends]
            row, known = self._longest([each for each in rows if each != text])
            found.append(known or (Part(row, PartKind.ENGLISH),))
            begin += row.count(joint) if joint == "; " else len(_SENTENCE_END.findall(row))
            begin += 1
        if all(each.kind is PartKind.ENGLISH for known in found for each in known):
            return ()
        return _joined(found, self._joint(joint))

    def _longest(self, rows: list[str]) -> tuple[str, Parts]:
        """The row that is known, of rows that grow; the first, where none is."""
        for row in reversed(rows[1:]):
            if known := self._known(row):
                return row, known
        if known := self.read(rows[0]):
            return rows[0], known
        for row in rows[1:]:
            if known := self._by_template(row, strict=False):
                return row, known
        return rows[0], ()

    def _listed(self, text: str) -> Parts:
        """A list of words that are all known, or of such counts as "6 new", which become "new (6)":
        a number before a word would need the plural of the language."""
        words = text.split(", ", MOST_PIECES)
        if len(words) > 1:
            each = [self.read(word) for word in words]
            return _joined(each, self._joint(", ")) if all(each) else ()
        number, _, word = text.partition(" ")
        known = _catalogue(self.language).texts.get(word)
        if known and number.isdecimal():
            return (Part(known), self._joint(" ("), Part(number), self._joint(")"))
        return ()

    def _with_tail(self, text: str) -> Parts:
        """ "text (reason)" """
        end = ")." if text.endswith(").") else ")"
        base, bracket, tail = text.removesuffix(end).rpartition(" (")
        if bracket and text.endswith(end) and (found := self.read(base)):
            inside = self.read(tail) or (Part(tail, PartKind.VALUE),)
            return (*found, self._joint(bracket), *inside, self._joint(end))
        return ()

    def _about(self, text: str) -> Parts:
        """ "subject: message" """
        subject, _, message = text.partition(": ")
        found = self.read(message) if message else ()
        if not found or any(each.kind is PartKind.ENGLISH for each in found):
            return ()
        about = self.read(subject) or (Part(subject, PartKind.VALUE),)
        return (*about, self._joint(": "), *found)

    def _by_field(self, text: str) -> Parts:
        """What is wrong with one field: "seats is empty.", "and 3 more."."""
        split = _FIELD.fullmatch(text)
        field, message, end = split.groups() if split else ("", "", "")
        for name, problem in ((field, message), ("", text.removesuffix("."))):
            if (name or end) and problem and (found := self._problem(problem)):
                named = (Part(name, PartKind.VALUE), self._joint(": ")) if name else ()
                return (*named, *found, Part(_ENDS.get(self.language, end) if end else ""))
        return ()

    def _problem(self, text: str) -> Parts:
        found = self._known(text) or self._with_tail(text) or self._about(text)
        return () if any(each.kind is PartKind.ENGLISH for each in found) else found

    def _joint(self, text: str) -> Part:
        return Part(joint(text, self.language))


def joint(text: str, language: str) -> str:
    """What stands between sentences and parts in a language, for what English has there."""
    return _JOINTS.get(language, {}).get(text, text)


def _fits(template: _Template, value: Parts, *, strict: bool) -> bool:
    """Whether a value can be meant. ``strict``: it holds no end of a sentence, since a second one
    may follow the first. A template of one or two words takes no value of several words."""
    for each in value:
        if each.kind is not PartKind.TEXT:
            if strict and _SENTENCE_END.search(each.text):
                return False
            if template.is_short and _SEVERAL_WORDS.search(each.text):
                return False
    return True


def _filled(translation: str, values: dict[str, Parts]) -> Iterator[Part]:
    for place, piece in enumerate(_NAME.split(translation)):
        if place % 2:
            yield from values.get(piece, ())
        else:
            yield from _with_codes(piece)


def _with_codes(text: str) -> Iterator[Part]:
    """A translation, with the capabilities of an LMS in it as values."""
    for place, piece in enumerate(_CODE.split(text)):
        if piece:
            yield Part(piece, PartKind.VALUE if place % 2 else PartKind.TEXT)


def _joined(each: list[Parts], joint: Part) -> Parts:
    first, *others = each
    return (*first, *(part for other in others for part in (joint, *other)))
