"""`/tokens`: what programs show to be let in."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.api import tokens as store
from lms_bridge.api.tokens import NewToken, create_token, out_of_range, revoke_token
from lms_bridge.domain.access import MEANINGS, TOKEN_SCOPES, DataScope, Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import Refused
from lms_bridge.reference import reference
from lms_bridge.store import centres
from lms_bridge.web.access import current_actor, needs, the_bridge
from lms_bridge.web.kept_forms import form_given, form_was_kept, keeps_form
from lms_bridge.web.paging import number_in
from lms_bridge.webhooks.service import switch_off_without_token

pages = Blueprint("tokens", __name__)
WRONG = {
    "no-purpose": "purpose",
    "made-already": "purpose",
    "no-scope": "scope",
    "scope-not-for-tokens": "scope",
    "scope-not-for-centres": "scope",
    "two-reaches": "centre",
    "no-such-centre": "centre",
    "no-such-region": "region",
}
"""{why a token is refused: the field that is wrong}"""


@pages.get("/tokens")
@needs(Scope.ADMINISTER)
def show() -> str:
    return _list()


@pages.post("/tokens")
@keeps_form
@needs(Scope.ADMINISTER)
def make() -> ResponseReturnValue:
    """Makes a token. It is shown in this one answer, and nowhere kept."""
    form = request.form
    try:
        new = NewToken(
            form.get("purpose", "")[:255],
            [Scope(each) for each in form.getlist("scope") if each in TOKEN_SCOPES],
            DataScope(form.get("centre", ""), form.get("region", "")),
            _limit("days"),
            _limit("per_minute"),
        )
        _refuse_second(new)
        made, text = create_token(
            the_bridge().database, new, list(reference().regions), by=current_actor()
        )
    except Refused as error:
        return _list(problem=error), 400
    return _list(made=made.prefix, text=text)


def _limit(name: str) -> int:
    """A limit of the form. One that cannot be read must not mean 0, which is none at all.

    Raises:
        Refused: it is no number.
    """
    text = request.form.get(name, "0").strip()
    number = number_in(text, digits=9)
    if not number and text.strip("0"):
        raise out_of_range()
    return number


def _wrong_field(problem: Refused) -> str:
    """The field to mark. Days and requests a minute are refused with one code."""
    if problem.code != "out-of-range":
        return WRONG.get(problem.code, "")
    try:
        return "per_minute" if _limit("days") <= store.MOST_DAYS else "days"
    except Refused:
        return "days"


def _refuse_second(new: NewToken) -> None:
    """The same form twice, by a double click or the back button, makes no second token, which
    nobody would ever have seen.

    Raises:
        Refused: a token like that is there, and no program has used it yet.
    """
    with the_bridge().database.reading() as tx:
        known = store.all_tokens(tx)
    same = (new.purpose.strip(), new.reach, frozenset(new.scopes))
    for each in known:
        unused = each.used_at is None and each.usable(utc_now())
        if unused and (each.purpose, each.reach, each.scopes) == same:
            raise Refused(
                "made-already",
                "There is such a token already, which was never used.",
                "Revoke it first, or say another purpose.",
            )


@pages.post("/tokens/<prefix>/revoke")
@needs(Scope.ADMINISTER)
def revoke(prefix: str) -> ResponseReturnValue:
    by = current_actor()
    revoke_token(the_bridge().database, prefix, by=by)
    switch_off_without_token(the_bridge().database, by=by)
    return redirect(url_for("tokens.show"), 303)


def _list(*, made: str = "", text: str = "", problem: Refused | None = None) -> str:
    form = form_given() if problem or form_was_kept() else {}
    ticked = request.form.getlist("scope") or form.get("scope", "").split("\n")
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
        wrong=_wrong_field(problem) if problem else "",
        form=form,
        ticked=ticked,
    )
