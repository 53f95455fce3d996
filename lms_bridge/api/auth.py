"""Authentication: the token or signature of a request, its scopes, and the centres it may read."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g, request
from sqlalchemy import Connection

from lms_bridge.api import tokens
from lms_bridge.api.rate_limit import rate_limits
from lms_bridge.audit import Actor
from lms_bridge.domain.access import Permission, Scope, Token, allows
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import ACADEMY, Centre
from lms_bridge.signing import ID, SIGNATURE, TIMESTAMP, verified_id
from lms_bridge.store import centres
from lms_bridge.store.accounts import centres_within
from lms_bridge.sync.context import API
from lms_bridge.web.access import the_bridge


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated sender of a request.

    With neither token nor signature it is anybody, and may read the public catalogue. ``signed``
    means that the Academy has signed the request.
    """

    token: Token | None = None
    signed: bool = False

    @property
    def name(self) -> str:
        if self.signed:
            return ACADEMY
        return self.token.name if self.token else ""

    @property
    def sender(self) -> str:
        """Who shares what one sender may take: all tokens of a centre are one."""
        if self.token is None:
            return self.name
        return self.token.reach.centre or self.token.prefix

    def by(self) -> Actor:
        return Actor(self.name, API, utc_now())

    def require_token(self) -> Token:
        """The token of a request to a route that has a scope and takes no signature."""
        if self.token is None:
            raise RuntimeError("every such request has a token")
        return self.token

    @property
    def permissions(self) -> list[Permission]:
        """The Academy, which signs, may read everything; a token has one permission."""
        if self.signed:
            return [Permission(frozenset())]
        return [] if self.token is None else [self.token.permission]

    def may(self, scope: Scope, centre: Centre | None = None) -> bool:
        """Whether the caller may use the scope for a centre; without one: for anything at all."""
        return allows(self.permissions, scope, centre)

    def realm(self, centre: Centre) -> str:
        """Whose identities new learners get: those of the centre, unless the caller speaks for the
        Academy."""
        return "" if self.token is not None and self.token.reach.everything else centre.code

    def may_read(self, centre: Centre) -> bool:
        return allows(self.permissions, None, centre)

    def centres(self, tx: Connection) -> list[str] | None:
        """Codes of the centres whose data the caller may read; None: all of them."""
        return centres_within(tx, [] if self.token is None else [self.token.reach])

    def centre_in_scope(self, tx: Connection, code: str, missing: NotFound) -> Centre:
        """The centre of that code. Data of other centres looks as if it did not exist.

        Raises:
            NotFound: ``missing``.
        """
        found = centres.find(tx, code)
        if found is None or not self.may_read(found):
            raise missing
        return found


def authenticate(scope: Scope | None) -> Caller:
    """The caller of this request, whose token must have the scope, if there is one.

    Raises:
        Refused: the token is missing, not valid, or lacks the scope.
        Overloaded: the token, or the address without a valid token, is over its rate limit.
    """
    text, now = _bearer(), utc_now()
    if not text:
        rate_limits().count_address(now)
        if scope is not None:
            raise Refused(
                "token-missing",
                "This needs a token.",
                "Send it in the header “Authorization: Bearer …”.",
            )
        return _remember(Caller())
    with the_bridge().database.reading() as tx:
        token = tokens.find(tx, text)
    if token is None or not token.usable(now):
        rate_limits().count_address(now)
        raise _token_refused()
    rate_limits().count(token, now)
    if scope is not None and not allows([token.permission], scope):
        raise Refused(
            "scope-missing", f"The token lacks the scope {scope}.", "Ask for a token with it."
        )
    return _remember(Caller(token))


def check_token_again() -> None:
    """For a request that waited. Raises Refused: its token was revoked or expired meanwhile."""
    token = caller().token
    if token is None:
        return
    with the_bridge().database.reading() as tx:
        if not tokens.is_usable(tx, token, utc_now()):
            raise _token_refused()


def _token_refused() -> Refused:
    return Refused(
        "token-refused",
        "The token is unknown, expired or revoked.",
        "Ask the bridge's operators for a new one.",
    )


def is_signed() -> bool:
    """Whether the request has a signature, valid or not."""
    return SIGNATURE in request.headers


def authenticate_signed() -> Caller:
    """The Academy, which has signed the request. ``g.event_id`` gets the id of its message.

    Raises:
        Refused: the signature is not valid, or the bridge has no secret to check it with.
        Overloaded: the address is over its rate limit.
    """
    secret = the_bridge().settings.academy.events_secret
    if not secret:
        rate_limits().count_address(utc_now())
        raise Refused(
            "signature-refused",
            "There is no secret to check the signature with.",
            "The bridge's operators set academy.events_secret.",
        )
    body = request.get_data(cache=True)
    headers = {name: request.headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE)}
    try:
        g.event_id = verified_id(secret, headers, body)
    except Refused:
        rate_limits().count_address(utc_now())
        raise
    return _remember(Caller(signed=True))


def _bearer() -> str:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else ""


def _remember(caller: Caller) -> Caller:
    g.api_caller = caller
    return caller


def caller() -> Caller:
    """The caller that this request was authenticated as."""
    found: Caller = g.api_caller
    return found
