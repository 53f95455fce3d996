"""One way to make a route: with its scope, its sizes, its schemas and its place in the document.

A route that is not made here is not under ``/api/v1``: none can forget to ask who is there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import flask_smorest
import orjson
from flask import Request, Response, request
from marshmallow import RAISE, Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from lms_bridge.domain.access import Scope
from lms_bridge.web.api.callers import let_in
from lms_bridge.web.api.problems import InvalidRequest
from lms_bridge.web.api.replies import JSON

View = Callable[..., Response]
SMALL = 64 * 1024
"""Bytes of a request that says what is to be done with one record."""
VERSION = "/v1"


class _Parser(FlaskParser):
    """Refuses in the words of the interface; a query that is not known is a mistake, too."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE}  # noqa: RUF012 (the library's form)

    def _raw_load_json(self, req: Request) -> Any:
        try:
            return orjson.loads(req.get_data(cache=True))
        except orjson.JSONDecodeError:  # nested too deeply is that, too
            raise BadRequest from None

    def handle_error(
        self,
        error: ValidationError,
        req: Request,
        schema: Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        del req, schema, error_status_code, error_headers
        messages = error.messages if isinstance(error.messages, dict) else {"": error.messages}
        # The outermost name is that of the part of the request: of no use to anybody.
        inner = messages[next(iter(messages))] if len(messages) == 1 else messages
        raise InvalidRequest(inner if isinstance(inner, dict) else messages) from None


class _Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    ARGUMENTS_PARSER = _Parser()


blueprint = _Blueprint("api", __name__, url_prefix=f"/api{VERSION}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One route as it was made. ``scope`` is None where everybody may ask."""

    endpoint: str
    method: str
    rule: str
    scope: Scope | None
    media: tuple[str, ...]
    most_bytes: int


ENTRIES: dict[str, Entry] = {}
"""Every route, by its endpoint."""


def route(
    rule: str,
    *,
    scope: Scope | None,
    answer: type[Schema] | Schema,
    tag: str,
    method: str = "GET",
    name: str = "",
    summary: str = "",
    query: type[Schema] | None = None,
    body: Schema | None = None,
    status: int = 200,
    media: Sequence[str] = (),
    most_bytes: int = SMALL,
    example: Mapping[str, Any] | None = None,
    shown_example: Mapping[str, Any] | None = None,
    headers: Sequence[str] = (),
) -> Callable[[View], View]:
    """Makes a view a route under ``/api/v1``.

    The view gets the parts of the path by name, then (by place) what ``query`` and ``body`` loaded.
    ``media`` are the formats that the body may have where it is not JSON by a schema; ``example``
    and ``shown_example`` are those of the request and of the answer.
    """

    def made(view: View) -> View:
        endpoint = name or view.__name__
        formats = tuple(media) or ((JSON,) if body is not None else ())
        entry = Entry(f"api.{endpoint}", method, rule, scope, formats, most_bytes)
        ENTRIES[entry.endpoint] = entry
        inner: Any = view
        if body is not None:
            inner = blueprint.arguments(body, location="json", example=example)(inner)
        if query is not None:
            inner = blueprint.arguments(query(), location="query")(inner)
        inner = blueprint.response(status, answer, example=shown_example)(inner)
        inner = _guarded(inner, entry)
        inner = blueprint.doc(
            operationId=endpoint,
            summary=summary or (view.__doc__ or "").strip().partition("\n")[0].rstrip("."),
            security=[{"token": []}] if scope is not None else [{}, {"token": []}],
            description=f"Scope: `{scope}`." if scope is not None else "Open to everybody.",
            parameters=list(headers),
            **_raw_body(formats if body is None else ()),
        )(inner)
        blueprint.route(rule, methods=[method], endpoint=endpoint, tags=[tag])(inner)
        return view

    return made


def _raw_body(formats: Sequence[str]) -> dict[str, Any]:
    if not formats:
        return {}
    content = {each: {"schema": {"type": "string"}} for each in formats}
    return {"requestBody": {"required": True, "content": content}}


def _guarded(inner: View, entry: Entry) -> View:
    @functools.wraps(inner)
    def view(*args: Any, **parts: Any) -> Response:
        let_in(entry.scope)
        request.max_content_length = entry.most_bytes
        if entry.media:
            _check_body(entry)
        return inner(*args, **parts)

    return view


def _check_body(entry: Entry) -> None:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType  # what is small on the way may be huge when unpacked
    if request.mimetype not in entry.media:
        raise UnsupportedMediaType
    if (request.content_length or 0) > entry.most_bytes:
        raise RequestEntityTooLarge
    if request.mimetype == JSON:
        _check_json()


def _check_json() -> None:
    """JSON that the databases cannot keep is refused before anything looks into it."""
    if b"\\u0000" in request.get_data(cache=True):
        raise BadRequest
