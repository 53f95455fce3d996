"""The OpenAPI 3.1 document, and the page ``/api/docs`` that explains the API."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Response, render_template
from marshmallow import fields as marshmallow_fields

from lms_bridge import __version__
from lms_bridge.api.problems import CODES, MEDIA_TYPE, RULES
from lms_bridge.api.responses import JSON, json_response
from lms_bridge.api.route import ROUTES, RULE_PART, Route
from lms_bridge.domain.access import MEANINGS
from lms_bridge.schemas.fields import Amount, Choice, Line, Lines, Moment, RichText, Zone
from lms_bridge.schemas.parts import StrictInteger
from lms_bridge.signing import SIGNATURE
from lms_bridge.web.access import the_bridge

pages = Blueprint("api_docs", __name__, url_prefix="/api", template_folder="templates")


@pages.get("/v1/openapi.json")
def show_openapi() -> Response:
    return json_response(openapi_document())


@pages.get("/docs")
def show() -> str:
    """The API on one page, without a script."""
    spec: dict[str, Any] = orjson.loads(openapi_document())
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                tag = operation["tags"][0]
                groups.setdefault(tag, []).append((method.upper(), path, operation))
    return render_template(
        "api/docs.html",
        address=the_bridge().settings.public_address,
        groups=groups,
        codes=CODES,
        rules=RULES,
        scopes=MEANINGS,
        spec=spec,
    )


_DESCRIPTION = (
    "Offerings, registrations and results between the ITU Academy and its training centres. "
    "Errors are problem documents (RFC 9457)."
)
_TEXT = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {**_TEXT, "description": "The address of the code's documentation."},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "code": {**_TEXT, "description": "Stable: programs may rely on it."},
        "remedy": _TEXT,
        "allowed": {
            "type": "array",
            "items": _TEXT,
            "description": "What may be done instead.",
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": dict.fromkeys(("field", "message", "code", "documentation"), _TEXT),
            },
        },
        "reference": {**_TEXT, "description": "Finds the event in the bridge's log."},
    },
}
_PROBLEM_EXAMPLE = {
    "type": "/api/docs#offering-not-now",
    "title": "The offering's status does not allow this",
    "status": 409,
    "detail": "ALPHA-1 is closed: it cannot be taken through “cancel” now.",
    "code": "offering-not-now",
    "allowed": [],
}
_HEADERS = {
    "IfMatch": {
        "name": "If-Match",
        "description": "The ETag of the record that you read. If the record has changed since, "
        "the response is 412.",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "description": "A text of your own, such as a UUID. A request that is repeated with the "
        "same key is done once and gets the same response.",
    },
}
_FIELD_TYPES: tuple[tuple[Any, ...], ...] = (
    *((kind, "string", None) for kind in (Line, RichText, Zone, Choice, Amount, Moment)),
    (Lines, "array", None),
    (StrictInteger, marshmallow_fields.Integer),
)


@cache
def openapi_document() -> bytes:
    """The document as JSON, built from the routes and schemas when it is first needed."""
    plugin: Any = MarshmallowPlugin()  # apispec types only a part of it
    spec = APISpec("lms_bridge", __version__, "3.1.0", [plugin], info={"description": _DESCRIPTION})
    for field, *types in _FIELD_TYPES:
        plugin.map_to_openapi_type(field, *types)
    plugin.converter.add_attribute_function(_field_attributes)
    spec.components.schema("Problem", _PROBLEM)
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": _PROBLEM_EXAMPLE}
    spec.components.response(
        "Problem", {"description": "A problem.", "content": {MEDIA_TYPE: problem}}
    )
    for name, described in _HEADERS.items():
        spec.components.parameter(name, "header", {**described, "schema": _TEXT})
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    spec.components.security_scheme(
        "signature",
        {
            "type": "apiKey",
            "in": "header",
            "name": SIGNATURE,
            "description": "Standard Webhooks 1.0, with the Academy's shared secret.",
        },
    )
    for route in ROUTES.values():
        spec.path(
            route.path,
            operations={route.method.lower(): _operation(route)},
            parameters=_path_parameters(route),
        )
    return orjson.dumps(spec.to_dict())


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "in": "path",
            "name": name,
            "required": True,
            "schema": {"type": "integer", "minimum": 0, "maximum": int(greatest)}
            if greatest
            else {"type": "string", "minLength": 1},
        }
        for greatest, name in RULE_PART.findall(route.rule)
    ]


def _operation(route: Route) -> dict[str, Any]:
    content = {} if route.response is None else {JSON: {"schema": route.response}}
    success = {
        "description": HTTPStatus(route.status).phrase,
        "content": {**content, **{each: {"schema": _TEXT} for each in route.also}},
    }
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": "Open to everybody." if route.scope is None else f"Scope: `{route.scope}`.",
        "tags": [route.tag],
        "security": _security(route),
        "parameters": [
            *([] if route.query is None else [{"in": "query", "schema": route.query}]),
            *route.headers,
        ],
        "responses": {str(route.status): success, "default": "Problem"},
    }
    if route.media:
        schema: Any = _TEXT if route.body is None else route.body
        media: dict[str, Any] = {"schema": schema}
        if route.example is not None:
            media["example"] = dict(route.example)
        operation["requestBody"] = {
            "required": True,
            "content": {each: dict(media) for each in route.media},
        }
    return operation


def _security(route: Route) -> list[dict[str, list[str]]]:
    """What the request may be authenticated by: any one of these."""
    signature: list[dict[str, list[str]]] = [{"signature": []}] if route.signed else []
    return [{"token": []}, *signature] if route.scope is not None else [{}, {"token": []}]


def _field_attributes(_: Any, field: Any, *, ret: dict[str, Any], **__: Any) -> dict[str, Any]:
    """What our own kinds of fields allow, beyond a type."""
    if isinstance(field, Choice):
        words = list(field.choices)
        return {"enum": [*words, None] if field.allow_none else words}
    if isinstance(field, Line):
        return {"maxLength": field.longest}
    if isinstance(field, Lines):
        return {"items": _TEXT}
    if isinstance(field, Moment):
        return {"examples": ["2026-03-02T09:00:00Z"]}
    if isinstance(field, Amount):
        return {"examples": ["150"]}
    return {}
