"""Moodle's way to write nested parameters in a form: ``users[0][email]=…``.

Source: "Web services" in Moodle's developer documentation, REST protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote_plus

Parameter = str | int | bool | None | list["Parameter"] | dict[str, "Parameter"]
Parameters = Mapping[str, Parameter]

_TAG_START = re.compile(r"<(?=\S)")


def encode(parameters: Parameters) -> bytes:
    """The form's bytes. None is left out, truth is 1 and falsehood 0, brackets stay bare."""
    parts: list[str] = []
    for name, value in parameters.items():
        _add(name, value, parts)
    return "&".join(parts).encode("ascii")


def _add(name: str, value: Parameter, parts: list[str]) -> None:
    # in the order of how often they occur in a batch of thousands of values
    if isinstance(value, int):
        parts.append(f"{name}={int(value)}")
    elif isinstance(value, str):
        parts.append(f"{name}={quote_plus(value)}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _add(f"{name}[{key}]", inner, parts)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _add(f"{name}[{position}]", inner, parts)


def without_tags(text: str) -> str:
    """The text with nothing in it that Moodle takes for markup, which it refuses in names."""
    return _TAG_START.sub("", text)
