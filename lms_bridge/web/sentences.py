"""Sentences of the code in the reader's language, also those with values in them.

The engine and the connectors write plain English, such as "There is no connection 7.", and that is
what the log, the commands, the API and the database hold. Pages recognise it. The catalogues have
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
        *("problem", "reason", "refused", "remedy", "said", "score", "side", "state", "status"),
        *("system", "then", "what", "when", "where", "which", "whose", "why"),
    }
)
"""Names of values that are words or sentences of the code themselves: they are translated, too. Any
other value is a name, a number, an address or a text of a person, and stays as it is."""

LONGEST, MOST_JOINTS = 2_000, 24
"""Characters of a text, and places where it is taken apart: more is not looked at."""
_NAME = re.compile(r"{([a-z][a-z0-9_]*)}")
_JOINT = re.compile(r"(?<=[.!?]) |[;:] ")
_ORDER = (" ", "; ", ": ")
"""Sentences are parted first, what is said of a subject last."""
_MARK = re.compile('(: |["“(])$')
"""What shows where a value begins: "Known: {regions}."."""
_FIELD = re.compile(r"(?:([a-z][a-z0-9_]*(?:\.\w+)*) )?(.+?)(\.?)", re.DOTALL)
"""A field, what is wrong with it, and the end of the sentence."""
_NEXT_SENTENCE = re.compile(r"[.!?] (?=[A-Z])")
_SEVERAL_WORDS = re.compile(r"[^\W\d]\W* \W*[^\W\d]")
_JOINTS = {
    "ar": {"; ": "؛ ", ", ": "، "},
    "fr": {": ": "\N{NO-BREAK SPACE}: ", "; ": "\N{NO-BREAK SPACE}; "},
    "zh": {": ": "：", "; ": "；", ", ": "、", " ": "", " (": "（", ")": "）", ").": "）。"},
}
"""What stands between sentences and parts, where it differs from English."""
_ENDS = {"zh": "。"}


class Kind(Enum):
    TEXT = "in the reader's language"
    VALUE = "a name, a number or a text of a person"
    ENGLISH = "a text of the code that has no translation"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a sentence."""

    text: str
    kind: Kind = Kind.TEXT


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
    if not text or len(text) > LONGEST:
        return ()
    catalogue = _catalogue(language)
    if text in catalogue.texts:
        return (Part(catalogue.texts[text]),)
    subject, colon, message = text.partition(": ")
    if colon and subject in catalogue.texts and (known := parts(message, language)):
        return (Part(catalogue.texts[subject]), _joint(colon, language), *known)
    return (
        _by_template(text, language, strict=True)
        or _listed(text, language)
        or _by_field(text, language)
        or _by_joint(text, language)
        or _by_template(text, language, strict=False)
        or _by_sentence(text, language)
    )


def _by_template(text: str, language: str, *, strict: bool) -> Parts:
    for template in _catalogue(language).templates:
        if template.longest in text:
            values = template.values(text)
            if values is not None:
                shown = {name: _value(name, value, language) for name, value in values.items()}
                if all(_fits(template, shown[name], strict=strict) for name in shown):
                    return tuple(_filled(template.translation, shown))
    return ()


def _fits(template: _Template, value: Parts, *, strict: bool) -> bool:
    """Whether a value can be meant. ``strict``: it holds no end of a sentence, since a second one
    may follow the first. A template of one or two words takes no value of several words."""
    for each in value:
        if each.kind is not Kind.TEXT:
            if strict and _NEXT_SENTENCE.search(each.text):
                return False
            if template.is_short and _SEVERAL_WORDS.search(each.text):
                return False
    return True


def _value(name: str, value: str, language: str) -> Parts:
    if name.removesuffix("_2") not in WORDS:
        return (Part(value, Kind.VALUE),)
    label = _catalogue(language).texts.get(value.replace("_", " ").capitalize())
    if label and value.islower():
        return (Part(label[:1].lower() + label[1:]),)
    is_code = not value.isalpha() and " " not in value
    return parts(value, language) or (Part(value, Kind.VALUE if is_code else Kind.ENGLISH),)


def _listed(text: str, language: str) -> Parts:
    """A list of words that are all known, or of such counts as "6 new", which become "new (6)":
    a number before a word would need the plural of the language."""
    words = text.split(", ", MOST_JOINTS)
    if len(words) > 1:
        each = [parts(word, language) for word in words]
        return _joined(each, _joint(", ", language)) if all(each) else ()
    number, _, word = text.partition(" ")
    known = _catalogue(language).texts.get(word)
    if known and number.isdecimal():
        return (Part(known), _joint(" (", language), Part(number), _joint(")", language))
    return ()


def _filled(translation: str, values: dict[str, Parts]) -> Iterator[Part]:
    for place, piece in enumerate(_NAME.split(translation)):
        if place % 2:
            yield from values.get(piece, ())
        elif piece:
            yield Part(piece)


def _by_joint(text: str, language: str) -> Parts:
    """Two texts in one: "subject: message", "message remedy", "problem; problem", "text (why)"."""
    end = ")." if text.endswith(").") else ")"
    base, bracket, tail = text.removesuffix(end).rpartition(" (")
    if bracket and text.endswith(end) and (found := parts(base, language)):
        inside = parts(tail, language) or (Part(tail, Kind.VALUE),)
        return (*found, _joint(bracket, language), *inside, _joint(end, language))
    joints = list(_JOINT.finditer(text))[:MOST_JOINTS]
    for joint in sorted(joints, key=lambda each: _ORDER.index(each[0])):
        left, right = text[: joint.start()], text[joint.end() :]
        second = parts(right, language)
        if not second or any(each.kind is Kind.ENGLISH for each in second):
            continue
        first = parts(left, language)
        if not first and joint[0] == ": " and not _NEXT_SENTENCE.search(left):
            first = (Part(left, Kind.VALUE),)  # the code, field or system that the text is about
        if first:
            return (*first, _joint(joint[0], language), *second)
    return ()


def _by_field(text: str, language: str) -> Parts:
    """What is wrong with one field: "seats is empty.", "and 3 more."."""
    found = _FIELD.fullmatch(text)
    field, message, end = found.groups() if found else ("", "", "")
    if not message or not (field or end):
        return ()
    known = _catalogue(language).texts.get(message)
    inner = (Part(known),) if known else _by_template(message, language, strict=True)
    inner = inner or _by_joint(message, language)
    if not inner or any(each.kind is Kind.ENGLISH for each in inner):
        return ()
    named = (Part(field, Kind.VALUE), _joint(": ", language)) if field else ()
    return (*named, *inner, Part(_ENDS.get(language, end) if end else ""))


def _by_sentence(text: str, language: str) -> Parts:
    """Several sentences of which some are known."""
    sentences = re.split(r"(?<=[.!?]) (?=[A-Z])", text)[:MOST_JOINTS]
    if len(sentences) == 1:
        return ()
    each = [parts(sentence, language) for sentence in sentences]
    if not any(each):
        return ()
    shown = [
        found or (Part(sentence, Kind.ENGLISH),)
        for found, sentence in zip(each, sentences, strict=True)
    ]
    return _joined(shown, Part(" "))


def _joined(each: list[Parts], joint: Part) -> Parts:
    first, *others = each
    return (*first, *(part for other in others for part in (joint, *other)))


def _joint(text: str, language: str) -> Part:
    return Part(_JOINTS.get(language, {}).get(text, text))
