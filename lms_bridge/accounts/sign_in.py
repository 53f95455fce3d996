"""How people get in and out: by a link, a password, a provider; the second factor; sign-out."""

from __future__ import annotations

import secrets
from urllib.parse import quote

import structlog
from flask import Blueprint, Flask, current_app, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from lms_bridge.accounts import authentication
from lms_bridge.accounts.feature import BACK, NEW, accounts_of
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import (
    BridgeError,
    CircuitOpen,
    NotFound,
    Overloaded,
    Refused,
    RetryLater,
    StopRun,
    Unreachable,
)
from lms_bridge.store import accounts, learners
from lms_bridge.web import sessions
from lms_bridge.web.access import (
    NotAllowed,
    SecondFactorNeeded,
    SignInNeeded,
    cookie_name,
    current_session,
    current_user,
    is_secure,
    the_bridge,
)
from lms_bridge.web.csrf import check_csrf, check_form_token, own_path, sent_from
from lms_bridge.web.kept_forms import keep_of_ended_session, texts_of_nobody
from lms_bridge.web.languages import is_translated, set_language, use_readers_language
from lms_bridge.web.sessions import PATH
from lms_bridge.web.visitors import visitor

_log = structlog.get_logger(__name__)
pages = Blueprint("sign_in", __name__, template_folder="templates")
_SESSION, _WANTED, _PROVIDER = "session", "wanted", "provider"
_WANTED_SECONDS = 3600


def add_to(app: Flask) -> None:
    app.register_blueprint(pages)
    app.register_error_handler(SignInNeeded, _ask_to_sign_in)
    app.register_error_handler(NotAllowed, _not_allowed)
    app.register_error_handler(SecondFactorNeeded, _ask_for_factor)


def _ask_to_sign_in(error: Exception) -> ResponseReturnValue:
    """The page that explains the sign-in; it keeps the requested path."""
    session = current_session()
    if session is not None and session.half:
        return redirect(f"{PATH}/code", 303)
    use_readers_language()
    kept = keep_of_ended_session()
    response = _page(401, kept=bool(kept), texts=[] if kept else texts_of_nobody())
    # Browsers ask for no password with this scheme (draft-broyer-http-cookie-auth).
    response.headers["WWW-Authenticate"] = (
        f'Cookie realm="pages", form-action="{PATH}", cookie-name="{cookie_name(_SESSION)}"'
    )
    path = quote(request.path, safe="/:@!$&'()*+,;=~")
    if request.query_string:
        path += f"?{request.query_string.decode('latin-1')}"
    if request.method != "GET" and not kept:
        path = sent_from()
    if path and own_path(path) == path:
        _set_cookie(response, _WANTED, path, _WANTED_SECONDS)
    return response


def _not_allowed(error: Exception) -> ResponseReturnValue:
    reference = _note("page not allowed", 403)
    page = render_template("accounts/not_allowed.html", error=error, reference=reference)
    return make_response(page, 403)


def _ask_for_factor(error: Exception) -> ResponseReturnValue:
    return redirect("/account", 303)


@pages.get(PATH)
def show() -> ResponseReturnValue:
    session = current_session()
    if session is not None and session.half:
        return redirect(f"{PATH}/code", 303)
    return _page()


# Programs that look into messages for safety open every address: so looking at a link does not use
# it, only the button does.


@pages.get(f"{PATH}/<secret>")
def show_link(secret: str) -> ResponseReturnValue:
    bridge = the_bridge()
    link = sessions.find(bridge.database, "link", secret, bridge.settings.sign_in, utc_now())
    if link is None:
        return _onward() if current_user() else _page(404, gone=True)
    return _page(link=link, secret=secret, link_name=_name_on(link))


def _name_on(link: sessions.Session) -> str:
    """Whom the page of a link says that it signs in."""
    with the_bridge().database.reading() as tx:
        if link.account is not None:
            known = accounts.find_account(tx, number=link.account)
            return known.name or link.name if known else link.name
        if link.learner is None:
            return link.name
        found = learners.learners(tx, [link.learner]).get(link.learner)
    name = f"{found.given_name} {found.family_name}".strip() if found else ""
    return name or link.name


