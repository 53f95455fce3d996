"""One way to make a route: with its scope, its sizes, its schemas and its place in the document.

A route that is not made here is not under ``/api/v1``: none can forget to ask who is there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flask_smorest
import orjson
from flask import Response, request
from marshmallow import RAISE, Schema, ValidationError
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import Refused
from lms_bridge.web.api.callers import is_signed, let_in, let_in_signed
from lms_bridge.web.api.problems import InvalidRequest
from lms_bridge.web.api.replies import JSON

View = Callable[..., Response]
SMALL = 64 * 1024
"""Bytes of a request that says what is to be done with one record."""
VERSION = "/v1"
NUMBER = "<int(max=2147483647):number>"
"""The part of an address that is a record's number."""


blueprint = flask_smorest.Blueprint("api", __name__, url_prefix=f"/api{VERSION}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One route as it was made. ``scope`` is None where everybody may ask; ``signed`` where the
    Academy may sign the request instead of showing a token."""

    endpoint: str
    method: str
    rule: str
    scope: Scope | None
    media: tuple[str, ...]
    most_bytes: int
    signed: bool = False


ENTRIES: dict[str, Entry] = {}
"""Every route, by its endpoint."""


def route(
    rule: str,
    *,
    scope: Scope | None,
    answer: type[Schema] | Schema | None,
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
    headers: Sequence[str] = (),
    also: Sequence[str] = (),
    signed: bool = False,
) -> Callable[[View], View]:
    """Makes a view a route under ``/api/v1``.

    The view gets the parts of the path by name, then (by place) what ``query`` and ``body`` loaded.
    ``media`` are the formats that the body may have where it is not JSON by a schema; ``example``
    and ``shown_example`` are those of the request and of the answer. ``also`` are formats that the
    answer may have instead of JSON.
    """

    def made(view: View) -> View:
        endpoint = name or view.__name__
        formats = tuple(media) or ((JSON,) if body is not None else ())
        entry = Entry(f"api.{endpoint}", method, rule, scope, formats, most_bytes, signed)
        ENTRIES[entry.endpoint] = entry
        described: Any = view
        if body is not None:
            described = blueprint.arguments(body, location="json", example=example)(described)
        if query is not None:
            described = blueprint.arguments(query, location="query")(described)
        described = blueprint.response(status, answer)(described)
        described = blueprint.doc(
            operationId=endpoint,
            summary=summary or (view.__doc__ or "").strip().partition("\n")[0].rstrip("."),
            security=_security(scope, signed),
            description=f"Scope: `{scope}`." if scope is not None else "Open to everybody.",
            parameters=list(headers),
            **_raw_body(formats if body is None else ()),
            **_raw_answer(status, also),
        )(described)
        asked = _guarded(view, entry, None if query is None else query(unknown=RAISE), body)
        # The library describes; what is asked is read here, in a third of the time.
        asked._apidoc = described._apidoc
        blueprint.route(rule, methods=[method], endpoint=endpoint, tags=[tag])(asked)
        return view

    return made


def _security(scope: Scope | None, signed: bool) -> list[dict[str, list[str]]]:
    """What the request may show: any one of these."""
    other: list[dict[str, list[str]]] = [{"signature": []}] if signed else []
    return [{"token": []}, *other] if scope is not None else [{}, {"token": []}]


def _raw_body(formats: Sequence[str]) -> dict[str, Any]:
    if not formats:
        return {}
    content = {each: {"schema": {"type": "string"}} for each in formats}
    return {"requestBody": {"required": True, "content": content}}


def _raw_answer(status: int, formats: Sequence[str]) -> dict[str, Any]:
    if not formats:
        return {}
    content = {each: {"schema": {"type": "string"}} for each in formats}
    return {"responses": {str(status): {"content": content}}}


def _guarded(view: View, entry: Entry, query: Schema | None, body: Schema | None) -> Any:
    @functools.wraps(view)
    def asked(**parts: Any) -> Response:
        if entry.signed and is_signed():
            request.max_content_length = entry.most_bytes
            let_in_signed()
        else:
            let_in(entry.scope)
        given = []
        if query is not None:
            given.append(_loaded(query, request.args.to_dict()))
        if entry.media:
            request.max_content_length = entry.most_bytes
            _check_body(entry)
        if body is not None:
            given.append(_loaded(body, _json()))
        return view(*given, **parts)

    return asked


def _loaded(schema: Schema, given: Any) -> Any:
    try:
        return schema.load(given)
    except ValidationError as error:
        messages = error.messages if isinstance(error.messages, dict) else {"": error.messages}
        raise InvalidRequest(messages) from None


def _json() -> Any:
    """The body. JSON that the databases cannot keep is refused before anything looks into it."""
    data = request.get_data(cache=True)
    if b"\\u0000" in data:
        raise BadRequest
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:  # nested too deeply is that, too
        raise BadRequest from None


def _check_body(entry: Entry) -> None:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType  # what is small on the way may be huge when unpacked
    if request.mimetype not in entry.media:
        raise UnsupportedMediaType
    if (request.content_length or 0) > entry.most_bytes:
        raise too_large(entry.most_bytes)
    # Without a told length the library reads as much as may be, and says nothing of the rest.
    if request.content_length is None and len(request.get_data(cache=True)) >= entry.most_bytes:
        raise too_large(entry.most_bytes)


def too_large(most_bytes: int) -> Refused:
    return Refused(
        "too-large",
        f"The request has more than the {most_bytes:,} bytes that are taken here.",
        "Send it in parts.",
    )
