"""`/account`: what a person sees and changes of their own account."""

from __future__ import annotations

from zoneinfo import available_timezones

import segno
from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.wrappers import Response

from lms_bridge.accounts import authentication, passwords, totp
from lms_bridge.accounts.service import OwnFacts, change_own
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import BridgeError, NotFound, Overloaded, Refused, SettingsInvalid
from lms_bridge.store.accounts import UserAccount, find_account
from lms_bridge.web import sessions
from lms_bridge.web.access import (
    SecondFactorNeeded,
    User,
    check_second_factor,
    current_actor,
    needs,
    signed_in,
    the_bridge,
)
from lms_bridge.web.kept_forms import form_given, form_was_kept, keeps_form
from lms_bridge.web.languages import NAMES

pages = Blueprint("own_account", __name__, url_prefix="/account", template_folder="templates")
DONE = {
    "changed": "Your name, language and time zone are kept.",
    "password": "Your password is set. Your other sessions have ended.",
    "factor": "Your second factor is switched on. Your other sessions have ended.",
    "removed": "Your second factor is removed. Your other sessions have ended.",
    "ended": "Your other sessions have ended.",
}
WRONG = {
    "name-too-long": "name",
    "no-such-language": "language",
    "no-such-time-zone": "time_zone",
    "password-length": "new",
    "wrong-password": "old",
    "wrong-code": "code",
}
"""{what is refused: the field that is wrong}"""


def _own() -> tuple[User, UserAccount]:
    """Raises NotFound for an operator by a link of the command line, and for a learner whom the
    Academy's platform vouched for: both have no account."""
    user = signed_in()
    if user.account is None and user.learner is not None:
        raise NotFound(
            "learner-without-account",
            "You are signed in through the Academy, without an account here.",
            "Your courses are on the page My courses.",
        )
    if user.account is None:
        raise NotFound(
            "no-account",
            "You are signed in by an operator's link, without an account.",
            "`lms-bridge account add` makes one.",
        )
    return user, user.account


@pages.get("")
@needs(None)
def show() -> ResponseReturnValue:
    return _page(done=DONE.get(request.args.get("done", ""), ""))


@pages.post("")
@keeps_form
@needs(None)
def change() -> ResponseReturnValue:
    _, account = _own()
    form, database = request.form, the_bridge().database
    try:
        own = OwnFacts(
            form.get("name", ""), form.get("language", ""), form.get("time_zone", "")[:64]
        )
        change_own(database, account, own, current_actor())
    except Refused as error:
        return _page(error)
    return _done("changed")


@pages.post("/password")
@needs(None)
def set_password() -> ResponseReturnValue:
    user, account = _own()
    old, new = request.form.get("old", ""), request.form.get("new", "")
    try:
        authentication.set_password(
            the_bridge().database, account, old, new, user.session, current_actor()
        )
    except (Refused, Overloaded) as error:
        return _page(error)
    return _done("password")


@pages.post("/factor/new")
@needs(None)
def start_factor() -> ResponseReturnValue:
    _, account = _own()
    try:
        secret = authentication.start_totp(account)
    except Refused as error:
        return _page(error)
    return _page(secret=secret)


@pages.post("/factor")
@needs(None)
def confirm_factor() -> ResponseReturnValue:
    user, account = _own()
    bridge, secret = the_bridge(), ""
    try:
        secret = _unsealed(account, request.form.get("secret", ""))
        authentication.confirm_totp(
            bridge.database,
            bridge.vault,
            account,
            secret,
            request.form.get("code", "")[:20],
            user.session,
            current_actor(),
        )
    except Refused as error:
        return _page(error, secret=secret)
    return _done("factor")


@pages.post("/factor/removal")
@needs(None)
def remove_factor() -> ResponseReturnValue:
    user, account = _own()
    bridge, code = the_bridge(), request.form.get("code", "")[:20]
    try:
        authentication.remove_totp(
            bridge.database, bridge.vault, account, code, user.session, current_actor()
        )
    except (Refused, Overloaded) as error:
        return _page(error)
    return _done("removed")


@pages.post("/sessions/end")
@needs(None)
def end_others() -> ResponseReturnValue:
    user, account = _own()
    with the_bridge().database.writing() as tx:
        sessions.end_of_account(tx, account.number, current_actor(), but=user.session.number)
    return _done("ended")


def _done(what: str) -> Response:
    return redirect(url_for("own_account.show", done=what), 303)


def _sealed(account: UserAccount, secret: str) -> str:
    """The secret of a factor that is not confirmed yet, as the form carries it."""
    return the_bridge().vault.lock(f"{account.number} {secret}").decode()


def _unsealed(account: UserAccount, sealed: str) -> str:
    try:
        number, _, secret = the_bridge().vault.unlock(sealed.encode()).partition(" ")
    except SettingsInvalid:
        number, secret = "", ""
    if number != str(account.number) or not secret:
        raise Refused("wrong-form", "This form is not of your account.", "Begin again.")
    return secret


def _page(problem: BridgeError | None = None, *, done: str = "", secret: str = "") -> Response:
    user, account = _own()
    bridge, now = the_bridge(), utc_now()
    with bridge.database.reading() as tx:
        account = find_account(tx, number=account.number) or account
        open_ones = sessions.all_sessions(tx, bridge.settings.sign_in, now, account.number)
    try:
        check_second_factor(User(user.session, account))
        missing = False
    except SecondFactorNeeded:
        missing = True
    picture = ""
    if secret:
        host = bridge.settings.public_address.partition("://")[2]
        code = segno.make_qr(totp.address_of(secret, account.email, host))
        picture = Markup(code.svg_inline(scale=4, border=4, light="#fff"))  # noqa: S704 (ours)
    page = render_template(
        "accounts/own.html",
        account=account,
        own=form_given()
        if form_was_kept() or request.endpoint == "own_account.change"
        else account,
        languages=NAMES.items(),
        time_zones=sorted(available_timezones()),
        shortest=passwords.SHORTEST,
        sessions=open_ones,
        here=user.session.number,
        problem=problem,
        wrong=WRONG.get(problem.code, "") if problem else "",
        after=problem.after if isinstance(problem, Overloaded) else None,
        done=done,
        factor_missing=missing,
        secret=secret,
        sealed=_sealed(account, secret) if secret else "",
        picture=picture,
    )
    return make_response(page, 200 if problem is None else 400)
