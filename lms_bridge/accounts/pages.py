"""`/accounts`: who may sign in, and as what; for operators."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from lms_bridge.accounts import service
from lms_bridge.accounts.service import NewAccount
from lms_bridge.audit import Actor
from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.errors import BridgeError, Refused
from lms_bridge.domain.matching import email_key
from lms_bridge.domain.roles import ROLE_MEANINGS, Grant, Role
from lms_bridge.reference import reference
from lms_bridge.store import accounts as stored
from lms_bridge.store import centres
from lms_bridge.store.accounts import UserAccount
from lms_bridge.store.database import Database
from lms_bridge.web.access import current_actor, needs, the_bridge
from lms_bridge.web.kept_forms import form_given, form_was_kept, keeps_form
from lms_bridge.web.paging import SIZE, number_param
from lms_bridge.web.sessions import link_address

pages = Blueprint("accounts", __name__, url_prefix="/accounts", template_folder="templates")
_NUMBER = "/<int(max=2147483647):number>"
WRONG = {
    "not-an-email": "email",
    "account-exists": "email",
    "too-many-roles": "email",
    "name-too-long": "name",
    "no-such-role": "role",
    "role-needs-centre": "centre",
    "role-needs-region": "region",
    "role-not-for-centres": "centre",
    "role-not-for-regions": "region",
    "two-reaches": "centre",
    "no-such-centre": "centre",
    "no-such-region": "region",
}
"""{what is refused: the field that is wrong}"""
_FIELDS = ("email", "name", "role", "centre", "region")


@pages.get("")
@needs(Scope.ADMINISTER)
def show() -> ResponseReturnValue:
    return _page()


@pages.post("")
@keeps_form
@needs(Scope.ADMINISTER)
def make() -> ResponseReturnValue:
    """Gives a role to the account with this address, which is made where there is none."""
    form, database, by = request.form, the_bridge().database, current_actor()
    regions = list(reference().regions)
    try:
        grant, email = _grant(), form.get("email", "")
        with database.reading() as tx:
            known = stored.find_account(tx, email=email_key(email))
        if known is None:
            new = NewAccount(email, form.get("name", ""), [grant])
            service.add_account(database, new, regions, by=by)
        else:
            service.grant_role(database, known.number, grant, regions, by=by)
    except Refused as error:
        return _page(error, form={name: form.get(name, "") for name in _FIELDS})
    return _back()


@pages.post(f"{_NUMBER}/roles/end")
@needs(Scope.ADMINISTER)
def revoke(number: int) -> ResponseReturnValue:
    try:
        service.revoke_role(the_bridge().database, number, _grant(), by=current_actor())
    except Refused as error:
        return _page(error)
    return _back()


@pages.post(f"{_NUMBER}/disable")
@needs(Scope.ADMINISTER)
def disable(number: int) -> ResponseReturnValue:
    return _switch(service.disable_account, number)


@pages.post(f"{_NUMBER}/enable")
@needs(Scope.ADMINISTER)
def enable(number: int) -> ResponseReturnValue:
    return _switch(service.enable_account, number)


def _switch(change: Callable[..., UserAccount], number: int) -> ResponseReturnValue:
    database: Database = the_bridge().database
    by: Actor = current_actor()
    change(database, number, by=by)
    return _back()


@pages.post(f"{_NUMBER}/link")
@needs(Scope.ADMINISTER)
def make_link(number: int) -> ResponseReturnValue:
    """A link that the operator hands over. It is shown once, and nowhere kept."""
    bridge = the_bridge()
    try:
        account, _, secret = service.make_account_link(
            bridge.database, number, bridge.settings.sign_in, by=current_actor()
        )
    except Refused as error:
        return _page(error)
    address = link_address(bridge.settings.public_address, secret)
    return _page(link=address, link_for=account.shown_name)


def _grant() -> Grant:
    """Raises Refused where the form names no role."""
    form = request.form
    if form.get("role", "") not in set(Role):
        raise Refused("no-such-role", "Choose a role.")
    return Grant(Role(form["role"]), DataScope(form.get("centre", ""), form.get("region", "")))


def _back() -> ResponseReturnValue:
    return redirect(url_for("accounts.show"), 303)


def _page(problem: BridgeError | None = None, **values: object) -> Response:
    after = number_param("after")
    with the_bridge().database.reading() as tx:
        found = stored.all_accounts(tx, after=after, most=SIZE + 1)
        known = centres.all_centres(tx, active_only=True)
    page = render_template(
        "accounts/list.html",
        accounts=found[:SIZE],
        older=found[SIZE - 1].number if len(found) > SIZE else None,
        centres=known,
        regions=reference().regions,
        roles=ROLE_MEANINGS,
        link_minutes=the_bridge().settings.sign_in.link_minutes,
        problem=problem,
        wrong=WRONG.get(problem.code, "") if problem else "",
        **{"form": form_given() if form_was_kept() else {}, **values},
    )
    response = make_response(page, 200 if problem is None else 400)
    response.headers["Cache-Control"] = "no-store"
    return response
