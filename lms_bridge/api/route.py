"""Declares a route of the API: its scope, its schemas, its size limit and its documentation.

Every route under ``/api/v1`` is declared here, so none can skip authentication.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from flask import Blueprint, Response, request
from marshmallow import RAISE, Schema, ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from lms_bridge.api.auth import authenticate, authenticate_signed, is_signed
from lms_bridge.api.problems import InvalidRequest
from lms_bridge.api.responses import JSON
from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import Refused
from lms_bridge.web.environ import allow_body

View = Callable[..., Response]
VERSION = "/v1"
SMALL = 64 * 1024
"""Most bytes of a request about one record."""
NUMBER = "<int(max=2147483647):number>"
"""The part of a rule that is a record's number."""
RULE_PART = re.compile(r"<(?:int\(max=(\d+)\):)?(\w+)>")
"""(greatest number or nothing, name) of each variable part of a rule."""

blueprint = Blueprint("api", __name__, url_prefix=f"/api{VERSION}")


@dataclass(frozen=True, slots=True)
class Route:
    """A route, used as the decorator of its view.

    The view gets the parts of the path by name. Before them, by position, it gets what ``query``
    and ``body`` loaded.
    """

    rule: str
    scope: Scope | None
    """The scope that the token needs; None: no token is needed."""
    response: type[Schema] | Schema | None
    tag: str
    method: str = "GET"
    name: str = ""
    """The name of the view, unless another one is set."""
    summary: str = ""
    """The first line of the view's docstring, unless another one is set."""
    query: type[Schema] | None = None
    body: Schema | None = None
    status: int = 200
    media: Sequence[str] = ()
    """Formats of the body, where it is not JSON with a schema."""
    max_bytes: int = SMALL
    example: Mapping[str, Any] | None = None
    """An example of the body."""
    headers: Sequence[str] = ()
    """Request headers that have an effect, by their names in the OpenAPI document."""
    also: Sequence[str] = ()
    """Formats of the response besides JSON."""
    signed: bool = False
    """Whether the Academy may sign the request instead of sending a token."""

    @property
    def endpoint(self) -> str:
        return f"{blueprint.name}.{self.name}"

    @property
    def path(self) -> str:
        """The path as OpenAPI writes it, with ``{code}`` for a variable part."""
        return f"/api{VERSION}" + RULE_PART.sub(r"{\2}", self.rule)

    def __call__(self, view: View) -> View:
        declared = replace(
            self,
            name=self.name or view.__name__,
            summary=self.summary or (view.__doc__ or "").strip().partition("\n")[0].rstrip("."),
            media=tuple(self.media) or ((JSON,) if self.body is not None else ()),
        )
        ROUTES[declared.endpoint] = declared
        guarded = _guarded(view, declared)
        blueprint.add_url_rule(self.rule, declared.name, guarded, methods=[self.method])
        return view


route = Route
ROUTES: dict[str, Route] = {}
"""Every route, by its endpoint."""


def _guarded(view: View, declared: Route) -> View:
    """The view behind its checks: who calls, then the query, then the body."""
    query = None if declared.query is None else declared.query(unknown=RAISE)

    @functools.wraps(view)
    def guarded(**path: Any) -> Response:
        if declared.signed and is_signed():
            allow_body(declared.max_bytes)
            sender = authenticate_signed().name
        else:
            sender = authenticate(declared.scope).sender
        loaded = []
        if query is not None:
            loaded.append(_load(query, request.args.to_dict()))
        if declared.media:
            allow_body(declared.max_bytes, sender)
            _check_body(declared)
        if declared.body is not None:
            loaded.append(_load(declared.body, _json_body()))
        return view(*loaded, **path)

    return guarded


def _load(schema: Schema, values: Any) -> Any:
    try:
        return schema.load(values)
    except ValidationError as error:
        messages = error.messages if isinstance(error.messages, dict) else {"": error.messages}
        raise InvalidRequest(messages) from None


def _json_body() -> Any:
    """The body. The databases cannot store U+0000, so it is refused before anything else."""
    data = request.get_data(cache=True)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:  # also raised for half a character, and for deep nesting
        value = None
    if value is None or b"\\u0000" in data:
        raise Refused(
            "not-understood",
            "The body is not JSON, or has a character that cannot be stored: U+0000, or half of a "
            "pair such as U+D800.",
            "Send JSON as UTF-8, with whole characters.",
        )
    return value


_CHARSETS = ("utf-8", "utf8", "us-ascii", "utf-16")
"""Of these, CSV alone may be UTF-16; then it has a byte order mark."""


def _check_body(declared: Route) -> None:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType  # a small compressed body may be huge when unpacked
    charset = request.mimetype_params.get("charset", "utf-8").lower().replace("_", "-")
    if request.mimetype not in declared.media or charset not in _CHARSETS:
        raise Refused(
            "wrong-media-type",
            "The route does not accept the format of the request, or its charset.",
            f"Send one of these, as UTF-8: {', '.join(declared.media)}.",
        )
    size = request.content_length
    if size is None:
        # Werkzeug reads up to the limit and drops the rest without an error: a full buffer may
        # have been cut.
        size = len(request.get_data(cache=True)) + 1
    if size > declared.max_bytes:
        raise too_large(declared.max_bytes)


def too_large(max_bytes: int) -> Refused:
    return Refused(
        "too-large",
        f"The request has more than the allowed {max_bytes:,} bytes.",
        "Send it in parts.",
    )
