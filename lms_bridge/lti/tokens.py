"""Verifying signed messages: the one door through which outside claims become ours.

Sources: RFC 7515 and RFC 7519; 1EdTech Security Framework 1.1, section 5.1.3; OpenID Connect Core
1.0, section 3.1.3.7.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import RSAKey

from lms_bridge.lti.errors import LtiRefused

ALGORITHM = "RS256"
MOST_CHARACTERS = 32 * 1024
"""A deep linking response with a hundred items has some 20 KB; headers and claims no more."""
LONGEST_SECONDS = 86_400.0
"""No honest message is valid for more than a day; one-time ids need not be kept for longer."""
_PROOF = object()
_USUAL_HEADER = 500
_PADDING, _HASH = PKCS1v15(), SHA256()


class FindsKeys(Protocol):
    def key(self, kid: str) -> RSAKey | None:
        """The published key of that name, or None; may raise ``LtiRefused``."""
        ...


class VerifiedClaims(Mapping[str, Any]):
    """Claims whose signature, sender, receiver and dates have been checked; ``verify`` alone makes
    them. Values are JSON values of any kind: what one claim must look like is for its reader."""

    __slots__ = ("_claims", "header")

    def __init__(self, proof: object, header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        if proof is not _PROOF:
            raise TypeError("VerifiedClaims are made by lms_bridge.lti.tokens.verify alone")
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
    header = _header(token)
    claims = _signed(token, header, keys)
    if _text(claims, "iss") != issuer:
        raise LtiRefused("token-issuer")
    _check_audience(claims, {audience} if isinstance(audience, str) else set(audience))
    _check_dates(claims, now.timestamp(), leeway, longest)
    return VerifiedClaims(_PROOF, header, claims)


def unverified_claims(token: str) -> Mapping[str, Any]:
    """The claims as anybody could have written them: only to find out whose keys to ask for.

    Raises:
        LtiRefused: the token cannot be read.
    """
    _header(token)
    return _object(token.split(".")[1])


def unverified_issuer(token: str) -> str:
    """Who the token says it is from, to find out whose keys to ask for; "" where that is nothing
    that anybody can be called.

    Raises:
        LtiRefused: the token cannot be read.
    """
    issuer = unverified_claims(token).get("iss")
    return issuer if isinstance(issuer, str) and issuer.isprintable() else ""


def _header(token: str) -> Mapping[str, Any]:
    if not token:
        raise LtiRefused("token-missing")
    if len(token) > MOST_CHARACTERS:
        raise LtiRefused("token-too-large")
    if token.count(".") != 2 or not token.isascii():
        raise LtiRefused("token-malformed")
    part = token.partition(".")[0]
    # All tokens that were signed with one key have the same header.
    header = _known_header(part) if len(part) <= _USUAL_HEADER else _object(part)
    if header.get("alg") != ALGORITHM:
        raise LtiRefused("token-algorithm")
    if "crit" in header or "b64" in header:
        raise LtiRefused("token-critical")
    return header


@lru_cache(256)
def _known_header(part: str) -> Mapping[str, Any]:
    return MappingProxyType(_object(part))


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: RSAPrivateKey) -> str:
    """A compact token (RFC 7515, section 7.1) with the algorithm RS256."""
    text = f"{_encoded(orjson.dumps(header))}.{_encoded(orjson.dumps(claims))}"
    return f"{text}.{_encoded(key.sign(text.encode(), _PADDING, _HASH))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)


def _object(part: str) -> dict[str, Any]:
    try:
        value = orjson.loads(_decoded(part))
    except (binascii.Error, ValueError):
        raise LtiRefused("token-malformed") from None
    if not isinstance(value, dict):
        raise LtiRefused("token-malformed")
    return value


def _signed(token: str, header: Mapping[str, Any], keys: FindsKeys) -> dict[str, Any]:
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise LtiRefused("token-key-unnamed")
    key = keys.key(kid)
    if key is None:
        raise LtiRefused("token-key-unknown")
    signed, _, signature = token.rpartition(".")
    try:  # RFC 7518, section 3.3
        key.public_key.verify(_decoded(signature), signed.encode(), _PADDING, _HASH)
    except (InvalidSignature, binascii.Error, ValueError):
        raise LtiRefused("token-signature") from None
    return _object(signed.partition(".")[2])


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str):
        raise LtiRefused("token-claims", detail=name)
    return value


def _check_audience(claims: Mapping[str, Any], ours: set[str]) -> None:
    """OpenID Connect Core, section 3.1.3.7, rules 3 to 5."""
    given = claims.get("aud", [])
    audiences = [given] if isinstance(given, str) else given
    if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
        raise LtiRefused("token-claims", detail="aud")
    if not ours.intersection(audiences):
        raise LtiRefused("token-audience")
    party = _text(claims, "azp")
    if (party and party not in ours) or (len(set(audiences)) > 1 and not party):
        raise LtiRefused("token-authorized-party")


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
