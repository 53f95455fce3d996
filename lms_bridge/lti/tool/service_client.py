"""Calls to a platform's services: access tokens, deadlines, pages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit
from uuid import uuid4

from pylti1p3.service_connector import TServiceConnectorResponse
from requests.utils import parse_header_links

from lms_bridge.domain.errors import AccessDenied, BridgeError, NotUnderstood, Unreachable
from lms_bridge.domain.ports import Limits
from lms_bridge.http import foreign_json
from lms_bridge.http.call_slots import slots_of
from lms_bridge.http.client import Http, Response
from lms_bridge.http.origins import origin
from lms_bridge.logs import redacted_text
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.registrations import LtiRegistration

JSON = "application/json"
ASSERTION_SECONDS = 60
MARGIN_SECONDS = 30
"""A token is no longer used so shortly before its end."""
USUAL_SECONDS = 3600.0
MOST_PAGES = 10_000
LONGEST_REASON = 300
_REFUSED = frozenset(range(400, 501)) - {408, 429}
LIMITS = Limits(connect_seconds=5.0, read_seconds=30.0, attempts=3, backoff_most_seconds=10.0)


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


class ServiceClient:
    """Calls the services of one platform. Every method raises what
    ``lms_bridge.http.client.Http.request`` raises.
    """

    def __init__(
        self,
        registration: LtiRegistration,
        http: Http,
        sign: Callable[[Mapping[str, Any]], str],
        tokens: Tokens,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._registration, self._http, self._sign = registration, http, sign
        self._tokens, self._clock = tokens, clock

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
        desired = _Besides(returns)
        for last in (False, True):
            headers = {"Authorization": f"Bearer {self.get_access_token(scopes)}", "Accept": accept}
            if body is not None:
                headers["Content-Type"] = content_type
            answer = self._http.request(
                method, address, headers=headers, body=body, repeatable=repeatable, returns=desired
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
        self, scopes: Sequence[str], url: str, *, accept: str = JSON
    ) -> TServiceConnectorResponse:
        """A read, as PyLTI1p3's services ask for it."""
        answer = self.call("GET", url, scopes, accept=accept)
        return {
            "headers": dict(answer.headers),
            "body": parsed(answer) if answer.body.strip() else None,
            "next_page_url": next_page(url, answer) or None,
        }

    def get_access_token(self, scopes: Sequence[str]) -> str:
        key = self._key(scopes)
        found = self._tokens.find(key)
        if found is None:
            found, seconds = self._fetch_token(scopes)
            self._tokens.keep(key, found, seconds)
        return found

    def _key(self, scopes: Sequence[str]) -> tuple[str, ...]:
        return (self._registration.issuer, self._registration.client_id, *sorted(scopes))

    def _fetch_token(self, scopes: Sequence[str]) -> tuple[str, float]:
        now, registration = int(self._clock()), self._registration
        assertion = self._sign(
            {
                "iss": registration.client_id,
                "sub": registration.client_id,
                "aud": registration.token_audience or registration.token_endpoint,
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
            registration.token_endpoint,
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": JSON},
            body=urlencode(form).encode(),
            repeatable=False,  # an assertion is good once
            returns=_REFUSED,
        )
        return _token_of(answer, registration.id)


class ServiceClients:
    """Connectors to platforms. One platform shares its connections, its circuit breaker and its
    tokens among all that call it."""

    def __init__(self, lti: LtiContext, limits: Limits = LIMITS) -> None:
        self._lti, self._limits = lti, limits
        self._tokens = Tokens()
        self._lock = threading.Lock()
        self._https: dict[tuple[str, bool], Http] = {}

    def to(self, registration: LtiRegistration) -> ServiceClient:
        lti = self._lti
        return ServiceClient(
            registration,
            self._http(registration),
            lti.keyring.sign,
            self._tokens,
            clock=lambda: lti.now().timestamp(),
        )

    def close(self) -> None:
        with self._lock:
            opened, self._https = list(self._https.values()), {}
        for http in opened:
            http.close()

    def _http(self, registration: LtiRegistration) -> Http:
        private = self._lti.private_addresses or registration.private_addresses
        with self._lock:
            place = (registration.issuer, private)
            if place not in self._https:
                system = registration.name or "the platform"
                self._https[place] = Http(
                    self._limits,
                    private_addresses=private,
                    system=system,
                    slots=slots_of(registration.issuer),
                )
            return self._https[place]


class _Besides:
    """The statuses that the caller wants to see, and 401."""

    def __init__(self, others: Container[int]) -> None:
        self._others = others

    def __contains__(self, status: object) -> bool:
        return status == 401 or status in self._others


def _token_of(answer: Response, number: int) -> tuple[str, float]:
    """Raises AccessDenied, Unreachable or NotUnderstood, with what the platform said."""
    try:
        body = parsed(answer)
    except NotUnderstood:
        if answer.status < 400:
            raise
        body = None
    given: Mapping[str, Any] = body if isinstance(body, dict) else {}
    token = given.get("access_token")
    if answer.status >= 400 or not isinstance(token, str) or not token:
        raise _no_token(answer.status, given, number)
    seconds = given.get("expires_in", USUAL_SECONDS)
    try:
        return token, float(seconds)
    except (TypeError, ValueError):
        return token, USUAL_SECONDS


def _no_token(status: int, given: Mapping[str, Any], number: int) -> BridgeError:
    """RFC 6749, section 5.2. The platform's words are shown without secrets and addresses."""
    words = [_shown(given.get(name)) for name in ("error", "error_description")]
    said = ": ".join(filter(None, words)) or "it gives no reason"
    message = f"The platform gives no service token (status {status}): {said}."
    if status >= 500:
        return Unreachable("token-failed", message)
    if status < 400 and not any(words):
        return NotUnderstood("token-missing", "The platform's token answer holds no token.")
    return AccessDenied(
        "token-refused",
        message,
        "Check the client id, the address of the keys and the token audience of connection "
        f"{number}: `lms-bridge lti show {number}`.",
    )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else ""
    plain = "".join(each for each in text if each.isprintable()).strip(" .")
    return redacted_text(plain)[:LONGEST_REASON]


def parsed(answer: Response) -> Any:
    """The body as JSON, whatever its media type says: Moodle sends tokens as ``text/html``."""
    try:
        return foreign_json.loads(answer.body)
    except ValueError:
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


def with_query(address: str, more: Mapping[str, str]) -> str:
    """The address with these parameters besides its own; one of its own that is named goes."""
    if not more:
        return address
    parts = urlsplit(address)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in more]
    return urlunsplit(parts._replace(query=urlencode([*kept, *more.items()])))


def text(body: Mapping[str, Any], name: str) -> str:
    """A text or a whole number as text; whatever else it is counts as missing."""
    value = body.get(name)
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
