"""Answers as bytes: JSON, or XML where the caller didn't ask for JSON."""

import json
from typing import Any
from xml.sax.saxutils import escape

import orjson

from lms_bridge.simulators.moodle.errors import MoodleError

JSON_TYPE = "application/json"
XML_TYPE = "application/xml; charset=utf-8"
XML_HEAD = '<?xml version="1.0" encoding="UTF-8" ?>\n'


def as_json(answer: Any) -> bytes:
    """The answer as JSON. Unlike PHP's, characters beyond ASCII stay as they are."""
    return orjson.dumps(answer)


def as_php_json(answer: Any) -> str:
    """JSON letter for letter as PHP writes it, for JSON carried inside a string."""
    return json.dumps(answer, separators=(",", ":")).replace("/", "\\/")


def error_as_xml(error: MoodleError) -> bytes:
    """An error as recorded without ``moodlewsrestformat``."""
    code = "" if error.errorcode is None else f"<ERRORCODE>{escape(error.errorcode)}</ERRORCODE>\n"
    return (
        f'{XML_HEAD}<EXCEPTION class="{escape(error.exception)}">\n{code}'
        f"<MESSAGE>{escape(error.message)}</MESSAGE>\n</EXCEPTION>\n"
    ).encode()


def answer_as_xml(answer: Any) -> bytes:
    """A success as XML (not recorded; written after Moodle's documented REST format)."""
    inner = "" if answer is None else _element(answer)
    return f"{XML_HEAD}<RESPONSE>\n{inner}</RESPONSE>\n".encode()


def _element(value: Any) -> str:
    if isinstance(value, dict):
        keys = "".join(f'<KEY name="{k}">{_element(v)}</KEY>\n' for k, v in value.items())
        return f"<SINGLE>\n{keys}</SINGLE>\n"
    if isinstance(value, list):
        return "<MULTIPLE>\n" + "".join(map(_element, value)) + "</MULTIPLE>\n"
    if value is None:
        return '<VALUE null="null"/>\n'
    text = str(int(value)) if isinstance(value, bool) else str(value)
    return f"<VALUE>{escape(text)}</VALUE>\n"
