"""A launch that fails: a page that says why and what to do, with a code for the operator."""

from __future__ import annotations

import secrets

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from lms_bridge.lti.errors import LtiRefused
from lms_bridge.web.lti_tool.answering import page

_log = structlog.get_logger(__name__)


def add_to(pages: Blueprint) -> None:
    pages.register_error_handler(LtiRefused, refused)
    pages.register_error_handler(RequestEntityTooLarge, too_large)


def refused(error: Exception) -> Response:
    """The reference finds the line in the log, which holds no personal data."""
    if not isinstance(error, LtiRefused):
        raise error
    reference = secrets.token_hex(4)
    _log.warning(
        "launch refused",
        reference=reference,
        code=error.code,
        detail=error.detail,
        endpoint=request.endpoint,
    )
    return page("refused.html", status=error.status, error=error, reference=reference)


def too_large(error: Exception) -> Response:
    del error
    return refused(
        LtiRefused("too-large", "What the platform sent is too large to be a launch.", status=413)
    )
