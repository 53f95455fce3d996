"""The OpenAPI 3.1 document, made of the routes and of the schemas."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import flask_smorest
import orjson
from flask import Flask
from marshmallow import fields as plain_fields

from lms_bridge import __version__
from lms_bridge.schemas.fields import Amount, Choice, Line, Lines, Moment, RichText, Zone
from lms_bridge.schemas.parts import StrictInteger
from lms_bridge.web.api.problems import MEDIA_TYPE
from lms_bridge.web.api.routing import blueprint
from lms_bridge.webhooks.signing import SIGNATURE

_NAME = "lms_bridge_openapi"
_PROBLEM = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": "The address of the code's documentation."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable: for programs."},
        "remedy": {"type": "string"},
        "allowed": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What may be done instead.",
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                    "documentation": {"type": "string"},
                },
            },
        },
        "reference": {"type": "string", "description": "Finds the event in the bridge's log."},
    },
}
_EXAMPLE = {
    "type": "/api/docs#offering-not-now",
    "title": "The offering's status does not allow this",
    "status": 409,
    "detail": "An offering that is closed cannot be taken through “cancel”.",
    "code": "offering-not-now",
    "allowed": [],
}
_PARAMETERS = {
    "IfMatch": {
        "name": "If-Match",
        "description": "The ETag of what you read: refused with 412 where it changed meanwhile.",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "description": "A text of your own, such as a UUID: the same request with the same key is "
        "done once, and answered the same each time.",
    },
}


class _Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no types
    def _register_error_handlers(self) -> None:
        """The application has one handler for all errors."""

    def _register_responses(self) -> None:
        """Whatever the status, an error is a problem document."""
        self.spec.components.schema("Problem", _PROBLEM)
        problem = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": _EXAMPLE}
        response = {"description": "A problem.", "content": {MEDIA_TYPE: problem}}
        for name in ("DEFAULT_ERROR", *(status.name for status in HTTPStatus)):
            self.spec.components.response(name, response, lazy=True)

    def _register_etag_headers(self) -> None:
        """Told of in words of our own."""

    def _register_pagination_header(self) -> None:
        """Pages have a cursor in their body."""


def add_to(app: Flask) -> None:
    """Registers the routes, and makes the document of them once."""
    app.config.update(API_TITLE="lms_bridge", API_VERSION=__version__, OPENAPI_VERSION="3.1.0")
    api = _Api(app)
    spec = api.spec
    kinds: tuple[tuple[Any, ...], ...] = (
        (Line, "string", None),
        (RichText, "string", None),
        (Zone, "string", None),
        (Choice, "string", None),
        (Lines, "array", None),
        (Amount, "string", None),
        (Moment, "string", None),
        (StrictInteger, plain_fields.Integer),
    )
    for kind in kinds:
        api.register_field(*kind)
    api.ma_plugin.converter.add_attribute_function(_described)
    for name, described in _PARAMETERS.items():
        schema = {"schema": {"type": "string"}}
        spec.components.parameter(name, "header", {"in": "header", **described, **schema})
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
    api.register_blueprint(blueprint)
    document = spec.to_dict()
    document["info"]["description"] = (
        "Offerings, registrations and results between the ITU Academy and its training centres. "
        "Errors are problem documents (RFC 9457)."
    )
    app.extensions[_NAME] = orjson.dumps(document)


def openapi(app: Flask) -> bytes:
    """The document as JSON."""
    made: bytes = app.extensions[_NAME]
    return made


def _described(_: Any, field: Any, *, ret: dict[str, Any], **__: Any) -> dict[str, Any]:
    """What our own kinds of fields mean, beyond a type."""
    if isinstance(field, Choice):
        words = list(field.choices)
        return {"enum": [*words, None] if field.allow_none else words}
    if isinstance(field, Line):
        return {"maxLength": field.longest}
    if isinstance(field, Lines):
        return {"items": {"type": "string"}}
    if isinstance(field, Moment):
        return {"examples": ["2026-03-02T09:00:00Z"]}
    if isinstance(field, Amount):
        return {"examples": ["150"]}
    return {}
