"""Who asks, and what they may see and do.

Only a session gives authority here, with the roles of its account: no address of a peer does, and
no header of a proxy. Every page that is not public names the scope that it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, current_app, g, request
from sqlalchemy import Connection

from lms_bridge.audit import PAGE, Actor
from lms_bridge.bridge import Bridge
from lms_bridge.domain.access import DataScope, Permission, Scope, allows, reaches
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import BridgeError, NotFound
from lms_bridge.domain.model import Centre, Learner
from lms_bridge.domain.roles import Grant, Role
from lms_bridge.store import centres, learners
from lms_bridge.store.accounts import UserAccount, centres_within, find_account
from lms_bridge.web import sessions
from lms_bridge.web.sessions import Session

_NAME = "lms_bridge"


def add_bridge_to(app: Flask, bridge: Bridge) -> None:
    app.extensions[_NAME] = bridge


def the_bridge() -> Bridge:
    """The bridge of the application that serves this request."""
    bridge: Bridge = current_app.extensions[_NAME]
    return bridge


PUBLIC = frozenset(
    {
        *("public", "catalogue", "directory", "sign_in"),
        *("feeds", "sitemaps", "oeapi"),
        "calendars",  # by an address that nobody can guess
        "demo",  # there is such a page in the demo alone
        *("api", "api_docs"),  # programs send a token instead
        *("lti_tool", "lti_platform", "lti_machine", "lti_services", "lti_connect"),
    }
)
"""Blueprints that everybody may see. A new blueprint is closed until it is named here."""
_NEED = "lms_bridge_need"
View = TypeVar("View", bound=Callable[..., Any])


def needs(scope: Scope | None) -> Callable[[View], View]:
    """Says what a page needs. None: to be signed in is enough."""

    def declare(view: View) -> View:
        setattr(view, _NEED, scope)
        return view

    return declare


_FILES = "lms_bridge_most_bytes"


def takes_files(most_bytes: int) -> Callable[[View], View]:
    """Lets the forms of a page be as large as this: all others are small."""

    def declare(view: View) -> View:
        setattr(view, _FILES, most_bytes)
        return view

    return declare


def most_bytes_of(app: Flask, endpoint: str) -> int:
    """What a page's form may have; 0: what every form may."""
    return int(getattr(app.view_functions[endpoint], _FILES, 0))


def need_of(app: Flask, endpoint: str) -> Scope | None:
    """What the page needs.

    Raises:
        RuntimeError: nobody has said it, so it stays closed.
    """
    view = app.view_functions[endpoint]
    if not hasattr(view, _NEED):
        raise RuntimeError(f"{endpoint} does not say which scope it needs")
    need: Scope | None = getattr(view, _NEED)
    return need


def check_needs(app: Flask) -> None:
    """Raises RuntimeError where a page is neither public nor says what it needs."""
    for rule in app.url_map.iter_rules():
        if not is_public(rule.endpoint):
            need_of(app, rule.endpoint)


def is_public(endpoint: str) -> bool:
    return endpoint == "static" or endpoint.rpartition(".")[0] in PUBLIC


class SignInNeeded(BridgeError):
    """The page is for people who are signed in, and nobody is."""

    def __init__(self) -> None:
        super().__init__(
            "sign-in-needed",
            "This page is for people who are signed in, and nobody is signed in here.",
            "`lms-bridge operator link` prints a link that signs an operator in.",
        )


