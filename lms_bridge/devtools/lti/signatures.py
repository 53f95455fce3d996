"""Signed messages of a sample site, and checks of those that others signed.

Sources: RFC 7515 and 7519; OpenID Connect Core 1.0, section 3.1.3.7; 1EdTech Security Framework
1.1, section 5.1.3.
"""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any

import requests
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from lms_bridge.devtools.lti.site import NotAccepted, called, json_of

ALGORITHM = "RS256"
LEEWAY_SECONDS = 60
Claims = dict[str, Any]


class Signer:
    """A site's own key, made when the site is."""

    def __init__(self) -> None:
        self._name = f"sample-{secrets.token_hex(4)}"
        self._key = jwk.RSAKey.generate_key(
            2048, {"kid": self._name, "use": "sig", "alg": ALGORITHM}
        )

    def sign(self, claims: Claims) -> str:
        return jwt.encode({"alg": ALGORITHM, "kid": self._name}, claims, self._key)

    def public_set(self) -> dict[str, Any]:
        return {"keys": [self._key.as_dict(private=False)]}


class RemoteKeys:
    """The other side's key set, fetched when it is first needed and again for an unknown key."""

    def __init__(self, session: requests.Session, address: str) -> None:
        self._session, self._address = session, address
        self._keys: dict[str, jwk.RSAKey] = {}
        self._lock = threading.Lock()

    def key(self, name: str) -> jwk.RSAKey:
        with self._lock:
            if name not in self._keys:
                self._keys = self._fetched()
            if name not in self._keys:
                raise NotAccepted("The message is signed with a key that is not published.")
            return self._keys[name]

    def _fetched(self) -> dict[str, jwk.RSAKey]:
        found = json_of(called(self._session, "GET", self._address))
        keys = found.get("keys", []) if isinstance(found, dict) else []
        usable = [each for each in keys if isinstance(each, dict) and each.get("kty") == "RSA"]
        return {str(each.get("kid")): jwk.RSAKey.import_key(each) for each in usable}


def verified(token: str, keys: RemoteKeys, *, issuer: str, audience: str) -> Claims:
    """The claims of a token that is genuine, from ``issuer``, for ``audience`` and valid now.

    Raises:
        NotAccepted: with the reason.
    """
    try:
        header = jws.extract_compact(token.encode()).headers()
        if header.get("alg") != ALGORITHM:
            raise NotAccepted("The message is not signed with RS256.")
        key = keys.key(str(header.get("kid")))
        claims = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError, UnicodeError):
        raise NotAccepted("The message is not genuine.") from None
    _check_registrations(claims, issuer, audience)
    _check_dates(claims)
    return claims


def _check_registrations(claims: Claims, issuer: str, audience: str) -> None:
    if claims.get("iss") != issuer:
        raise NotAccepted("The message is from somebody else (iss).")
    given = claims.get("aud")
    audiences = given if isinstance(given, list) else [given]
    if audience not in audiences:
        raise NotAccepted("The message is for somebody else (aud).")
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != audience:
        raise NotAccepted("The message is for several, and not for this one (azp).")


def _check_dates(claims: Claims) -> None:
    now = time.time()
    ends, begins = claims.get("exp"), claims.get("iat")
    if not isinstance(ends, int | float) or not isinstance(begins, int | float):
        raise NotAccepted("The message does not say when it is valid (exp, iat).")
    if ends < now - LEEWAY_SECONDS:
        raise NotAccepted("The message is not valid any more (exp).")
    if begins > now + LEEWAY_SECONDS:
        raise NotAccepted("The message is from the future (iat).")
