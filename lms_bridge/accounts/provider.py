"""Sign-in with an OpenID provider: the code flow with PKCE.

Sources: OpenID Connect Core 1.0, section 3.1; Discovery 1.0, section 4; RFC 7636. Authlib has the
checks of claims and metadata. Requests go through the bridge's own client, with its guard and its
deadline. What belongs to one sign-in is carried by a signed cookie of the browser that began it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from itsdangerous import BadSignature
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from lms_bridge.domain.errors import NotUnderstood, Overloaded, Refused
from lms_bridge.domain.ports import Limits
from lms_bridge.http.client import Http
from lms_bridge.http.foreign_json import is_whole
from lms_bridge.http.origins import is_loopback, is_trustworthy
from lms_bridge.secrets import Vault
from lms_bridge.settings import NetworkSettings, ProviderSettings

_log = structlog.get_logger(__name__)
LIMITS = Limits(
    calls_at_once=2,
    connect_seconds=3.0,
    read_seconds=5.0,
    total_seconds=8.0,
    attempts=2,
    break_seconds=10.0,
    most_bytes=512 * 1024,
)
AT_ONCE = 2
"""Requests that may wait for the provider: a slow one must not hold all threads."""
ALGORITHMS = ["RS256", "PS256", "ES256", "RS384", "ES384", "RS512"]
FRESH_SECONDS = 3600.0
"""How long the provider's metadata and keys are kept."""
LEAST_SECONDS = 30.0
"""Between two fetches of the keys for the sake of an unknown one."""
SIGN_IN_SECONDS = 600
LEEWAY = 60


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider signed in. ``subject`` is the hash of issuer and subject; ``email`` is
    empty where the provider does not vouch for it. ``learner`` is the Academy's id of a learner,
    where the settings name the claim that holds it."""

    subject: str
    email: str
    learner: str = ""


class ProviderRefused(Refused):
    """The sign-in with the provider failed. ``code`` says why."""

    def __init__(self, code: str, message: str = "The sign-in there did not succeed.") -> None:
        super().__init__(code, message, "Try again, or sign in in another way.")


class OpenIdProvider:
    """The OpenID provider of the settings."""

    def __init__(
        self,
        settings: ProviderSettings,
        network: NetworkSettings,
        vault: Vault,
        back: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``back`` is the bridge's address that the provider sends browsers back to."""
        own = is_loopback(urlsplit(settings.issuer).hostname or "")
        private = network.private_addresses or own
        self._settings, self._back, self._clock = settings, back, clock
        self._http = Http(LIMITS, private_addresses=private, system="the OpenID provider")
        self._signer = vault.signer("sign-in with a provider")
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._metadata: OpenIDProviderMetadata | None = None
        self._keys: KeySet | None = None
        self._metadata_at = self._keys_at = 0.0

    @property
    def works(self) -> bool:
        return bool(self._settings.issuer)

    @property
    def name(self) -> str:
        """For the button."""
        return self._settings.name or (urlsplit(self._settings.issuer).hostname or "")

    def begin(self, now: datetime) -> tuple[str, str]:
        """(where the browser is to go, the text of the cookie that it is to bring back)

        Raises:
            BridgeError: the provider cannot be reached, or its metadata cannot be used.
        """
        with self._place():
            metadata = self._provider()
        state, nonce = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        verifier = secrets.token_urlsafe(48)
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._back,
            "scope": "openid email",
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        cookie = self._signer.sign(
            base64.urlsafe_b64encode(orjson.dumps([state, nonce, verifier, int(now.timestamp())]))
        ).decode()
        address = str(metadata["authorization_endpoint"])
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", cookie

    def finish(self, answer: Mapping[str, str], cookie: str, now: datetime) -> Person:
        """Whom the provider signed in.

        Args:
            answer: the parameters that the browser came back with.
            cookie: what the browser brought back.

        Raises:
            ProviderRefused: the person or the provider said no, or something does not fit together.
            BridgeError: the provider cannot be reached.
        """
        state, nonce, verifier = self._begun(cookie, now)
        if not secrets.compare_digest(answer.get("state", "").encode(), state.encode()):
            raise ProviderRefused("provider-state", "This sign-in was not begun in this browser.")
        issuer = answer.get("iss")  # RFC 9207: an answer of another provider is not taken for ours
        if issuer is not None and issuer != self._settings.issuer:
            raise ProviderRefused("provider-mixed-up")
        if "error" in answer or not answer.get("code"):
            raise ProviderRefused("provider-said-no")
        with self._place():
            token = self._token(answer["code"], verifier)
            claims = self._claims(token, nonce, now)
        email = claims.get("email")
        vouched = claims.get("email_verified") in (True, "true") and isinstance(email, str)
        # A subject is unique at its issuer alone (Core 1.0, section 5.7).
        whole = f"{self._settings.issuer}\n{claims['sub']}"
        learner = claims.get(self._settings.learner_claim) if self._settings.learner_claim else ""
        return Person(
            hashlib.sha256(whole.encode()).hexdigest(),
            str(email) if vouched else "",
            learner if isinstance(learner, str) else "",
        )

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the few places of those who wait for the provider."""
        if not self._places.acquire(blocking=False):
            raise Overloaded(
                "provider-busy", "Too many people wait for the OpenID provider.", after=5
            )
        try:
            yield
        finally:
            self._places.release()

    def _begun(self, cookie: str, now: datetime) -> tuple[str, str, str]:
        try:
            text = self._signer.unsign(cookie.encode())
            state, nonce, verifier, at = orjson.loads(base64.urlsafe_b64decode(text))
        except (BadSignature, ValueError):
            raise ProviderRefused(
                "provider-state", "This sign-in was not begun in this browser."
            ) from None
        if not 0 <= now.timestamp() - at + 1 <= SIGN_IN_SECONDS:
            raise ProviderRefused("provider-late", "This sign-in took too long.")
        return state, nonce, verifier

    def _token(self, code: str, verifier: str) -> str:
        """The id_token that a code stands for (Core 1.0, section 3.1.3)."""
        metadata, settings = self._provider(), self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
        }
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if settings.client_secret and "client_secret_basic" in methods:
            # RFC 6749, section 2.3.1: both parts are encoded as in a form.
            pair = f"{quote(settings.client_id, '')}:{quote(settings.client_secret, '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = settings.client_id
            if settings.client_secret:
                form["client_secret"] = settings.client_secret
        answer = self._http.request(
            "POST",
            str(metadata["token_endpoint"]),
            headers=headers,
            body=urlencode(form).encode(),
            repeatable=False,
            returns=(400, 401),
        )
        try:
            token = orjson.loads(answer.body)["id_token"]
        except (ValueError, TypeError, KeyError):
            token = None
        if answer.status >= 400 or not isinstance(token, str):
            raise ProviderRefused("provider-refused-code")
        return token

    def _claims(self, token: str, nonce: str, now: datetime) -> Mapping[str, Any]:
        """The claims of a token that this provider signed for us, for this very sign-in."""
        try:
            payload = self._verified(token)
            claims = CodeIDToken(
                payload,
                {},
                {
                    "iss": {"essential": True, "value": self._settings.issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                },
                {"nonce": nonce, "client_id": self._settings.client_id},
            )
            claims.validate(now=int(now.timestamp()), leeway=LEEWAY)
        except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError) as error:
            _log.warning("id_token refused", error=type(error).__name__)
            raise ProviderRefused("provider-token") from None
        subject = payload["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not is_whole(subject):
            raise ProviderRefused("provider-token")
        return payload

    def _verified(self, token: str) -> dict[str, Any]:
        """The payload of a signed token; keys that have changed are fetched once more."""
        try:
            message = jws.deserialize_compact(token, self._key_set(), ALGORITHMS)
        except (JoseError, ValueError):
            message = jws.deserialize_compact(token, self._key_set(renewed=True), ALGORITHMS)
        payload = orjson.loads(message.payload)
        if not isinstance(payload, dict):
            raise ValueError("no claims")
        return payload

    def _provider(self) -> OpenIDProviderMetadata:
        with self._lock:
            now = self._clock()
            if self._metadata is None or now - self._metadata_at > FRESH_SECONDS:
                self._metadata = self._fetch_metadata()
                self._metadata_at = now
            return self._metadata

    def _fetch_metadata(self) -> OpenIDProviderMetadata:
        issuer = self._settings.issuer
        answer = self._http.request(
            "GET", get_well_known_url(issuer, external=True), repeatable=True
        )
        try:
            metadata = OpenIDProviderMetadata(orjson.loads(answer.body))
            metadata.validate_issuer()
            ends = [
                str(metadata[name])
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
            ]
        except (AuthlibBaseError, ValueError, TypeError, KeyError):
            ends = []
        # Discovery 1.0, section 4.3: the issuer there is exactly the one that was asked.
        if not ends or metadata["issuer"] != issuer or not all(map(is_trustworthy, ends)):
            raise NotUnderstood(
                "provider-metadata",
                "The OpenID provider's metadata cannot be used.",
                "Check provider.issuer.",
            )
        return metadata

    def _key_set(self, *, renewed: bool = False) -> KeySet:
        metadata = self._provider()
        with self._lock:
            age = self._clock() - self._keys_at
            if self._keys is None or age > (LEAST_SECONDS if renewed else FRESH_SECONDS):
                answer = self._http.request("GET", str(metadata["jwks_uri"]), repeatable=True)
                try:
                    self._keys = KeySet.import_key_set(orjson.loads(answer.body))
                except (JoseError, ValueError, TypeError, KeyError):
                    raise NotUnderstood(
                        "provider-keys", "The OpenID provider's keys cannot be read."
                    ) from None
                self._keys_at = self._clock()
            return self._keys

    def close(self) -> None:
        self._http.close()
