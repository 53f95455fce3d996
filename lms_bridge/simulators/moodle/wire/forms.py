"""Reading a form the way PHP does: ``a[0][b]=c`` becomes ``{"a": {"0": {"b": "c"}}}``.

Lists stay dicts here, as PHP's arrays do: which level is a list is known only to the declared
parameters of the function (:mod:`.signature`).
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

Pairs = list[tuple[str, str]]


#: A batch of 500 enrolments repeats the names of the batch before it.
_read_name = lru_cache(maxsize=16384)(unquote_plus)


def read_pairs(encoded: str) -> Pairs:
    """The names and values of an urlencoded form or query, in order."""
    pairs = []
    for part in encoded.split("&"):
        if part:
            name, _, value = part.partition("=")
            plain = "%" not in value and "+" not in value
            pairs.append((_read_name(name), value if plain else unquote_plus(value)))
    return pairs


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Nested dicts in the order in which their keys first appear; the last value of a name wins."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        head, bracket, rest = name.partition("[")
        if not bracket:
            root[head] = value
            continue
        path = rest.removesuffix("]").split("][")
        here, key = root, head
        for step in path:
            below = here.get(key)
            if type(below) is not dict:
                below = here[key] = {}
            here, key = below, step or str(len(below))
        here[key] = value
    return root
