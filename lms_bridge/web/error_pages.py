"""Error pages. An unexpected error shows a reference to the log, and none of its details."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass

import structlog
from flask import request
from werkzeug.exceptions import HTTPException

from lms_bridge.domain.errors import BridgeError, NotFound, Overloaded, Refused
from lms_bridge.store.failures import RETRY_SECONDS, storage_failure
from lms_bridge.web.csrf import CsrfRefused

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """The content of the error page. ``reference`` finds the event in the log."""

    status: int
    title: str
    message: str
    remedy: str = ""
    reference: str = ""
    code: str = ""
    after: int = 0
    """Seconds after which the same request may succeed."""


_HTTP = {
    400: ("Not understood", "The address or the form has an invalid part."),
    404: ("Page not found", "There is no page at this address."),
    405: ("Not possible", "This page does not accept changes."),
}


def error_page(error: Exception) -> ErrorPage:
    """The page of an error, with the reference of its line in the log."""
    reference = secrets.token_hex(4)
    expected = _expected(error, reference)
    if expected is not None:
        code = error.code if isinstance(error, BridgeError) else str(expected.status)
        _log.info("page refused", page=request.endpoint, reference=reference, code=code)
        return expected
    failure = storage_failure(error)
    _log.error(
        "page failed",
        page=request.endpoint,
        reference=reference,
        error=type(error).__name__,
        code=failure.code if failure else error.code if isinstance(error, BridgeError) else "",
        exc_info=None if failure or isinstance(error, BridgeError) else error,
    )
    if failure is not None:
        return ErrorPage(
            503,
            "Out of order",
            failure.message,
            failure.remedy,
            reference,
            code=failure.code,
            after=RETRY_SECONDS,
        )
    return ErrorPage(
        500,
        "Something went wrong",
        "The page could not be shown.",
        "Please give the reference below to the operator.",
        reference,
        code="defect",
    )


def _expected(error: Exception, reference: str) -> ErrorPage | None:
    """The page of an error that is the reader's or another system's; None for any other."""
    if isinstance(error, HTTPException):
        status = error.code or 500
        title, message = _HTTP.get(status, (error.name, "The server cannot answer this request."))
        if status == 405 and request.method == "GET":  # a button's address, loaded or passed on
            message = "This address belongs to a button. Open the page that has it, and press it."
        return ErrorPage(status, title, message, "", reference)
    for kind, status, title in _KINDS:
        if isinstance(error, kind):
            return ErrorPage(status, title, error.message, error.remedy, reference)
    if isinstance(error, Overloaded):
        after = math.ceil(error.after or RETRY_SECONDS)
        texts = ("Please wait a moment", error.message, error.remedy)
        return ErrorPage(503, *texts, reference, code=error.code, after=after)
    return None


_KINDS: tuple[tuple[type[BridgeError], int, str], ...] = (
    (CsrfRefused, 403, "Not possible"),
    (NotFound, 404, "Not found"),
    (Refused, 400, "Not possible"),
)