class NotAllowed(BridgeError):
    """Whoever is signed in has no role that the page is for."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            "not-allowed",
            f"None of your roles includes {scope}, which this page needs.",
            "Ask an operator of the bridge for a role that does.",
        )


class SecondFactorNeeded(BridgeError):
    """Whoever is signed in has a role that needs a second factor, and has none yet."""

    def __init__(self) -> None:
        super().__init__(
            "second-factor-needed",
            "Your role needs a second factor.",
            "Set one up on the page of your account.",
        )


@dataclass(frozen=True, slots=True)
class SignedInLearner:
    """The learner that whoever is signed in is, with the number of the row."""

    number: int
    record: Learner

    @property
    def name(self) -> str:
        return f"{self.record.given_name} {self.record.family_name}".strip()


@dataclass(frozen=True, slots=True)
class User:
    """Who is signed in. With neither account nor learner: an operator, by a link from the command
    line. A learner without an account has no role."""

    session: Session
    account: UserAccount | None
    learner: SignedInLearner | None = None

    @property
    def name(self) -> str:
        if self.account is not None:
            return self.account.shown_name
        return (self.learner.name if self.learner else "") or self.session.name

    @property
    def grants(self) -> tuple[Grant, ...]:
        if self.account is not None:
            return self.account.grants
        return (Grant(Role.OPERATOR),) if self.session.is_operators else ()

    @property
    def time_zone(self) -> str:
        """The zone that they want times in; "" for the zone that each time belongs to."""
        return self.account.time_zone if self.account is not None else ""

    @property
    def permissions(self) -> list[Permission]:
        return [grant.permission for grant in self.grants]

    def may(self, scope: Scope, centre: Centre | None = None) -> bool:
        """Whether they may use the scope for a centre; without one: for anything at all."""
        return allows(self.permissions, scope, centre)

    def reaches(self, scope: Scope) -> list[DataScope]:
        return reaches(self.permissions, scope)


def signed_in() -> User:
    """Whoever is signed in.

    Raises:
        SignInNeeded: nobody is.
    """
    user = current_user()
    if user is None:
        raise SignInNeeded
    return user


def current_actor() -> Actor:
    """Who asks, for what is changed on their behalf.

    Raises:
        SignInNeeded: nobody is signed in.
    """
    return Actor(signed_in().session.name, PAGE, utc_now())


def check_second_factor(user: User) -> None:
    """Raises SecondFactorNeeded where the account needs a second factor that it does not have."""
    account, wanted = user.account, the_bridge().settings.sign_in.second_factor
    if wanted and account is not None and not account.has_totp and account.has(*_NEED_FACTOR):
        raise SecondFactorNeeded


_NEED_FACTOR = (Role.OPERATOR, Role.ADMINISTRATOR)


def centre_for(scope: Scope, code: str) -> Centre:
    """The centre of this code. One that the reader's roles do not reach looks as if it did not
    exist.

    Raises:
        NotFound: there is none that they may see.
    """
    with the_bridge().database.reading() as tx:
        found = centres.find(tx, code)
    if found is None or not signed_in().may(scope, found):
        raise NotFound("no-such-centre", f'There is no centre "{code[:40]}".')
    return found


def centres_for(tx: Connection, scope: Scope) -> list[str] | None:
    """Codes of the centres that the reader may use the scope for; None: all of them, and what
    belongs to none."""
    return centres_within(tx, signed_in().reaches(scope))


def current_user() -> User | None:
    """Whoever is signed in, looked up once for a request; nobody while the second factor is still
    to be shown."""
    if "user" not in g:
        g.user = None  # the page of a database that is away must not ask it again
        g.user = _user_of(current_session())
    found: User | None = g.user
    return found


def account_language() -> str:
    """The language that whoever is signed in has chosen; "" where there is none."""
    user = current_user()
    if user is None:
        return ""
    if user.account is not None and user.account.language:
        return user.account.language
    return user.learner.record.language if user.learner is not None else ""


def _user_of(session: Session | None) -> User | None:
    if session is None or session.half:
        return None
    if session.is_operators:
        return User(session, None)
    with the_bridge().database.reading() as tx:
        account = None
        if session.account is not None:
            account = find_account(tx, number=session.account)
            if account is None or account.disabled_at is not None:
                return None
        elif _is_disabled(tx, session.learner):
            return None
        number = session.learner if account is None else account.learner
        return User(session, account, _learner_of(tx, number))


def _is_disabled(tx: Connection, learner: int | None) -> bool:
    """Whether the learner has an account in which nobody may sign in."""
    account = find_account(tx, learner=learner)
    return account is not None and account.disabled_at is not None


def _learner_of(tx: Connection, number: int | None) -> SignedInLearner | None:
    if number is None:
        return None
    found = learners.learners(tx, [number]).get(number)
    return None if found is None else SignedInLearner(number, found)


def current_session() -> Session | None:
    """The session of the browser that asks, with or without its second factor, looked up once for
    a request."""
    if "web_session" not in g:
        g.web_session = None
        g.web_session = _session_of(request.cookies.get(cookie_name("session"), ""))
    found: Session | None = g.web_session
    return found


def _session_of(secret: str) -> Session | None:
    if not secret:
        return None
    bridge, now = the_bridge(), utc_now()
    found = sessions.find(bridge.database, "session", secret, bridge.settings.sign_in, now)
    if found is not None:
        sessions.keep_alive(bridge.database, found, now)
    return found


def cookie_name(use: str) -> str:
    """Of one of the bridge's own cookies. With this prefix, browsers accept it only from this very
    host, over https (RFC 6265bis, section 4.1.3.2)."""
    return f"{'__Host-' if is_secure() else ''}lms_bridge_{use}"


def is_secure() -> bool:
    """Whether browsers reach the bridge over https: its own address says so, no header does."""
    return the_bridge().settings.public_address.startswith("https://")
