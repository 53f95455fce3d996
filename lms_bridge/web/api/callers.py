"""Who asks: the token of a request, what it is for, and whose data it reaches."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g, request
from sqlalchemy import Connection, select

from lms_bridge.domain.access import Scope, Token
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import ACADEMY, Centre
from lms_bridge.store import centres, tokens
from lms_bridge.store.tables import centre as table
from lms_bridge.sync.auditing import By
from lms_bridge.sync.offering_acts import API
from lms_bridge.sync.work import utc_now
from lms_bridge.web.api.limits import limits
from lms_bridge.web.bridging import the_bridge
from lms_bridge.webhooks.signing import ID, SIGNATURE, TIMESTAMP, verified_id


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks. Without a token it is anybody, who sees the public catalogue, or the Academy,
    which has signed what it says."""

    token: Token | None = None
    signed: bool = False

    @property
    def name(self) -> str:
        if self.signed:
            return ACADEMY
        return self.token.name if self.token else ""

    def by(self) -> By:
        return By(self.name, API, utc_now())

    def shown_token(self) -> Token:
        """The token of a request to a route that has a scope and takes no signature."""
        if self.token is None:
            raise RuntimeError("every such request has a token")
        return self.token

    def may(self, scope: Scope) -> bool:
        return self.token is not None and scope in self.token.scopes

    def reaches(self, centre: Centre) -> bool:
        if self.signed:
            return True
        return self.token is not None and self.token.reach.holds(centre)

    def centres(self, tx: Connection) -> list[str] | None:
        """Codes of the centres whose data it reaches; None: all of them."""
        if self.token is None:
            return []
        reach = self.token.reach
        if reach.centre:
            return [reach.centre]
        if reach.region:
            return list(tx.scalars(select(table.c.code).where(table.c.region == reach.region)))
        return None

    def check_reach(self, tx: Connection, code: str, missing: NotFound) -> Centre:
        """The centre of that code. Another centre's things are told of as if they did not exist.

        Raises:
            NotFound: as given.
        """
        found = centres.find(tx, code)
        if found is None or not self.reaches(found):
            raise missing
        return found


def let_in(scope: Scope | None) -> Caller:
    """The caller of this request, with a scope that the token must have, if any.

    Raises:
        Refused: the token is missing, not valid, or not for this.
        Overloaded: it, or an address without a good one, has asked too often in this minute.
    """
    text, now = _bearer(), utc_now()
    if not text:
        limits().count_visitor(now)
        if scope is not None:
            raise Refused(
                "token-missing",
                "This needs a token.",
                "Send it in the header “Authorization: Bearer …”.",
            )
        return _known(Caller())
    with the_bridge().database.reading() as tx:
        token = tokens.find(tx, text)
    if token is None or not token.usable(now):
        limits().count_visitor(now)
        raise Refused(
            "token-refused",
            "The token is unknown, expired or revoked.",
            "Ask the bridge's operators for a new one.",
        )
    limits().count(token, now)
    if scope is not None and scope not in token.scopes:
        raise Refused(
            "scope-missing", f"The token lacks the scope {scope}.", "Ask for a token with it."
        )
    return _known(Caller(token))


def is_signed() -> bool:
    """Whether the request comes with a signature, good or not."""
    return SIGNATURE in request.headers


def let_in_signed() -> Caller:
    """The Academy, whose signature the request bears. The id of its message is kept as
    ``g.event_id``.

    Raises:
        Refused: the signature is not good, or there is no secret to tell.
        Overloaded: the address has sent too many such in this minute.
    """
    secret = the_bridge().settings.academy.events_secret
    if not secret:
        limits().count_visitor(utc_now())
        raise Refused(
            "signature-refused",
            "There is no secret to check the signature with.",
            "The bridge's operators set academy.events_secret.",
        )
    body = request.get_data(cache=True)
    headers = {name: request.headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE)}
    try:
        g.event_id = verified_id(secret, headers, body, utc_now().timestamp())
    except Refused:
        limits().count_visitor(utc_now())
        raise
    return _known(Caller(signed=True))


def _bearer() -> str:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else ""


def _known(caller: Caller) -> Caller:
    g.api_caller = caller
    return caller


def caller() -> Caller:
    """Whoever asks, once let in."""
    found = g.api_caller
    if not isinstance(found, Caller):
        raise RuntimeError("nobody was let in")
    return found
