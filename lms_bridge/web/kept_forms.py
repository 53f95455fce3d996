"""What somebody typed is not lost when their session has ended: the form is kept for an hour, and
opens again with it after they have signed in.

It is kept for the person whose session it was, and shown to nobody else. Only pages that say so
keep their forms: no password ever is.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask, current_app, g, request
from werkzeug.exceptions import HTTPException

from lms_bridge.domain.clock import utc_now
from lms_bridge.store import kept_forms as store
from lms_bridge.web import sessions
from lms_bridge.web.access import View, cookie_name, current_session, the_bridge
from lms_bridge.web.csrf import TOKEN, CsrfRefused, check_csrf, check_form_token
from lms_bridge.web.environ import allow_body
from lms_bridge.web.sessions import Session

_KEPT = "lms_bridge_keeps_form"


def keeps_form(view: View) -> View:
    """Says that a page's form is kept for whoever sends it too late. The same address shows the
    form, which ``form_given`` fills in."""
    setattr(view, _KEPT, True)
    return view


def add_to(app: Flask) -> None:
    app.jinja_env.globals["form_was_kept"] = form_was_kept


def form_given() -> Mapping[str, str]:
    """The fields that the reader sent; or that they sent too late, before they signed in again.
    Empty where they sent none."""
    return request.form if request.method == "POST" else _found()


def form_was_kept() -> bool:
    """Whether the page shows a form that its reader had sent too late."""
    return request.method == "GET" and bool(_found())


def _found() -> Mapping[str, str]:
    if "kept_form" not in g:
        person = _person(current_session())
        g.kept_form = {}
        if person and len(_page()) <= store.LONGEST_PAGE:
            with the_bridge().database.reading() as tx:
                g.kept_form = store.find(tx, person, _page(), utc_now()) or {}
    found: Mapping[str, str] = g.kept_form
    return found


def keep_of_ended_session() -> str:
    """Keeps the form of a request whose session has ended: the address of its page; "" where it is
    not kept. Only a form of the bridge's own page is, with the token of that session."""
    secret = request.cookies.get(cookie_name("session"), "")
    if not (_is_kept() and secret):
        return ""
    with the_bridge().database.reading() as tx:
        person = _person(sessions.find_ended(tx, secret))
    if not person or (request.content_length or 0) > store.MOST_BYTES:
        return ""
    allow_body(store.MOST_BYTES, person)
    try:
        check_csrf()
        check_form_token()
    except CsrfRefused:
        return ""
    return _keep(person)


def keep_of_earlier_session() -> str:
    """Keeps the form of somebody who has signed in again in another tab. It is of the bridge's own
    page, as ``check_csrf`` found out before."""
    person = _person(current_session())
    return _keep(person) if person and _is_kept() else ""


def sent_in_vain() -> list[tuple[str, str]]:
    """The fields of a form that cannot be stored now: its error page has them, to be sent again.
    Empty where it is no form of the bridge's own page with the token of its session."""
    if not _is_kept():
        return []
    try:
        check_csrf()
        check_form_token()
    except (CsrfRefused, HTTPException):
        return []
    return list(request.form.items(multi=True))


LEAST_TEXT = 20
"""Shorter fields are choices and numbers, which are soon made again."""


def texts_of_nobody() -> list[str]:
    """What somebody typed into a form whose session is not known any more, as after a sign-out in
    another tab. It is kept for nobody, so the page has to show it. Empty for a form of another
    site."""
    if not _is_kept():
        return []
    try:
        check_csrf()
        given = list(request.form.items(multi=True))
    except (CsrfRefused, HTTPException):
        return []
    return [text for name, text in given if name != TOKEN and len(text) >= LEAST_TEXT]


def drop_sent() -> None:
    """Forgets the form that was kept, now that its page gets it in time."""
    person = _person(current_session())
    if person and _is_kept():
        with the_bridge().database.writing() as tx:
            store.drop(tx, person, _page())


def _keep(person: str) -> str:
    page = _page()
    if len(page) > store.LONGEST_PAGE:
        return ""
    # Several values of one name, such as ticked boxes, are lines.
    fields = {name: "\n".join(texts) for name, texts in request.form.lists() if name != TOKEN}
    with the_bridge().database.writing() as tx:
        store.keep(tx, person, page, fields, utc_now())
    return page


def _is_kept() -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    return request.method == "POST" and hasattr(view, _KEPT)


def _page() -> str:
    """The path of the page, with its query."""
    return request.full_path.removesuffix("?")


def _person(session: Session | None) -> str:
    """Whose session it is; "" for an operator's by a link from the command line."""
    if session is None or session.half:
        return ""
    if session.account is not None:
        return f"account {session.account}"
    return "" if session.learner is None else f"learner {session.learner}"