@pages.post(f"{PATH}/<secret>")
def use_link(secret: str) -> ResponseReturnValue:
    check_csrf()
    bridge, now = the_bridge(), utc_now()
    opened = sessions.use_link(
        bridge.database,
        secret,
        bridge.settings.sign_in,
        now,
        needs_factor=authentication.has_factor,
    )
    if opened is None:
        return _onward() if current_user() else _page(404, gone=True)
    return enter(opened)


@pages.get(f"{NEW}/<token>")
def show_new(token: str) -> ResponseReturnValue:
    own = accounts_of(current_app).own_accounts
    email = own.address(token, utc_now()) if own.work else None
    if email is None:
        return _page(404, gone=True)
    return _page(new_email=email, token=token)


@pages.post(f"{NEW}/<token>")
def use_new(token: str) -> ResponseReturnValue:
    """Makes the account, and signs it in."""
    check_csrf()
    own = accounts_of(current_app).own_accounts
    opened = own.make(the_bridge().database, token, utc_now()) if own.work else None
    if opened is None:
        return _onward() if current_user() else _page(404, gone=True)
    return enter(opened)


@pages.post(f"{PATH}/by-mail")
def mail_link() -> ResponseReturnValue:
    """Mails a link. The answer is the same whether there is such an account or not."""
    check_csrf()
    feature = accounts_of(current_app)
    if not feature.mailer.works:
        raise NotFound("no-mail", "The bridge sends no mail.", "An operator can make a link.")
    try:
        feature.mail_link(request.form.get("email", ""), visitor())
    except Overloaded as error:
        return _failed(error)
    return _page(mailed=True)


@pages.post(f"{PATH}/password")
def by_password() -> ResponseReturnValue:
    check_csrf()
    bridge, form = the_bridge(), request.form
    email = form.get("email", "")
    try:
        opened = authentication.sign_in_by_password(
            bridge.database,
            email,
            form.get("password", ""),
            bridge.settings.sign_in,
            utc_now(),
        )
    except (Refused, Overloaded) as error:
        return _failed(error, email=email)
    return enter(opened)


@pages.get(f"{PATH}/code")
def show_code() -> ResponseReturnValue:
    return _code_page()


@pages.post(f"{PATH}/code")
def use_code() -> ResponseReturnValue:
    check_csrf()
    session, bridge = current_session(), the_bridge()
    if session is None:
        return _page(404, gone=True)
    try:
        opened = authentication.complete_by_code(
            bridge.database,
            bridge.vault,
            session,
            request.form.get("code", "")[:20],
            bridge.settings.sign_in,
            utc_now(),
        )
    except (Refused, Overloaded) as error:
        return _code_page(error)
    response = _onward()
    _set_cookie(response, _SESSION, opened[1])
    return response


@pages.post(f"{PATH}/provider")
def begin_with_provider() -> ResponseReturnValue:
    check_csrf()
    provider = accounts_of(current_app).provider
    if not provider.works:
        raise NotFound("no-provider", "There is no OpenID provider here.")
    try:
        address, cookie = provider.begin(utc_now())
    except (StopRun, RetryLater) as error:
        return _failed(error)
    # The form leads to another site, which `form-action 'self'` would stop: a page goes there.
    page = render_template("accounts/to_provider.html", address=address, name=provider.name)
    response = make_response(page)
    response.headers["Refresh"] = f"0; url={address}"
    _set_cookie(response, _PROVIDER, cookie, 600)
    return response


@pages.get(BACK)
def come_back() -> ResponseReturnValue:
    bridge, now = the_bridge(), utc_now()
    provider = accounts_of(current_app).provider
    cookie = request.cookies.get(cookie_name(_PROVIDER), "")
    try:
        person = provider.finish(request.args.to_dict(), cookie, now)
        with bridge.database.writing() as tx:
            opened = authentication.open_for_person(tx, person, bridge.settings.sign_in, now)
    except (Refused, StopRun, RetryLater) as error:
        response = _failed(error)
    else:
        response = enter(opened)
    _delete_cookie(response, _PROVIDER)
    return response


