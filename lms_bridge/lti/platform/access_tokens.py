"""The token endpoint, and the check of access tokens.

Sources: 1EdTech Security Framework 1.1, section 4; RFC 7523, section 3; RFC 6749, sections 4.4 and
5; RFC 9068 (access tokens are signed, so that no process has to store them).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from lms_bridge.http.origins import origin
from lms_bridge.lti import registrations
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.jwt import VerifiedClaims, unverified_claims, unverified_issuer, verify
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.lti.vocabulary import SCOPES

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ACCESS = "at+jwt"
MOST_SECONDS = 3600.0
JTI = "assertion"


@dataclass(frozen=True, slots=True)
class GrantedToken:
    access_token: str = field(repr=False)
    seconds: int
    scopes: tuple[str, ...]


def grant_token(lti: LtiContext, form: Mapping[str, str]) -> GrantedToken:
    """An access token for a tool that authenticates with a signed assertion.

    Raises:
        LtiRefused: ``oauth_error`` gives the error of RFC 6749.
    """
    if form.get("grant_type") != "client_credentials":
        raise LtiRefused("grant-type", "Only the grant type client_credentials is supported.")
    if form.get("client_assertion_type") != ASSERTION:
        raise LtiRefused(
            "grant-assertion-type", "Only assertions of type jwt-bearer are supported."
        )
    token = form.get("client_assertion", "")
    registration, issuer = _client(lti, token, form.get("client_id", ""))
    claims = _verify_assertion(lti, token, registration, issuer)
    scopes = tuple(
        scope
        for scope in dict.fromkeys(form.get("scope", "").split())
        if scope in registration.granted and scope in SCOPES
    )
    if not scopes:
        raise LtiRefused("grant-scope", "This tool has none of the requested scopes.")
    leeway = lti.settings.leeway_seconds
    seconds = float(claims["exp"]) - lti.now().timestamp() + 2 * leeway
    if not lti.nonces.use(JTI, f"{registration.client_id} {claims['jti']}", seconds):
        raise LtiRefused("grant-jti-used", "The assertion was used before.")
    return _sign(lti, registration, scopes)


def oauth_error(error: LtiRefused) -> str:
    """The error of RFC 6749, section 5.2."""
    known = {
        "grant-type": "unsupported_grant_type",
        "grant-assertion-type": "invalid_request",
        "grant-scope": "invalid_scope",
        "grant-client-inactive": "unauthorized_client",
        "parameter-repeated": "invalid_request",
        "parameter-invalid": "invalid_request",
    }
    return known.get(error.code, "invalid_client")


def _client(lti: LtiContext, token: str, client_id: str) -> tuple[LtiRegistration, str]:
    """The tool that the assertion names, and the issuer that it gives itself; not verified yet."""
    issuer = unverified_issuer(token)
    if not issuer:
        raise LtiRefused("grant-client", "The assertion is from somebody else than the client.")
    subject = unverified_claims(token).get("sub")
    with lti.database.reading() as tx:
        registration = registrations.find_tool(tx, issuer)
        if registration is None and isinstance(subject, str) and subject.isprintable():
            registration = registrations.find_tool(tx, subject)
    if registration is None or issuer not in (registration.client_id, *_own_names(registration)):
        raise LtiRefused("grant-client-unknown", "This client is not registered here.")
    if client_id not in ("", registration.client_id):
        raise LtiRefused("grant-client", "The assertion is from somebody else than the client.")
    if not registration.active:
        raise LtiRefused("grant-client-inactive", "This client is not active.")
    return registration, issuer


def _own_names(tool: LtiRegistration) -> set[str]:
    """What a tool may call itself besides its client id, which stays the subject: TAO names its own
    site. Its keys are what proves who it is."""
    addresses = (tool.initiate_login_uri, tool.target_link_uri, tool.jwks_uri, *tool.redirect_uris)
    origins = {origin(each) for each in addresses} - {""}
    return origins | {f"{each}/" for each in origins}


def _verify_assertion(
    lti: LtiContext, token: str, registration: LtiRegistration, issuer: str
) -> VerifiedClaims:
    claims = verify(
        token,
        lti.keys_of(registration),
        issuer=issuer,
        audience={lti.address + endpoints.TOKEN, lti.address},
        leeway=lti.settings.leeway_seconds,
        now=lti.now(),
        longest=MOST_SECONDS + lti.settings.leeway_seconds,
    )
    if claims.get("sub") != registration.client_id:
        raise LtiRefused("grant-subject", "The assertion's subject is not the client itself.")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti:
        raise LtiRefused("grant-jti-missing", "The assertion has no id of its own.")
    return claims


def _sign(lti: LtiContext, registration: LtiRegistration, scopes: tuple[str, ...]) -> GrantedToken:
    now = int(lti.now().timestamp())
    seconds = lti.settings.access_token_seconds
    claims = {
        "iss": lti.address,
        "aud": lti.address + endpoints.SERVICES,
        "sub": registration.client_id,
        "client_id": registration.client_id,
        "iat": now,
        "exp": now + seconds,
        "jti": secrets.token_urlsafe(12),
        "scope": " ".join(scopes),
    }
    return GrantedToken(lti.keyring.sign(claims, typ=ACCESS), seconds, scopes)


def authenticate_caller(lti: LtiContext, authorization: str, *scopes: str) -> LtiRegistration:
    """The tool whose access token is in this header, if the token allows one of the scopes.

    Raises:
        LtiRefused: status 401 without a valid token, 403 without the scope.
    """
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise LtiRefused("access-missing", "There is no access token.", status=401)
    claims = _verify_access_token(lti, token.strip())
    with lti.database.reading() as tx:
        registration = registrations.find_tool(tx, str(claims["sub"]))
    if registration is None or not registration.active:
        raise LtiRefused("access-client", "This client is not active any more.", status=401)
    # The operator may have withdrawn a scope since the token was granted.
    granted = frozenset(str(claims["scope"]).split()) & registration.granted
    if not granted.intersection(scopes):
        raise LtiRefused("access-scope", "The access token does not allow this.", status=403)
    return registration


def _verify_access_token(lti: LtiContext, token: str) -> VerifiedClaims:
    try:
        claims = verify(
            token,
            lti.keyring,
            issuer=lti.address,
            audience=lti.address + endpoints.SERVICES,
            leeway=0.0,
            now=lti.now(),
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
