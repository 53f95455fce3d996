"""Errors as problem documents (RFC 9457): ``type`` is the address of the code's documentation.

Beyond the members of the RFC a problem has ``code``, and where it helps ``remedy``, ``errors``
(each with ``field``, ``message``, and for a rule ``code`` and ``documentation``), ``allowed`` and
``reference``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException

from lms_bridge.domain.errors import (
    BridgeError,
    NotFound,
    NotNow,
    RecordRefused,
    Refused,
    RetryLater,
    RulesBroken,
)
from lms_bridge.domain.rules import DOCUMENTATION
from lms_bridge.web.api.codes import CODES
from lms_bridge.web.languages import translated

PREFIX = "/api/"
MEDIA_TYPE = "application/problem+json"
_HTTP = {
    400: ("not-understood", "The address, a header or the body cannot be understood."),
    404: ("no-such-address", "There is nothing at this address."),
    405: ("method-not-possible", "This address does not take that method."),
    413: ("too-large", "The request is larger than what is taken here."),
    415: ("wrong-media-type", "The request is not in a format that is taken here."),
}
_CLASSES: tuple[tuple[type[BridgeError], int], ...] = (
    (NotFound, 404),
    (NotNow, 409),
    (RulesBroken, 422),
    (RecordRefused, 422),
    (Refused, 400),
    (RetryLater, 503),
)


class InvalidRequest(Refused):
    """Fields of a request are wrong; ``messages`` is {field: complaints}, nested as the request."""

    def __init__(self, messages: Mapping[str, Any]) -> None:
        self.messages = messages
        super().__init__("invalid-request", "Fields of the request are wrong.", "Mend them.")


def problem(error: Exception) -> Response | None:
    """The answer to an error; None for one that nobody foresaw, of which nothing may be told."""
    if isinstance(error, HTTPException):
        return _of_http(error)
    if not isinstance(error, BridgeError):
        return None
    known = CODES.get(error.code)
    status = known.status if known else _status(error)
    if status is None:
        return None
    more: dict[str, Any] = {}
    if isinstance(error, NotNow):
        more["allowed"] = list(error.allowed)
    errors = list(_errors(error))
    if errors:
        more["errors"] = errors
    response = document(error.code, status, error.message, error.remedy, **more)
    if isinstance(error, RetryLater):
        response.headers["Retry-After"] = str(math.ceil(error.after or 1))
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="lms_bridge"'
    return response


def _status(error: BridgeError) -> int | None:
    return next((status for kind, status in _CLASSES if isinstance(error, kind)), None)


def _errors(error: BridgeError) -> Iterator[dict[str, str]]:
    if isinstance(error, InvalidRequest):
        for field, message in _flat(error.messages, ""):
            yield {"field": field, "message": message}
    elif isinstance(error, RulesBroken):
        for each in error.findings:
            yield {
                "field": each.field,
                "message": each.message,
                "code": each.code,
                "documentation": f"{DOCUMENTATION}{each.code}",
            }
    elif isinstance(error, RecordRefused) and error.field:
        yield {"field": error.field, "message": error.message}


def _flat(messages: Any, prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            of_all = name == "_schema"  # marshmallow's name for what is wrong with the whole
            path = f"{prefix}.{name}" if prefix else str(name)
            yield from _flat(inner, prefix if of_all else path)
        return
    for message in messages if isinstance(messages, list) else [messages]:
        yield prefix, str(message)


def _of_http(error: HTTPException) -> Response | None:
    status = error.code or 500
    if status >= 500:
        return None
    code, message = _HTTP.get(status, ("not-understood", "The request cannot be answered."))
    response = document(code, status, message)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def document(code: str, status: int, detail: str, remedy: str = "", **more: Any) -> Response:
    """A problem document as a response."""
    known = CODES.get(code)
    body: dict[str, Any] = {
        "type": f"{DOCUMENTATION}{code}",
        "title": translated(known.title) if known else detail,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if remedy:
        body["remedy"] = remedy
    return Response(orjson.dumps({**body, **more}), status, mimetype=MEDIA_TYPE)
