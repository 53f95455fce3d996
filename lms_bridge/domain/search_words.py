"""The words that a text is found by. Texts and questions are folded by one rule, on each database:
accents and case do not matter, and a text without blanks is found by any two of its characters."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

LONGEST, MOST_WORDS, MOST_ASKED = 40, 4_000, 8
"""Characters of a word, different words of one text, words of a question: the rest is left out."""
_LONGEST_QUESTION = 200
_MARKUP = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[^\W_]+")
# Thai, Lao, Burmese, Khmer, Japanese and Chinese are written without blanks between words.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+)"
)
# Letters that Unicode does not take apart, and Arabic ones that people write for each other.
_LETTERS = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ħ": "h",
        "ŧ": "t",
        "æ": "ae",
        "œ": "oe",
        "ı": "i",
        "þ": "th",
        "\u0640": "",
        "\u0649": "\u064a",
        "\u0629": "\u0647",
    }
)
_ARTICLE = "\u0627\u0644"
"""The Arabic article, which is written together with its word."""


@dataclass(frozen=True, slots=True)
class SearchWord:
    """A word of a question. With ``begins`` longer words that begin like it are meant, too."""

    text: str
    begins: bool = False


def folded(text: str) -> str:
    """The text without accents, vowel points and case."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in apart if unicodedata.category(letter) != "Mn")
    return unicodedata.normalize("NFC", bare.casefold().translate(_LETTERS))


def without_markup(text: str) -> str:
    """A text that may hold HTML without its tags."""
    return html.unescape(_MARKUP.sub(" ", text)) if "<" in text or "&" in text else text


def words_of(texts: Iterable[str]) -> dict[str, None]:
    """The different words of plain texts, in the order in which they come."""
    found: dict[str, None] = {}
    for text in texts:
        for word in _words(folded(text)):
            if len(found) >= MOST_WORDS:
                return found
            found[word] = None
    return found


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        if word.isascii():
            yield word[:LONGEST]
            continue
        for place, part in enumerate(_UNSPACED.split(word)):
            if place % 2:
                yield from (part[at : at + 2] for at in range(len(part)))
            elif part:
                yield _without_article(part)[:LONGEST]


def _without_article(word: str) -> str:
    return word[2:] if word.startswith(_ARTICLE) and len(word) > 4 else word


@lru_cache(2_048)
def search_words(question: str) -> tuple[SearchWord, ...]:
    """The words that somebody looks for: each must be there, the last one at least in its
    beginning. Signs mean nothing, so no question is wrong."""
    words = list(dict.fromkeys(_words(folded(question[:_LONGEST_QUESTION]))))
    # The last character of a text without blanks stands alone, after its pair.
    asked = [each for each in words if not _ends_a_pair(each, words)][:MOST_ASKED]
    return tuple(
        SearchWord(word, _may_be_longer(word, word == asked[-1])) for word in dict.fromkeys(asked)
    )


def _ends_a_pair(word: str, words: list[str]) -> bool:
    return (
        len(word) == 1
        and bool(_UNSPACED.fullmatch(word))
        and any(len(each) == 2 and each[1] == word for each in words)
    )


def _may_be_longer(word: str, last: bool) -> bool:
    if len(word) == 1:
        return bool(_UNSPACED.fullmatch(word))
    return last
