"""What both sites have in common as web sites: pages, headers, cookies, refusals."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Response, jsonify, make_response, render_template, request

from lms_bridge.simulators.lti.refusing import NotAccepted

MOST_BYTES = 256 * 1024
PACKAGE = "lms_bridge.simulators.lti"


def new_application(name: str, kind: str) -> Flask:
    """``kind`` says on every page what the site stands for."""
    app = Flask(PACKAGE, template_folder="templates", static_folder="static")
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(site_name=name, site_kind=kind)
    app.register_error_handler(NotAccepted, _refused)
    return app


def page(template: str, status: int = 200, **values: object) -> Response:
    response = make_response(render_template(f"sample/{template}", **values), status)
    # Forms lead to the other sites, and browsers hold the redirects after them to it, too.
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; frame-src 'self' http: https:; object-src 'none'; base-uri 'none'; "
        "form-action 'self' http: https:"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def sent_on(address: str, fields: dict[str, str]) -> Response:
    """A page whose form goes to the other site at once; the button is for browsers without
    scripts."""
    return page("send.html", address=address, fields=fields)


def json_answer(value: Any, content_type: str, status: int = 200) -> Response:
    response = make_response(jsonify(value), status)
    response.headers["Content-Type"] = content_type
    response.headers["Cache-Control"] = "no-store"
    return response


def set_cookie(response: Response, name: str, value: str, seconds: int) -> None:
    """Fit for frames where third-party cookies are blocked; over plain HTTP, which browsers give
    no such cookies, fit for trials on one machine."""
    secure = request.is_secure
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        secure=secure,
        httponly=True,
        samesite="None" if secure else "Lax",
        partitioned=secure,
    )


def now() -> int:
    return int(time.time())


def _refused(error: Exception) -> Response:
    if not isinstance(error, NotAccepted):
        raise error
    if request.headers.get("Accept", "").startswith("text/html"):
        return page("refused.html", error.status, error=error)
    return json_answer({"message": error.reason}, "application/json", error.status)
