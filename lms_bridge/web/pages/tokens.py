"""`/tokens`: what programs show to be let in. Made and ended on the bridge's own machine alone."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.domain.access import MEANINGS, Reach, Scope
from lms_bridge.domain.errors import Refused
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.reference import reference
from lms_bridge.store import centres
from lms_bridge.store import tokens as store
from lms_bridge.sync.tokens import Wish, end_token, make_token
from lms_bridge.sync.work import utc_now
from lms_bridge.web.access import Closed, from_this_machine
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.connections.answering import check_own_form, refused
from lms_bridge.web.connections.operating import by_operator
from lms_bridge.web.paging import number_in

pages = Blueprint("tokens", __name__)
pages.register_error_handler(LtiRefused, refused)


@pages.before_request
def _check_form() -> None:
    """Nobody is signed in here. Other machines may be shown this page, but a token is as good as
    a key: those are made here, or by a command."""
    if request.method == "POST":
        check_own_form(origin_required=True)
        if not from_this_machine(request):
            raise Closed


@pages.get("/tokens")
def show() -> str:
    return _list()


@pages.post("/tokens")
def make() -> ResponseReturnValue:
    """Makes a token. It is shown in this one answer, and nowhere kept."""
    form = request.form
    try:
        wish = Wish(
            form.get("purpose", "")[:255],
            [Scope(each) for each in form.getlist("scope") if each in set(Scope)],
            Reach(form.get("centre", ""), form.get("region", "")),
            number_in(form.get("days", "")),
            number_in(form.get("per_minute", "")),
        )
        made, text = make_token(
            the_bridge().database, wish, list(reference().regions), by=by_operator()
        )
    except Refused as error:
        return _list(problem=str(error)), 400
    return _list(made=made.prefix, text=text)


@pages.post("/tokens/<prefix>/revoke")
def revoke(prefix: str) -> ResponseReturnValue:
    end_token(the_bridge().database, prefix, by=by_operator())
    return redirect(url_for("tokens.show"), 303)


def _list(*, made: str = "", text: str = "", problem: str = "") -> str:
    with the_bridge().database.reading() as tx:
        found = store.all_tokens(tx)
        known = centres.all_centres(tx, active_only=True)
    return render_template(
        "tokens.html",
        tokens=found[::-1],
        centres=known,
        regions=reference().regions,
        scopes=MEANINGS,
        now=utc_now(),
        made=made,
        text=text,
        problem=problem,
        may_make=from_this_machine(request),
    )