@pages.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    check_csrf()
    session = current_session()
    if session is not None:
        check_form_token()
        sessions.sign_out(the_bridge().database, session, utc_now())
    response = redirect(PATH, 303)
    for use in (_SESSION, _WANTED):
        _delete_cookie(response, use)
    return response


@pages.after_request
def _keep_secret(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def enter(opened: tuple[sessions.Session, str], to: str = "") -> Response:
    """The new session's cookie in place of the old one, whose session ends. The browser goes
    ``to`` a page of its own, or to the one that it asked for before."""
    before = current_session()
    if before is not None:
        sessions.sign_out(the_bridge().database, before, utc_now())
    session, secret = opened
    response = redirect(f"{PATH}/code", 303) if session.half else _onward(session)
    if to and not session.half:
        response.location = to
    _set_cookie(response, _SESSION, secret)
    return response


def _onward(session: sessions.Session | None = None) -> Response:
    """To the page that was requested before the sign-in; a learner's first page is their own."""
    first = "/my" if session is not None and session.learner is not None else "/"
    response = redirect(own_path(request.cookies.get(cookie_name(_WANTED), first)), 303)
    _delete_cookie(response, _WANTED)
    return response


def _in_plain_words(error: BridgeError) -> BridgeError:
    """A provider that does not answer, for whoever wants to sign in. The log says more."""
    if not isinstance(error, Unreachable | CircuitOpen):
        return error
    _log.warning("provider does not answer", code=error.code, reason=error.message)
    return RetryLater(
        "provider-silent",
        "The other system that you sign in with does not answer at the moment.",
        "Try again in some minutes, or sign in in another way.",
        after=error.after,
    )


def _failed(error: BridgeError, **values: object) -> Response:
    error = _in_plain_words(error)
    if not is_translated(error.message, error.remedy):
        set_language("en")  # a page is in one language
    status, after = 403, 0.0
    if isinstance(error, RetryLater):
        status, after = 503, error.after or 0.0
    elif isinstance(error, StopRun):
        status = 502
    wrong = {"sign-in-refused": "password", "not-an-email": "email"}.get(error.code, "")
    response = _page(status, problem=error, wrong=wrong, after=after, **values)
    if after:
        response.headers["Retry-After"] = str(int(after) + 1)
    return response


def _code_page(problem: BridgeError | None = None) -> Response:
    session = current_session()
    if session is None or not session.half:
        return _page(404, gone=True) if current_user() is None else _onward()
    after = problem.after if isinstance(problem, RetryLater) else None
    status = 200 if problem is None else 503 if after else 403
    page = render_template("accounts/code.html", problem=problem, after=after)
    return make_response(page, status)


def _page(status: int = 200, **values: object) -> Response:
    feature = accounts_of(current_app)
    page = render_template(
        "accounts/sign_in.html",
        status=status,
        link_minutes=the_bridge().settings.sign_in.link_minutes,
        reference=_note("sign-in needed", status) if status >= 400 else "",
        mail_works=feature.mailer.works,
        mail_fails=feature.mailer.failing,
        own_accounts=feature.own_accounts.work,
        provider_name=feature.provider.name if feature.provider.works else "",
        **values,
    )
    return make_response(page, status)


def _note(event: str, status: int) -> str:
    """A line in the log, and its reference."""
    reference = secrets.token_hex(4)
    _log.info(event, page=request.endpoint, status=status, reference=reference)
    return reference


def _set_cookie(response: Response, use: str, value: str, seconds: int | None = None) -> None:
    # Lax, not Strict: a link to a page in a message opens it.
    response.set_cookie(
        cookie_name(use),
        value,
        max_age=seconds,
        path="/",
        secure=is_secure(),
        httponly=True,
        samesite="Lax",
    )


def _delete_cookie(response: Response, use: str) -> None:
    response.delete_cookie(
        cookie_name(use), path="/", secure=is_secure(), httponly=True, samesite="Lax"
    )
