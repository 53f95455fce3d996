"""An answer on its way to the socket, and how faults spoil it."""

from dataclasses import dataclass, replace
from typing import Any

import orjson

from lms_bridge.simulators.moodle.faults import Fault, FaultKind

from . import pages
from .rendering import JSON_TYPE, XML_TYPE, answer_as_xml

HTTP_TITLES = {
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, body and headers; ``reset`` breaks the connection instead, ``cut`` halfway through,
    ``drip`` sends the body over that many seconds."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    reset: bool = False
    cut: bool = False
    drip: float = 0.0


def instead(fault: Fault, site_name: str, wwwroot: str) -> Reply:
    """What comes instead of an answer."""
    match fault.kind:
        case FaultKind.RESET:
            return Reply(reset=True)
        case FaultKind.LOGIN_PAGE:
            return Reply(200, pages.login(site_name), pages.HTML_TYPE)
        case FaultKind.REDIRECT:
            target = (("Location", f"{wwwroot}/login/index.php"),)
            return Reply(302, b"", pages.HTML_TYPE, target)
        case FaultKind.MAINTENANCE:
            return Reply(503, pages.maintenance(site_name), pages.HTML_TYPE)
        case _:
            title = HTTP_TITLES.get(fault.status, "Error")
            wait = () if fault.retry_after is None else (("Retry-After", fault.retry_after),)
            body = pages.page(f"{fault.status} {title}", title)
            return Reply(fault.status, body, "text/html", wait)


def spoiled(fault: Fault, reply: Reply) -> Reply:
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
            return replace(reply, content_type="text/html; charset=utf-8")
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
