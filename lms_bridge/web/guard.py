"""The guard of every page that is not public."""

from __future__ import annotations

from flask import Flask, redirect, request
from flask.typing import ResponseReturnValue

from lms_bridge.domain.errors import Refused
from lms_bridge.web import kept_forms
from lms_bridge.web.access import (
    NotAllowed,
    check_second_factor,
    current_user,
    is_public,
    most_bytes_of,
    need_of,
    signed_in,
)
from lms_bridge.web.csrf import CsrfRefused, check_csrf, check_form_token, csrf_field
from lms_bridge.web.environ import allow_body

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def add_to(app: Flask) -> None:
    app.jinja_env.globals["csrf_field"] = csrf_field
    kept_forms.add_to(app)

    @app.before_request
    def _guard() -> ResponseReturnValue | None:
        endpoint = request.endpoint
        if endpoint is None or is_public(endpoint):
            return None
        user, need = signed_in(), need_of(app, endpoint)
        if need is not None:
            check_second_factor(user)
            if not user.may(need):
                raise NotAllowed(need)
        if request.method not in _SAFE:
            check_csrf()
            _allow_file(most_bytes_of(app, endpoint))
            try:
                check_form_token()
            except CsrfRefused:
                again = kept_forms.keep_of_earlier_session()
                if again:
                    return redirect(again, 303)
                raise
            kept_forms.drop_sent()
        return None

    @app.context_processor
    def _for_templates() -> dict[str, object]:
        return {"user": current_user()}


_OTHER_FIELDS = 64 * 1024
"""Of a form with a file, besides the file."""


def _sender() -> str:
    """Who shares what one sender may take: all sessions of an account are one."""
    user = signed_in()
    if user.account is None:
        return f"session {user.session.number}"
    return f"account {user.account.number}"


def _allow_file(most: int) -> None:
    """Lets this request have a file of so many bytes; only after it is known who asks.

    Raises:
        Refused: it is larger.
    """
    if not most:
        return
    allow_body(most + _OTHER_FIELDS, _sender())
    if (request.content_length or 0) > most + _OTHER_FIELDS:
        raise Refused(
            "too-large",
            "The file is too large for this page. Nothing was changed.",
            "Send it in parts.",
        )
