"""What the server itself answers to requests that break HTTP, or come too slowly."""

from __future__ import annotations

import json
import secrets
from html import escape

import structlog

from lms_bridge.server.received import ReceivedRequest

_log = structlog.get_logger(__name__)
_TEXTS = {
    400: ("Bad Request", "not-understood", "The request cannot be understood."),
    405: ("Method Not Allowed", "method-not-possible", "This address does not take that method."),
    408: ("Request Timeout", "too-slow", "The request came too slowly. Please send it again."),
    414: ("URI Too Long", "too-large", "The address is too long."),
    429: ("Too Many Requests", "too-many-requests", "Wait for an answer before you send more."),
    431: ("Request Header Fields Too Large", "too-large", "The headers are too large."),
    500: ("Internal Server Error", "defect", "The request could not be answered."),
    501: ("Not Implemented", "not-understood", "Only the transfer coding “chunked” is accepted."),
    507: (
        "Insufficient Storage",
        "disk-full",
        "The bridge cannot keep the body: the disk of its temporary folder is full or read-only.",
    ),
    503: ("Service Unavailable", "too-busy", "The server is busy. Please try again soon."),
}
_RETRY = "Retry-After: 10\r\n"


def error_response(status: int, request: ReceivedRequest | None) -> bytes:
    """The response: a page for people, a problem document for programs. Its reference finds the
    line in the log."""
    phrase, code, message = _TEXTS[status]
    reference = secrets.token_hex(4)
    _log.info("request refused", status=status, code=code, reference=reference)
    if request is not None and b"text/html" in request.header(b"accept"):
        kind = "text/html; charset=utf-8"
        text = f"<!doctype html><title>{phrase}</title><p>{escape(message)}</p>"
        text += f"<p>Reference: <code>{reference}</code></p>\n"
    else:
        kind = "application/problem+json"
        text = json.dumps(
            {
                "title": phrase,
                "status": status,
                "detail": message,
                "code": code,
                "reference": reference,
            },
            ensure_ascii=False,
        )
    body = b"" if request is not None and request.method == "HEAD" else text.encode()
    return (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\n"
        f"{_RETRY if status in (408, 429, 503, 507) else ''}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
