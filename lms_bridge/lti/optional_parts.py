"""Parts of a launch that nobody needs: whatever is not as it should be counts as missing.

What is passed over is noted at debug level by its name alone: its content may be personal data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import structlog

from lms_bridge.domain.lti_roles import names_of
from lms_bridge.lti import json_parts
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.schemas.characters import visible

_CODE = "part-ignored"
_log = structlog.get_logger(__name__)
Found = TypeVar("Found")
Given = Mapping[str, Any]


def section(given: Given, name: str) -> dict[str, Any]:
    return _or(lambda: json_parts.section(given, name, _CODE), {})


def label(given: Given, name: str, longest: int = 255) -> str:
    return _or(lambda: json_parts.label(given, name, _CODE, longest=longest), "")


def address(given: Given, name: str) -> str:
    return _or(lambda: json_parts.address(given, name, _CODE), "")


def texts(given: Given, name: str) -> tuple[str, ...]:
    """The texts of a list, without all else that it holds, in the forms of ``names_of``."""
    listed = names_of(given.get(name)) or []
    return tuple(text for each in listed if (text := label({name: each}, name)))


def custom(given: Given, name: str, longest: int) -> dict[str, str]:
    """Custom parameters, without those that are nested or longer than so many characters. Numbers
    and flags become texts."""
    found: dict[str, str] = {}
    for key, value in section(given, name).items():
        plain = json.dumps(value) if isinstance(value, (bool, float)) else value
        text = label({name: plain}, name, longest)
        if (text or plain == "") and 0 < len(key) <= 255:
            found[key] = text
    return found


def shown_text(given: Given, name: str, *, longest: int = 2000) -> str:
    """A text that is only shown; a long one is cut. A whole number counts as its digits."""
    value = given.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return visible(value[:longest])
    if value is not None:
        _ignored(name)
    return ""


def _or(read: Callable[[], Found], missing: Found) -> Found:
    try:
        return read()
    except LtiRefused as error:
        _ignored(error.detail)
        return missing


def _ignored(name: str) -> None:
    _log.debug("part of a launch ignored", part=name.rpartition("/")[2])
