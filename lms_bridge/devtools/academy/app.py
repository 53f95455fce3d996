"""The simulated Academy's HTTP interface: routes, the token, problem documents, faults."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson

from lms_bridge.devtools.academy.state import (
    AcademyProblem,
    Put,
    SimulatedAcademy,
    page,
    put_batch,
    put_offering,
    put_result,
)
from lms_bridge.devtools.faults import FaultKind, SimulatedFault
from lms_bridge.devtools.wire import HTML_TYPE, JSON_TYPE, WireReply, WireRequest, WireServer

PROBLEM_TYPE = "application/problem+json"
SIGN_IN_PAGE = b"<!doctype html><title>Sign in</title><form method=post></form>"


@contextmanager
def serve(academy: SimulatedAcademy, port: int = 0) -> Iterator[str]:
    """Serves the platform until the end of the block; gives its address."""
    with WireServer(lambda request: answer(academy, request), port).start() as server:
        yield server.url


def answer(academy: SimulatedAcademy, request: WireRequest) -> WireReply:
    with academy.lock:
        academy.requests[f"{request.method} {request.path}"] += 1
    fault = academy.faults.take(request.path)
    if fault is not None and fault.kind is not FaultKind.CUT:
        return _instead(fault)
    try:
        _check_token(academy, request)
        with academy.lock:
            reply = _route(academy, request)
    except AcademyProblem as problem:
        reply = _problem_reply(problem)
    return reply if fault is None else replace(reply, cut=True)


def _instead(fault: SimulatedFault) -> WireReply:
    """Only some kinds of fault happen here: TRUNCATED, LOGIN_PAGE, and HTTP for the others."""
    if fault.kind is FaultKind.LOGIN_PAGE:
        return WireReply(200, SIGN_IN_PAGE, HTML_TYPE)
    if fault.kind is FaultKind.TRUNCATED:
        return WireReply(200, b'{"items": [')
    wait = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    reply = _problem_reply(AcademyProblem(fault.status, "A planned fault"))
    return replace(reply, headers=tuple(wait.items()))


def _problem_reply(problem: AcademyProblem) -> WireReply:
    return WireReply(problem.status, orjson.dumps(problem.document()), PROBLEM_TYPE)


def _json_reply(data: Any, status: int = 200) -> WireReply:
    return WireReply(status, orjson.dumps(data), JSON_TYPE)


def _check_token(academy: SimulatedAcademy, request: WireRequest) -> None:
    given = request.headers.get("authorization", "").encode()
    if not hmac.compare_digest(given, f"Bearer {academy.token}".encode()):
        raise AcademyProblem(401, "The token is missing or unknown")


def _route(academy: SimulatedAcademy, request: WireRequest) -> WireReply:
    query = parse_qs(request.query, keep_blank_values=True)
    # Names are decoded after the path is split, so that a code may hold a slash.
    match request.method, *request.path.strip("/").split("/"):
        case "GET", "":
            return _json_reply(_health(academy))
        case "GET", "offerings":
            held = (academy.offerings.get(code) for code in query.get("ids", []))
            return _json_reply({"items": [record for record in held if record is not None]})
        case "GET", "enrolments":
            given = (query.get(name, [""])[0] for name in ("centre", "cursor", "limit"))
            return _json_reply(page(academy, *given))
        case "POST", ("offerings" | "results") as kind, "batch":
            put: Put = put_offering if kind == "offerings" else put_result
            key = request.headers.get("idempotency-key", "")
            status, rows = put_batch(academy, put, _body(request), key)
            return _json_reply(rows, status)
        case "PUT", "offerings", code:
            return _put(academy, put_offering, request, {"code": unquote(code)})
        case "PUT", "results", offering, learner:
            names = {"offering": unquote(offering), "learner": unquote(learner)}
            return _put(academy, put_result, request, names)
    raise AcademyProblem(404, "There is no such resource")


def _put(
    academy: SimulatedAcademy, put: Put, request: WireRequest, names: dict[str, str]
) -> WireReply:
    item = _body(request)
    if isinstance(item, dict) and any(item.get(name) != value for name, value in names.items()):
        raise AcademyProblem(422, "The body names another record than the path")
    return _json_reply({}, put(academy, item))


def _body(request: WireRequest) -> Any:
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise AcademyProblem(400, "The body is not JSON") from None


def _health(academy: SimulatedAcademy) -> dict[str, str]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"contract": "1", "version": academy.version, "time": now}
