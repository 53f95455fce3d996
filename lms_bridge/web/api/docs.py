"""`/api/docs`: the interface explained, on one page without a script; and the OpenAPI document."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response, current_app, render_template

from lms_bridge.domain.access import MEANINGS
from lms_bridge.web.api import document, replies
from lms_bridge.web.api.codes import CODES, RULES

pages = Blueprint("api_docs", __name__, url_prefix="/api", template_folder="templates")


@pages.get("/v1/openapi.json")
def show_openapi() -> Response:
    return replies.tagged(document.openapi(current_app))


@pages.get("/docs")
def show() -> str:
    spec: dict[str, Any] = orjson.loads(document.openapi(current_app))
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                tag = operation["tags"][0]
                groups.setdefault(tag, []).append((method.upper(), path, operation))
    return render_template(
        "api/docs.html", groups=groups, codes=CODES, rules=RULES, scopes=MEANINGS, spec=spec
    )
