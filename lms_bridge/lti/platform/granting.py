"""The token endpoint, and what access tokens allow.

Sources: 1EdTech Security Framework 1.1, section 4; RFC 7523, section 3; RFC 6749, sections 4.4 and
5; RFC 9068 (tokens are signed, so that no process has to look them up).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from lms_bridge.lti import parties
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.room import Room
from lms_bridge.lti.tokens import VerifiedClaims, unverified_issuer, verify
from lms_bridge.lti.vocabulary import SCOPES

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ACCESS = "at+jwt"
MOST_SECONDS = 3600.0
JTI = "assertion"


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a token request."""

    access_token: str
    seconds: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """Who calls a service, and what for."""

    party: Party
    scopes: frozenset[str]


def grant(room: Room, form: Mapping[str, str]) -> Grant:
    """An access token for a tool that proves who it is.

    Raises:
        LtiRefused: status 400 or 401; ``oauth_error`` names the error of RFC 6749.
    """
    if form.get("grant_type") != "client_credentials":
        raise LtiRefused("grant-type", "Only the grant type client_credentials is supported.")
    if form.get("client_assertion_type") != ASSERTION:
        raise LtiRefused(
            "grant-assertion-type", "Only assertions of type jwt-bearer are supported."
        )
    token = form.get("client_assertion", "")
    party = _claimed(room, token, form.get("client_id", ""))
    claims = _verified(room, token, party)
    scopes = tuple(
        scope
        for scope in dict.fromkeys(form.get("scope", "").split())
        if scope in party.scopes and scope in SCOPES
    )
    if not scopes:
        raise LtiRefused("grant-scope", "None of the scopes asked for is granted to this tool.")
    _once(room, party, claims)
    return _granted(room, party, scopes)


def oauth_error(error: LtiRefused) -> str:
    """The error of RFC 6749, section 5.2, that a refusal is."""
    known = {
        "grant-type": "unsupported_grant_type",
        "grant-assertion-type": "invalid_request",
        "grant-scope": "invalid_scope",
        "grant-client-inactive": "unauthorized_client",
        "parameter-repeated": "invalid_request",
        "parameter-invalid": "invalid_request",
    }
    return known.get(error.code, "invalid_client")


def _claimed(room: Room, token: str, client_id: str) -> Party:
    issuer = unverified_issuer(token)
    if not issuer or (client_id and client_id != issuer):
        raise LtiRefused("grant-client", "The assertion is from somebody else than the client.")
    with room.database.reading() as tx:
        party = parties.find_tool(tx, issuer)
    if party is None:
        raise LtiRefused("grant-client-unknown", "This client is not registered here.")
    if not party.active:
        raise LtiRefused("grant-client-inactive", "This client is not active.")
    return party


def _verified(room: Room, token: str, party: Party) -> VerifiedClaims:
    claims = verify(
        token,
        room.keysets.of(party),
        issuer=party.client_id,
        audience={room.address + endpoints.TOKEN, room.address},
        leeway=room.settings.leeway_seconds,
        now=room.now(),
        longest=MOST_SECONDS + room.settings.leeway_seconds,
    )
    if claims.get("sub") != party.client_id:
        raise LtiRefused("grant-subject", "The assertion's subject is not the client itself.")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti:
        raise LtiRefused("grant-jti-missing", "The assertion has no id of its own.")
    return claims


def _once(room: Room, party: Party, claims: VerifiedClaims) -> None:
    leeway = room.settings.leeway_seconds
    seconds = float(claims["exp"]) - room.now().timestamp() + 2 * leeway
    if room.once.seen(JTI, f"{party.client_id} {claims['jti']}", seconds):
        raise LtiRefused("grant-jti-used", "The assertion was used before.")


def _granted(room: Room, party: Party, scopes: tuple[str, ...]) -> Grant:
    now = int(room.now().timestamp())
    seconds = room.settings.access_token_seconds
    claims = {
        "iss": room.address,
        "aud": room.address + endpoints.SERVICES,
        "sub": party.client_id,
        "client_id": party.client_id,
        "iat": now,
        "exp": now + seconds,
        "jti": secrets.token_urlsafe(12),
        "scope": " ".join(scopes),
    }
    return Grant(room.keyring.sign(claims, typ=ACCESS), seconds, scopes)


def access(room: Room, authorization: str, *needed: str) -> Access:
    """Whoever presents this ``Authorization`` header, if it allows one of the needed scopes.

    Raises:
        LtiRefused: status 401 without a valid token, 403 without the scope.
    """
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise LtiRefused("access-missing", "There is no access token.", status=401)
    claims = _own(room, token.strip())
    with room.database.reading() as tx:
        party = parties.find_tool(tx, str(claims["sub"]))
    if party is None or not party.active:
        raise LtiRefused("access-client", "This client is not active any more.", status=401)
    scopes = frozenset(str(claims["scope"]).split()) & frozenset(party.scopes)
    if not scopes.intersection(needed):
        raise LtiRefused("access-scope", "The access token does not allow this.", status=403)
    return Access(party, scopes)


def _own(room: Room, token: str) -> VerifiedClaims:
    try:
        claims = verify(
            token,
            room.keyring,
            issuer=room.address,
            audience=room.address + endpoints.SERVICES,
            leeway=0.0,
            now=room.now(),
        )
    except LtiRefused as error:
        raise LtiRefused(
            "access-invalid",
            "The access token is not valid (any more).",
            detail=error.code,
            status=401,
        ) from None
    if claims.header.get("typ") != ACCESS:  # an id_token is no access token
        raise LtiRefused("access-invalid", detail="typ", status=401)
    return claims
