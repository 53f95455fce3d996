"""How much markup a text may hold.

The time to clean some shapes grows with the square of their size: tags inside tags, and attributes
of one tag.
"""

from __future__ import annotations

import re

MOST_TAGS = 2_500
MOST_NESTED = 100
MOST_ATTRIBUTES = 200

_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
_OPENED = re.compile(r"<[A-Za-z][^<>]*")
_VALUES = re.compile(r"(?<=[\s/])[^\s=/\"'<>]+\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_BETWEEN = re.compile(r"[\s/]+")
_NEVER_NESTED = frozenset(
    [
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"),
        *("source", "track", "wbr"),
        *("dd", "dt", "li", "option", "p", "tbody", "td", "tfoot", "th", "thead", "tr"),
    ]
)
"""Elements without an inside, and those that the next of their kind ends."""


def too_much(text: str) -> str:
    """What a text has too much of, as it goes on from the field's name; empty if it is fine."""
    tags = text.count("<")
    if tags > MOST_TAGS:
        return f"has more than {MOST_TAGS:,} tags"
    if tags > MOST_NESTED and _nests_deep(text):
        return f"has more than {MOST_NESTED} tags inside each other"
    if tags and len(text) > MOST_ATTRIBUTES and _has_many_attributes(text):
        return f"has a tag with more than {MOST_ATTRIBUTES} attributes"
    return ""


def _nests_deep(text: str) -> bool:
    """Only the end of the innermost tag counts: a parser lets any other one change little."""
    opened: list[str] = []
    for end, name in _TAG.findall(text):
        name = name.lower()
        if name in _NEVER_NESTED:
            continue
        if not end:
            opened.append(name)
            if len(opened) > MOST_NESTED:
                return True
        elif opened and opened[-1] == name:
            opened.pop()
    return False


def _has_many_attributes(text: str) -> bool:
    plain = _VALUES.sub("x", text)
    return any(
        len(found[0]) > MOST_ATTRIBUTES and len(_BETWEEN.findall(found[0])) > MOST_ATTRIBUTES
        for found in _OPENED.finditer(plain)
    )
