"""An offering's texts in the languages that its source has, and the ones that a reader gets.

An offering has each text once in its main language, in its own fields. ``translations`` holds the
texts of every language that the source has, the main one included: {BCP 47 tag: {field: text}}.
It is empty where the source has one language.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lms_bridge.domain.model import Offering

TRANSLATED = ("title", "location", "description", "audience", "requirements", "objectives")
"""The fields that people read."""


@dataclass(frozen=True, slots=True)
class ReaderTexts:
    """What a reader gets. ``language`` is that of the texts, and ``main`` that of the fields named
    in ``in_main``, which have no translation; "" where it is not known. ``available`` are all
    languages of the offering."""

    fields: dict[str, Any]
    language: str
    main: str
    in_main: frozenset[str]
    available: tuple[str, ...]

    def language_of(self, field: str) -> str:
        return self.main if field in self.in_main else self.language

    def lacks(self, wanted: Iterable[str]) -> str:
        """The first language that the reader wanted, if the offering has none of them."""
        tags = list(wanted)
        if not self.available or not tags or matching(self.available, tags):
            return ""
        return tags[0]


def matching(available: Iterable[str], wanted: Iterable[str]) -> str:
    """The first wanted language that is there, or its parent or a variant of it; "" without one."""
    there = {tag.casefold(): tag for tag in available}
    for tag in wanted:
        if tag.casefold() in there:
            return there[tag.casefold()]
        for each in there:
            if each.partition("-")[0] == tag.casefold().partition("-")[0]:
                return there[each]
    return ""


def reader_texts(fields: Mapping[str, Any], wanted: Iterable[str]) -> ReaderTexts:
    """An offering's fields with the texts of the first wanted language that it has.

    ``fields`` are those of an offering's document. What that language lacks stays in the main one.
    """
    translations = usable(fields.get("translations"))
    main = _main(fields, translations)
    found = matching(translations, wanted) or main
    texts = translations.get(found, {})
    in_main = frozenset(
        name for name in TRANSLATED if fields.get(name) and name not in texts and found != main
    )
    return ReaderTexts({**fields, **texts}, found, main, in_main, tuple(sorted(translations)))


def main_language(record: Offering) -> str:
    """The language of an offering's own texts; "" where it is not known. Without translations it
    may be the one in which the offering is taught."""
    texts = {name: getattr(record, name) for name in TRANSLATED}
    taught = record.languages[0] if len(record.languages) == 1 else ""
    return _main(texts, record.translations) or ("" if record.translations else taught)


def _main(own: Mapping[str, Any], translations: Mapping[str, Mapping[str, str]]) -> str:
    for tag, texts in translations.items():
        if texts and all(own.get(name) == text for name, text in texts.items()):
            return tag
    return ""


def usable(value: object) -> dict[str, dict[str, str]]:
    """The translations of a document. The Academy may hold anything there."""
    return {
        str(tag): {
            name: text
            for name, text in texts.items()
            if name in TRANSLATED and isinstance(text, str) and text
        }
        for tag, texts in (value.items() if isinstance(value, Mapping) else ())
        if isinstance(texts, Mapping)
    }
