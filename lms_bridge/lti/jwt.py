"""Signing and verifying of JSON Web Tokens, by joserfc.

Claims from outside become ours through ``verify`` alone.
Sources: RFC 7515 and RFC 7519; 1EdTech Security Framework 1.1, section 5.1.3.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from joserfc import jws, jwt
from joserfc.errors import JoseError, MissingAlgorithmError, MissingCritHeaderError
from joserfc.jwk import RSAKey
from joserfc.util import json_b64decode

from lms_bridge.http import foreign_json
from lms_bridge.lti.errors import LtiRefused

ALGORITHM = "RS256"
MOST_CHARACTERS = 32 * 1024
"""A deep linking response with a hundred items has some 20 KB; headers and claims no more."""
LONGEST_SECONDS = 86_400.0
"""No honest message is valid for more than a day; one-time ids need not be kept for longer."""
_PROOF = object()


class _Registry(jws.JWSRegistry):
    """Some platforms put a certificate chain, or parameters of their own, into the header."""

    max_header_length = max_payload_length = max_signature_length = MOST_CHARACTERS


_REGISTRY = _Registry(algorithms=[ALGORITHM], strict_check_header=False)


class FindsKeys(Protocol):
    def key(self, kid: str) -> RSAKey | None:
        """The published key of that name, or None; may raise ``LtiRefused``."""
        ...

    def newer_key(self, kid: str, old: RSAKey) -> RSAKey | None:
        """The key that has replaced ``old`` under its name, or None; may raise ``LtiRefused``."""
        ...


class VerifiedClaims(Mapping[str, Any]):
    """Claims whose signature, sender, receiver and dates have been checked; ``verify`` alone makes
    them. Values are JSON values of any kind: what one claim must look like is for its reader."""

    __slots__ = ("_claims", "header")

    def __init__(self, proof: object, header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        if proof is not _PROOF:
            raise TypeError("VerifiedClaims are made by lms_bridge.lti.jwt.verify alone")
        self.header = header
        self._claims = claims

    def __getitem__(self, name: str) -> Any:
        return self._claims[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._claims)

    def __len__(self) -> int:
        return len(self._claims)

    def __repr__(self) -> str:  # claims are personal: a traceback shows their names alone
        return f"<VerifiedClaims {sorted(self._claims)}>"


def verify(
    token: str,
    keys: FindsKeys,
    *,
    issuer: str,
    audience: str | Collection[str],
    leeway: float,
    now: datetime,
    longest: float = LONGEST_SECONDS,
) -> VerifiedClaims:
    """The claims of a token that is genuine, from ``issuer``, for ``audience`` (or for one of
    them), and valid ``now``, give or take ``leeway`` seconds.

    Raises:
        LtiRefused: with a code of its own for every reason (``token-…``, ``keys-…``).
    """
    message = _message(token)
    claims = _claims(_signed(message, keys))
    if _text(claims, "iss") != issuer:
        raise LtiRefused("token-issuer")
    _check_audience(claims, {audience} if isinstance(audience, str) else set(audience))
    _check_dates(claims, now.timestamp(), leeway, longest)
    return VerifiedClaims(_PROOF, message.headers(), claims)


def unverified_claims(token: str) -> Mapping[str, Any]:
    """The claims as anybody could have written them: only to find out whose keys to ask for.

    Raises:
        LtiRefused: the token cannot be read.
    """
    return _claims(_message(token))


def unverified_issuer(token: str) -> str:
    """Who the token says it is from, to find out whose keys to ask for; "" where that is nothing
    that anybody can be called.

    Raises:
        LtiRefused: the token cannot be read.
    """
    issuer = unverified_claims(token).get("iss")
    return issuer if isinstance(issuer, str) and issuer.isprintable() else ""


def signed(claims: Mapping[str, Any], key: RSAKey, kid: str, typ: str = "JWT") -> str:
    """A compact token (RFC 7515, section 7.1) with the algorithm RS256."""
    return jwt.encode({"alg": ALGORITHM, "typ": typ, "kid": kid}, dict(claims), key)


def _message(token: str) -> jws.CompactSignature:
    """The parts of a token whose header is one that is accepted; nothing of it is verified."""
    if not token:
        raise LtiRefused("token-missing")
    if len(token) > MOST_CHARACTERS:
        raise LtiRefused("token-too-large")
    try:
        message = jws.extract_compact(token.encode(), registry=_REGISTRY)
    except MissingAlgorithmError:
        read: object = json_b64decode(token.partition(".")[0].encode())
        whole = isinstance(read, dict)  # else a list without "alg", say
        raise LtiRefused("token-algorithm" if whole else "token-malformed") from None
    except MissingCritHeaderError:
        raise LtiRefused("token-critical") from None
    except (JoseError, ValueError, RecursionError):
        raise LtiRefused("token-malformed") from None
    header: object = message.headers()
    if not isinstance(header, dict):
        raise LtiRefused("token-malformed")
    if header["alg"] != ALGORITHM:
        raise LtiRefused("token-algorithm")
    if "crit" in header or "b64" in header:
        raise LtiRefused("token-critical")
    return message


def _signed(message: jws.CompactSignature, keys: FindsKeys) -> jws.CompactSignature:
    kid = message.headers().get("kid")
    if not isinstance(kid, str) or not kid:
        raise LtiRefused("token-key-unnamed")
    key = keys.key(kid)
    if key is None:
        raise LtiRefused("token-key-unknown")
    if _is_genuine(message, key):
        return message
    newer = keys.newer_key(kid, key)
    if newer is None or not _is_genuine(message, newer):
        raise LtiRefused("token-signature")
    return message


def _is_genuine(message: jws.CompactSignature, key: RSAKey) -> bool:
    try:
        return jws.validate_compact(message, key, registry=_REGISTRY)
    except (JoseError, ValueError):
        return False


def _claims(message: jws.CompactSignature) -> dict[str, Any]:
    try:
        value = foreign_json.loads(message.payload)
    except ValueError:
        raise LtiRefused("token-malformed") from None
    if not isinstance(value, dict):
        raise LtiRefused("token-malformed")
    return value


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str):
        raise LtiRefused("token-claims", detail=name)
    return value


def _check_audience(claims: Mapping[str, Any], ours: set[str]) -> None:
    """One of the token's audiences has to be ours; it may name others, too (RFC 7519, section
    4.1.3)."""
    given = claims.get("aud", [])
    audiences = [given] if isinstance(given, str) else given
    if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
        raise LtiRefused("token-claims", detail="aud")
    if not ours.intersection(audiences):
        raise LtiRefused("token-audience")


def _check_dates(claims: Mapping[str, Any], now: float, leeway: float, longest: float) -> None:
    expires, issued, begins = (_moment(claims, name) for name in ("exp", "iat", "nbf"))
    if expires is None:
        raise LtiRefused("token-expires-never")
    if expires <= now - leeway:
        raise LtiRefused("token-expired")
    if expires > now + longest:
        raise LtiRefused("token-lives-too-long")
    if issued is None:
        raise LtiRefused("token-undated")
    if issued > now + leeway:
        raise LtiRefused("token-from-the-future")
    if begins is not None and begins > now + leeway:
        raise LtiRefused("token-not-yet-valid")


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise LtiRefused("token-claims", detail=name)
    return float(value)
