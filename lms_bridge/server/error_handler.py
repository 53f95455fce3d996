"""One handler for all errors: a page for people, a problem document for programs."""

from __future__ import annotations

import math

from flask import Flask, Response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from lms_bridge.api import problems
from lms_bridge.lti import http_requests
from lms_bridge.web import kept_forms
from lms_bridge.web.csrf import sent_from
from lms_bridge.web.error_pages import ErrorPage, error_page
from lms_bridge.web.languages import is_translated, set_language
from lms_bridge.web.visitors import FEEDS, TooManyRequests, too_many_page


def add_to(app: Flask) -> None:
    @app.before_request
    def _refuse_nul() -> None:
        # PostgreSQL cannot store this character in a text, and no proper address has it.
        environ = request.environ
        query = environ.get("QUERY_STRING", "")
        if "\x00" in environ.get("PATH_INFO", "") or "%00" in query or "\x00" in query:
            raise BadRequest

    @app.errorhandler(Exception)
    def _respond(error: Exception) -> ResponseReturnValue:
        for_program = request.path.startswith(problems.PREFIX) or _reads_feeds(error)
        if for_program and (expected := problems.problem(error)) is not None:
            return expected
        if isinstance(error, TooManyRequests):
            return _too_many(error)
        page = error_page(error)
        if not is_translated(page.title, page.message, page.remedy):
            set_language("en")  # a page is in one language
        if for_program:
            response = problems.document(
                page.code or "defect",
                page.status,
                page.message,
                page.remedy,
                reference=page.reference,
            )
        elif http_requests.is_for_program(request.path):
            response = http_requests.error_json(page, error)
        else:
            form = kept_forms.sent_in_vain() if page.after else []
            html = render_template("error.html", problem=page, form=form, back=sent_from())
            response = Response(html, page.status)
        if page.after:
            response.headers["Retry-After"] = str(page.after)
        return response


def _reads_feeds(error: Exception) -> bool:
    return isinstance(error, TooManyRequests) and request.blueprint in FEEDS


def _too_many(error: TooManyRequests) -> Response:
    """Without a line in the log: there may be thousands in a second."""
    if http_requests.is_for_program(request.path):
        page = ErrorPage(429, "", error.message, code=error.code)
        response = http_requests.error_json(page, error)
    else:
        response = too_many_page(error)
    response.headers["Retry-After"] = str(math.ceil(error.after or 1))
    return response
