"""Calls to a platform's services: tokens that are kept while they are valid, time-outs, pages.

Sources: 1EdTech Security Framework 1.0, section 4.1 (client credentials with a signed assertion);
RFC 8288 (``Link``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urljoin
from uuid import uuid4

import orjson
from pylti1p3.service_connector import ServiceConnector, TServiceConnectorResponse
from requests.utils import parse_header_links

from lms_bridge.domain.errors import AccessDenied, NotUnderstood
from lms_bridge.http import Http, Response
from lms_bridge.lti.parties import Party
from lms_bridge.lti.tool.configuration import NO_SESSION, registration_of
from lms_bridge.lti.tool.reading import origin

JSON = "application/json"
ASSERTION_SECONDS = 60
MARGIN_SECONDS = 30
"""A token is no longer used so shortly before its end."""
USUAL_SECONDS = 3600.0


class Tokens:
    """Service tokens of all platforms, each until shortly before it expires. Safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, ...], tuple[str, float]] = {}

    def find(self, key: tuple[str, ...]) -> str | None:
        with self._lock:
            token, until = self._kept.get(key, ("", 0.0))
            return token if token and self._clock() < until else None

    def keep(self, key: tuple[str, ...], token: str, seconds: float) -> None:
        with self._lock:
            now = self._clock()
            self._kept = {k: kept for k, kept in self._kept.items() if kept[1] > now}
            self._kept[key] = (token, now + seconds - MARGIN_SECONDS)

    def forget(self, key: tuple[str, ...]) -> None:
        with self._lock:
            self._kept.pop(key, None)


class Connector(ServiceConnector):
    """PyLTI1p3's connector to one platform, with our own transport, tokens and signatures.

    Every method raises what ``lms_bridge.http.Http.request`` raises.
    """

    def __init__(
        self,
        party: Party,
        http: Http,
        sign: Callable[[Mapping[str, Any]], str],
        tokens: Tokens,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(registration_of(party), NO_SESSION)
        self._party, self._http, self._sign = party, http, sign
        self._tokens, self._clock = tokens, clock

    def encode_jwt(
        self, message: Mapping[str, Any], private_key: str, headers: Mapping[str, str]
    ) -> str:
        """By the bridge's own keys, which are parsed once."""
        del private_key, headers
        return self._sign(message)

    def get_access_token(self, scopes: Sequence[str]) -> str:
        key = self._key(scopes)
        found = self._tokens.find(key)
        if found is None:
            found, seconds = self._fetch_token(scopes)
            self._tokens.keep(key, found, seconds)
        return found

    def call(
        self,
        method: str,
        address: str,
        scopes: Sequence[str],
        *,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        repeatable: bool = True,
        returns: Container[int] = (),
    ) -> Response:
        """One call with a token; a token that was withdrawn early is fetched anew, once."""
        wanted = _Besides(returns)
        for last in (False, True):
            headers = {"Authorization": f"Bearer {self.get_access_token(scopes)}", "Accept": accept}
            if body is not None:
                headers["Content-Type"] = content_type
            answer = self._http.request(
                method, address, headers=headers, body=body, repeatable=repeatable, returns=wanted
            )
            if answer.status != 401:
                return answer
            self._tokens.forget(self._key(scopes))
            if last:
                break
        raise AccessDenied(
            "service-denied",
            "The platform does not accept the token that it has just given.",
            "Check which services the tool may use there.",
        )

    def make_service_request(
        self,
        scopes: Sequence[str],
        url: str,
        is_post: bool = False,
        data: str | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        case_insensitive_headers: bool = False,
    ) -> TServiceConnectorResponse:
        """What PyLTI1p3's services call."""
        del case_insensitive_headers  # they always are
        answer = self.call(
            "POST" if is_post else "GET",
            url,
            scopes,
            body=(data or "").encode() if is_post else None,
            content_type=content_type,
            accept=accept,
            repeatable=not is_post,
        )
        return {
            "headers": dict(answer.headers),
            "body": parsed(answer) if answer.body.strip() else None,
            "next_page_url": next_page(url, answer) or None,
        }

    def _key(self, scopes: Sequence[str]) -> tuple[str, ...]:
        return (self._party.issuer, self._party.client_id, *sorted(scopes))

    def _fetch_token(self, scopes: Sequence[str]) -> tuple[str, float]:
        now, party = int(self._clock()), self._party
        assertion = self._sign(
            {
                "iss": party.client_id,
                "sub": party.client_id,
                "aud": party.token_endpoint,
                "iat": now - 5,  # the platform's clock may be behind
                "exp": now + ASSERTION_SECONDS,
                "jti": str(uuid4()),
            }
        )
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
            "scope": " ".join(sorted(scopes)),
        }
        answer = self._http.request(
            "POST",
            party.token_endpoint,
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": JSON},
            body=urlencode(form).encode(),
            repeatable=False,  # an assertion is good once
        )
        return _token_of(parsed(answer))


class _Besides:
    """The statuses that the caller wants to see, and 401."""

    def __init__(self, others: Container[int]) -> None:
        self._others = others

    def __contains__(self, status: object) -> bool:
        return status == 401 or status in self._others


def _token_of(answer: object) -> tuple[str, float]:
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(token, str) or not token:
        raise NotUnderstood("token-missing", "The platform's token answer holds no token.")
    seconds = answer.get("expires_in", USUAL_SECONDS)
    try:
        return token, float(seconds)
    except (TypeError, ValueError):
        return token, USUAL_SECONDS


def parsed(answer: Response) -> Any:
    """The body as JSON, whatever its media type says: Moodle sends tokens as ``text/html``."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise NotUnderstood(
            "not-json", "The platform's service answered with something that is not JSON."
        ) from None


def next_page(address: str, answer: Response) -> str:
    """The next page's address exactly as given, or empty.

    Raises:
        NotUnderstood: it is on another server, which must not see the token.
    """
    for link in parse_header_links(answer.headers.get("Link", "").replace("\n", " ")):
        if "next" in link.get("rel", "").lower().split():
            following = urljoin(address, link["url"])
            if origin(following) != origin(address):
                raise NotUnderstood(
                    "page-elsewhere", "The platform's next page is on another server."
                )
            return following
    return ""
