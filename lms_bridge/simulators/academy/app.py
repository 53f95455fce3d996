"""The WSGI application: routes, the token, problem documents and faults."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson

from lms_bridge.simulators.academy.answers import HTML, Problem, Reply
from lms_bridge.simulators.academy.faults import Fault, FaultKind
from lms_bridge.simulators.academy.pages import page
from lms_bridge.simulators.academy.putting import Put, put_batch, put_offering, put_result
from lms_bridge.simulators.academy.state import Academy

_PAGE = b"<!doctype html><title>Sign in</title><form method=post></form>"


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    """Still percent-encoded, so that a code may hold a slash."""
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def first(self, name: str) -> str:
        return self.query.get(name, [""])[0]

    def json(self) -> Any:
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise Problem(400, "The body is not JSON") from None


def application(academy: Academy) -> Callable[..., Iterable[bytes]]:
    """The platform as a WSGI application."""

    def respond(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        reply = _answer(academy, _request(environ))
        status = f"{reply.status} {HTTPStatus(reply.status).phrase}"
        length = len(reply.body) if reply.length is None else reply.length
        headers = [("Content-Type", reply.content_type), ("Content-Length", str(length))]
        start_response(status, [*headers, *reply.headers])
        return [reply.body]

    return respond


def _request(environ: dict[str, Any]) -> Request:
    size = int(environ.get("CONTENT_LENGTH") or 0)
    return Request(
        environ["REQUEST_METHOD"],
        environ["RAW_PATH"],
        parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True),
        {
            "authorization": environ.get("HTTP_AUTHORIZATION", ""),
            "idempotency-key": environ.get("HTTP_IDEMPOTENCY_KEY", ""),
        },
        environ["wsgi.input"].read(size),
    )


def _answer(academy: Academy, request: Request) -> Reply:
    with academy.lock:
        academy.requests[f"{request.method} {request.path}"] += 1
    fault = academy.faults.take(request.path)
    if fault is not None and fault.kind is not FaultKind.LOST:
        return _instead(fault)
    try:
        _check_token(academy, request)
        with academy.lock:
            reply = _route(academy, request)
    except Problem as problem:
        reply = problem.reply()
    if fault is None:
        return reply
    return Reply(reply.status, reply.body[:1], reply.content_type, length=len(reply.body) + 1)


def _instead(fault: Fault) -> Reply:
    if fault.kind is FaultKind.PAGE:
        return Reply(200, _PAGE, HTML)
    if fault.kind is FaultKind.GARBLED:
        return Reply(200, b'{"items": [')
    return Problem(fault.status, "A planned fault", retry_after=fault.retry_after).reply()


def _check_token(academy: Academy, request: Request) -> None:
    given = request.headers["authorization"].encode()
    if not hmac.compare_digest(given, f"Bearer {academy.token}".encode()):
        raise Problem(401, "The token is missing or unknown")


def _route(academy: Academy, request: Request) -> Reply:
    match request.method, *request.path.strip("/").split("/"):
        case "GET", "":
            return Reply.json(_health(academy))
        case "GET", "offerings":
            held = (academy.offerings.get(code) for code in request.query.get("ids", []))
            return Reply.json({"items": [record for record in held if record is not None]})
        case "GET", "enrolments":
            first = request.first
            return Reply.json(page(academy, first("centre"), first("cursor"), first("limit")))
        case "POST", ("offerings" | "results") as kind, "batch":
            put: Put = put_offering if kind == "offerings" else put_result
            key = request.headers["idempotency-key"]
            status, answer = put_batch(academy, put, request.json(), key)
            return Reply.json(answer, status)
        case "PUT", "offerings", code:
            return _put(academy, put_offering, request, {"code": unquote(code)})
        case "PUT", "results", offering, learner:
            names = {"offering": unquote(offering), "learner": unquote(learner)}
            return _put(academy, put_result, request, names)
    raise Problem(404, "There is no such resource")


def _put(academy: Academy, put: Put, request: Request, names: dict[str, str]) -> Reply:
    item = request.json()
    if isinstance(item, dict) and any(item.get(name) != value for name, value in names.items()):
        raise Problem(422, "The body names another record than the path")
    return Reply.json({}, put(academy, item))


def _health(academy: Academy) -> dict[str, str]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"contract": "1", "version": academy.version, "time": now}
