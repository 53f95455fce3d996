"""What a person sees when something is wrong: one handler, one page."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import structlog
from flask import Flask, Response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import BadRequest, HTTPException

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.errors import BridgeError, NotFound, Refused
from lms_bridge.web.access import Closed
from lms_bridge.web.api import problems

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """What the error page says. ``reference`` finds the event in the log."""

    status: int
    title: str
    message: str
    remedy: str = ""
    reference: str = ""


_HTTP = {
    400: ("Not understood", "The address or the form has a part that cannot be understood."),
    404: ("Page not found", "There is no page at this address."),
    405: ("Not possible", "This page can only be looked at."),
}


def add_to(app: Flask, bridge: Bridge) -> None:
    """Answers every error with the page of its problem."""
    del bridge

    @app.before_request
    def _refuse_nul() -> None:
        # PostgreSQL takes no text with this character, and no honest address has it.
        sent = request.environ
        query = sent.get("QUERY_STRING", "")
        if "\x00" in sent.get("PATH_INFO", "") or "%00" in query or "\x00" in query:
            raise BadRequest

    @app.errorhandler(Exception)
    def _answer(error: Exception) -> ResponseReturnValue:
        if request.path.startswith(problems.PREFIX):
            return problems.problem(error) or _unforeseen(problem_of(error))
        problem = problem_of(error)
        return render_template("error.html", problem=problem), problem.status


def _unforeseen(known: Problem) -> Response:
    code = "out-of-order" if known.status == 503 else "defect"
    return problems.document(
        code, known.status, known.message, known.remedy, reference=known.reference
    )


def problem_of(error: Exception) -> Problem:
    """What may be said of an error. Of one that nobody foresaw that is never its own words."""
    if isinstance(error, HTTPException):
        status = error.code or 500
        title, message = _HTTP.get(status, (error.name, "The server cannot answer this request."))
        return Problem(status, title, message)
    if isinstance(error, Closed):
        return Problem(403, "Not shown here", error.message, error.remedy)
    if isinstance(error, NotFound):
        return Problem(404, "Not found", error.message)
    if isinstance(error, Refused):
        return Problem(400, "Not possible", error.message, error.remedy)
    reference = secrets.token_hex(4)
    _log.error(
        "page failed",
        page=request.endpoint,
        reference=reference,
        error=type(error).__name__,
        code=error.code if isinstance(error, BridgeError) else "",
        exc_info=None if isinstance(error, (BridgeError, SQLAlchemyError)) else error,
    )
    if isinstance(error, SQLAlchemyError):
        return Problem(
            503,
            "Out of order",
            "The database cannot be reached at the moment.",
            "Please try again in a few minutes.",
            reference,
        )
    return Problem(
        500,
        "Something went wrong",
        "The page could not be made.",
        "Please tell the operator the reference below.",
        reference,
    )
