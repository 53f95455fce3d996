"""English words on a page that is in another language."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_WORD = re.compile(r"[A-Za-z]{4,}")
_OTHERS = frozenset({"bdi", "code", "time", "option", "script", "style", "title", "pre"})
"""Elements whose text is a name, a code, or no text of the page."""
_EMPTY = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})
_SPOKEN = ("aria-label", "title", "placeholder", "alt", "data-label")


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text))


class _Words(HTMLParser):
    def __init__(self, language: str) -> None:
        super().__init__()
        self.language = language
        self.found: set[str] = set()
        self.labels: set[str] = set()
        self.foreign: set[str] = set()
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        foreign = given.get("lang", self.language) != self.language
        named = tag in _OTHERS or given.get("class") == "zone" or given.get("dir") == "auto"
        skipped = self._skips or (tag != "html" and (foreign or named))
        if not skipped:
            self.labels |= _words(" ".join(given.get(name) or "" for name in _SPOKEN))
        if tag not in _EMPTY:
            self._open.append((tag, skipped))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        found = self.foreign if self._skips else self.found
        found |= _words(data)

    @property
    def _skips(self) -> bool:
        return bool(self._open) and self._open[-1][1]


def english_words(page: str, language: str) -> set[str]:
    """Latin words outside of names, codes and what is marked as another language. A label may name
    what the page shows so."""
    parser = _Words(language)
    parser.feed(page)
    return parser.found | (parser.labels - parser.foreign)
