"""Forms in, replies out: PHP's nested fields, JSON, XML, HTML pages, and damaged answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import unquote_plus
from xml.sax.saxutils import escape as escape_xml

import orjson

from lms_bridge.devtools.faults import FaultKind, SimulatedFault
from lms_bridge.devtools.moodle.facts import MoodleError
from lms_bridge.devtools.wire import HTML_TYPE, WireReply

Pairs = list[tuple[str, str]]


#: A batch of 500 enrolments repeats the names of the batch before it.
_read_name = lru_cache(maxsize=16384)(unquote_plus)
XML_TYPE = "application/xml; charset=utf-8"
XML_HEAD = '<?xml version="1.0" encoding="UTF-8" ?>\n'
HTTP_TITLES = {
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}


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


def html_page(title: str, text: str) -> bytes:
    title, text = escape(title), escape(text)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><title>{title}</title></head>\n'
        f"<body><h1>{title}</h1><p>{text}</p></body>\n</html>\n"
    ).encode()


def maintenance_page(site_name: str) -> bytes:
    """What a site under maintenance shows, with the title that Moodle gives it."""
    return html_page(f"{site_name} under maintenance", "The site is not available at the moment.")


def login_page(site_name: str) -> bytes:
    """What a session that has ended, or a captive portal, shows."""
    return html_page(f"Log in to the site | {site_name}", "Username and password, please.")


def as_json(answer: Any) -> bytes:
    """The answer as JSON. Unlike PHP's, characters beyond ASCII stay as they are."""
    return orjson.dumps(answer)


def as_php_json(answer: Any) -> str:
    """JSON letter for letter as PHP writes it, for JSON carried inside a string."""
    return json.dumps(answer, separators=(",", ":")).replace("/", "\\/")


def error_as_xml(error: MoodleError) -> bytes:
    """An error as recorded without ``moodlewsrestformat``."""
    code = (
        "" if error.errorcode is None else f"<ERRORCODE>{escape_xml(error.errorcode)}</ERRORCODE>\n"
    )
    return (
        f'{XML_HEAD}<EXCEPTION class="{escape_xml(error.exception)}">\n{code}'
        f"<MESSAGE>{escape_xml(error.message)}</MESSAGE>\n</EXCEPTION>\n"
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
    return f"<VALUE>{escape_xml(text)}</VALUE>\n"


def reply_instead(fault: SimulatedFault, site_name: str, wwwroot: str) -> WireReply:
    """What comes instead of an answer."""
    match fault.kind:
        case FaultKind.RESET:
            return WireReply(reset=True)
        case FaultKind.LOGIN_PAGE:
            return WireReply(200, login_page(site_name), HTML_TYPE)
        case FaultKind.REDIRECT:
            target = (("Location", f"{wwwroot}/login/index.php"),)
            return WireReply(302, b"", HTML_TYPE, target)
        case FaultKind.MAINTENANCE:
            return WireReply(503, maintenance_page(site_name), HTML_TYPE)
        case _:
            title = HTTP_TITLES.get(fault.status, "Error")
            wait = () if fault.retry_after is None else (("Retry-After", fault.retry_after),)
            body = html_page(f"{fault.status} {title}", title)
            return WireReply(fault.status, body, "text/html", wait)


def spoiled_reply(fault: SimulatedFault, reply: WireReply) -> WireReply:
    """The answer, damaged on its way."""
    match fault.kind:
        case FaultKind.TRUNCATED:
            return replace(reply, body=reply.body[: max(1, len(reply.body) // 2)])
        case FaultKind.CUT:
            return replace(reply, cut=True)
        case FaultKind.XML:
            xml = answer_as_xml(orjson.loads(reply.body))
            return replace(reply, body=xml, content_type=XML_TYPE)
        case FaultKind.EMPTY:
            return replace(reply, body=b"")
        case FaultKind.SLOW:
            return replace(reply, drip=fault.seconds)
        case FaultKind.WRONG_TYPE:
            return replace(reply, content_type=HTML_TYPE)
        case _:
            return replace(reply, body=orjson.dumps(_doubled(orjson.loads(reply.body))))


def _doubled(answer: Any) -> Any:
    """The first row of the first list comes twice, as from a page read during a change."""
    if isinstance(answer, list):
        return answer[:1] + answer
    if isinstance(answer, dict):
        for name, value in answer.items():
            if isinstance(value, list) and value:
                return answer | {name: value[:1] + value}
    return answer
