"""Moodle's parameter types: a value that isn't exactly what cleaning leaves of it is refused."""

import re
from collections.abc import Callable
from typing import Any

from lms_bridge.simulators.moodle.errors import invalid_parameter

# PHP's strip_tags takes "<" for a tag unless white space follows, so "a <3 b" is refused.
TAG = re.compile(r"<(?!\s)")
INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")


def _pattern(expression: str) -> Callable[[str], bool]:
    match = re.compile(expression).fullmatch
    return lambda text: match(text) is not None


def _no_tags(text: str) -> bool:
    return TAG.search(text) is None


TEXT_TYPES: dict[str, Callable[[str], bool]] = {
    "raw": lambda text: True,
    "raw_trimmed": lambda text: text == text.strip(),
    "text": _no_tags,
    "notags": _no_tags,
    "alpha": _pattern(r"[a-zA-Z]*"),
    "alphanum": _pattern(r"[a-zA-Z0-9]*"),
    "alphanumext": _pattern(r"[a-zA-Z0-9_-]*"),
    "safedir": _pattern(r"[a-zA-Z0-9_-]*"),
    "plugin": _pattern(r"([a-z][a-z0-9_]*)?"),
    "theme": _pattern(r"([a-z][a-z0-9_]*)?"),
    "auth": _pattern(r"[a-z][a-z0-9_]*"),
    "username": _pattern(r"[-.@_a-z0-9]*"),
    "lang": _pattern(r"([a-z]{2,3}(_[a-z0-9_]+)?)?"),
    "timezone": _pattern(r"(99|-?\d+(\.\d+)?|[A-Za-z_]+(/[A-Za-z_+-]+)*|)"),
}


def clean(type_name: str, value: Any) -> Any:
    """The value as that type: int, bool or str. Raises the answer ``invalidparameter``.

    ``value`` is text from a form, or any JSON scalar from a batch of calls.
    """
    if value is None:
        return None
    if isinstance(value, dict | list):
        raise invalid_parameter()
    text = str(int(value)) if isinstance(value, bool) else str(value)
    if type_name == "int":
        if not INTEGER.fullmatch(text):
            raise invalid_parameter()
        return int(text)
    if type_name == "bool":
        if text not in ("0", "1"):
            raise invalid_parameter()
        return text == "1"
    if not TEXT_TYPES[type_name](text):
        raise invalid_parameter()
    return text
