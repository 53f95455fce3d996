"""What is refused: each with its own code, none as a fault of the server, nothing stored."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.dynamic_registration import invite_tool
from lms_bridge.lti.registrations import Status
from tests.integration.lti_platform.test_moodle_replayed import (
    choice_request,
    deep_linking_claims,
    recorded,
)
from tests.integration.lti_platform.test_services import line_item
from tests.integration.lti_platform.world import KEYS, World, code_of, public, world_on

Case = tuple[str, Callable[[World], requests.Response], int, str]


@pytest.fixture(scope="module")
def shared_world(shared_sqlite_address: str) -> Iterator[World]:
    """One world for all that is refused, since what is refused leaves nothing behind."""
    with world_on(shared_sqlite_address) as made:
        yield made


def check(world: World, answer: requests.Response, status: int, code: str) -> None:
    assert (answer.status_code, code_of(answer)) == (status, code)


# ---- the authentication endpoint ---------------------------------------------------------

AUTHENTICATION: list[tuple[dict[str, Any], str]] = [
    ({"client_id": None}, "auth-client-unknown"),
    ({"client_id": "nobody"}, "auth-client-unknown"),
    ({"redirect_uri": None}, "auth-redirect-unregistered"),
    ({"redirect_uri": "https://evil.example.org/launch"}, "auth-redirect-unregistered"),
    ({"redirect_uri": "{}/"}, "auth-redirect-unregistered"),
    ({"redirect_uri": "{}?more=1"}, "auth-redirect-unregistered"),
    ({"redirect_uri": "{}/../launch"}, "auth-redirect-unregistered"),
    ({"redirect_uri": "{}#part"}, "auth-redirect-unregistered"),
    ({"scope": None}, "auth-scope"),
    ({"scope": "profile"}, "auth-scope"),
    ({"scope": "openidx"}, "auth-scope"),
    ({"response_type": None}, "auth-response-type"),
    ({"response_type": "code"}, "auth-response-type"),
    ({"response_type": "id_token token"}, "auth-response-type"),
    ({"response_mode": None}, "auth-response-mode"),
    ({"response_mode": "query"}, "auth-response-mode"),
    ({"response_mode": "fragment"}, "auth-response-mode"),
    ({"prompt": None}, "auth-prompt"),
    ({"prompt": "login"}, "auth-prompt"),
    ({"nonce": None}, "auth-nonce-missing"),
    ({"nonce": ""}, "auth-nonce-missing"),
    ({"state": "s" * 8193}, "auth-too-large"),
    ({"nonce": "n" * 8193}, "auth-too-large"),
    ({"login_hint": None}, "auth-login-gone"),
    ({"login_hint": "acad-1"}, "auth-login-gone"),
    ({"lti_message_hint": None}, "auth-message-hint"),
    ({"lti_message_hint": "h1"}, "auth-message-hint"),
    ({"nonce": ["one", "two"]}, "parameter-repeated"),
    ({"state": "nul\x00"}, "parameter-invalid"),
]


@pytest.mark.parametrize(("changed", "code"), AUTHENTICATION)
def test_a_wrong_authentication_request_is_refused(
    shared_world: World, changed: dict[str, Any], code: str
) -> None:
    world = shared_world
    login = world.start()
    uri = world.registration.redirect_uris[0]
    changed = {k: v.format(uri) if isinstance(v, str) else v for k, v in changed.items()}
    before = world.counts()
    answer = world.authenticate({**world.auth_request(login), **changed}, "POST")
    check(world, answer, 400, code)
    assert "eyJ" not in answer.text  # no token
    assert world.counts() == before
    assert world.authenticate(world.auth_request(login)).status_code == 200


def _other_browser(world: World) -> requests.Response:
    return world.authenticate(world.auth_request(world.start()), browser="another")


def _no_cookie(world: World) -> requests.Response:
    return world.authenticate(world.auth_request(world.start()), browser="")


def _same_nonce(world: World) -> requests.Response:
    first, second = world.start(), world.start()
    assert world.authenticate(world.auth_request(first, nonce="n")).status_code == 200
    return world.authenticate(world.auth_request(second, nonce="n"))


def _pending(world: World) -> requests.Response:
    login = world.start()
    world.change_registration(status=Status.PENDING)
    return world.authenticate(world.auth_request(login))


def _another_tools_login(world: World) -> requests.Response:
    from tests.integration.lti_platform.world import add_tool

    login = world.start()
    other = add_tool(world.lti, world.tool)
    return world.authenticate(world.auth_request(login, client_id=other.client_id))


@pytest.mark.parametrize(
    ("act", "status", "code"),
    [
        (_other_browser, 403, "auth-other-browser"),
        (_no_cookie, 403, "auth-other-browser"),
        (_same_nonce, 400, "auth-nonce-used"),
        (_pending, 403, "auth-client-inactive"),
        (_another_tools_login, 400, "auth-other-client"),
    ],
)
def test_an_authentication_request_of_somebody_else_is_refused(
    world: World, act: Callable[[World], requests.Response], status: int, code: str
) -> None:
    check(world, act(world), status, code)


# ---- the token endpoint ------------------------------------------------------------------

NOW = time.time()
CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"iss": None}, "grant-client"),
    ({"iss": "nobody"}, "grant-client-unknown"),
    ({"iss": ["a"]}, "grant-client"),
    ({"iss": 7}, "grant-client"),
    ({"sub": None}, "grant-subject"),
    ({"sub": "somebody"}, "grant-subject"),
    ({"aud": None}, "token-audience"),
    ({"aud": "https://elsewhere.example.org/token"}, "token-audience"),
    ({"aud": []}, "token-audience"),
    ({"aud": {"a": 1}}, "token-claims"),
    ({"aud": [1, 2]}, "token-claims"),
    ({"aud": ["https://elsewhere.example.org/token", "x"]}, "token-audience"),
    ({"exp": None}, "token-expires-never"),
    ({"exp": 1}, "token-expired"),
    ({"exp": "tomorrow"}, "token-claims"),
    ({"exp": True}, "token-claims"),
    ({"exp": 99_999_999_999}, "token-lives-too-long"),
    ({"iat": None}, "token-undated"),
    ({"iat": NOW + 100_000}, "token-from-the-future"),
    ({"iat": {}}, "token-claims"),
    ({"nbf": NOW + 100_000}, "token-not-yet-valid"),
    ({"nbf": "now"}, "token-claims"),
    ({"jti": None}, "grant-jti-missing"),
    ({"jti": ""}, "grant-jti-missing"),
    ({"jti": 5}, "grant-jti-missing"),
    ({"more": "x" * 40_000}, "token-too-large"),
]


@pytest.mark.parametrize(("changed", "code"), CLAIMS)
def test_an_assertion_with_wrong_claims_is_refused(
    shared_world: World, changed: dict[str, Any], code: str
) -> None:
    world = shared_world
    before = world.counts()
    answer = world.ask_token(world.token_form(world.tool.sign(world.assertion(**changed))))
    check(world, answer, 401, code)
    assert answer.json()["error"] == "invalid_client"
    assert world.counts() == before


def _header(**header: Any) -> Callable[[World], str]:
    return lambda world: world.tool.sign(world.assertion(), **header)


def _unsigned(world: World) -> str:
    whole = world.tool.sign(world.assertion())
    return f"eyJhbGciOiJub25lIiwia2lkIjoidG9vbC0xIn0.{whole.split('.')[1]}."


def _hmac_with_the_public_key(world: World) -> str:
    from joserfc import jws
    from joserfc.jwk import OctKey
    from orjson import dumps

    key = OctKey.import_key(public(world.tool.key, "x")["n"])
    header = {"alg": "HS256", "kid": world.tool.kid}
    return jws.serialize_compact(header, dumps(world.assertion()), key)


def _broken(change: Callable[[str], str]) -> Callable[[World], str]:
    return lambda world: change(world.tool.sign(world.assertion()))


def _of_another(world: World) -> str:
    return world.tool.sign(world.assertion(), KEYS[2])


TOKENS: list[tuple[Callable[[World], str], str]] = [
    (lambda world: "", "token-missing"),
    (lambda world: "nonsense", "token-malformed"),
    (lambda world: "a.b.c", "token-malformed"),
    (lambda world: "é.b.c", "token-malformed"),
    (lambda world: "W10.W10.x", "token-malformed"),
    (_unsigned, "token-algorithm"),
    (_hmac_with_the_public_key, "token-algorithm"),
    (_broken(lambda token: token.replace(".", "..", 1)), "token-malformed"),
    (_broken(lambda token: token + ".more"), "token-malformed"),
    (_broken(lambda token: token[:-10]), "token-signature"),
    (_broken(lambda token: token[: token.rindex(".") + 1]), "token-signature"),
    (_broken(lambda token: token[:-6] + "AAAAAA"), "token-signature"),
    (_of_another, "token-signature"),
    (_header(kid=None), "token-key-unnamed"),
    (_header(kid=""), "token-key-unnamed"),
    (_header(kid="other"), "token-key-unknown"),
    (_header(crit=["b64"], b64=True), "token-critical"),
]


@pytest.mark.parametrize(("make", "code"), TOKENS)
def test_a_malformed_assertion_is_refused(
    shared_world: World, make: Callable[[World], str], code: str
) -> None:
    world = shared_world
    answer = world.ask_token(world.token_form(make(world)))
    check(world, answer, 401, code)


FORMS: list[tuple[dict[str, Any], int, str, str]] = [
    ({"grant_type": None}, 400, "grant-type", "unsupported_grant_type"),
    ({"grant_type": "password"}, 400, "grant-type", "unsupported_grant_type"),
    ({"client_assertion_type": None}, 400, "grant-assertion-type", "invalid_request"),
    ({"client_assertion_type": "saml"}, 400, "grant-assertion-type", "invalid_request"),
    ({"client_assertion": None}, 401, "token-missing", "invalid_client"),
    ({"client_id": "somebody"}, 401, "grant-client", "invalid_client"),
    ({"scope": None}, 400, "grant-scope", "invalid_scope"),
    ({"scope": "openid"}, 400, "grant-scope", "invalid_scope"),
    ({"scope": "https://example.org/all"}, 400, "grant-scope", "invalid_scope"),
    ({"scope": ["a", "b"]}, 400, "parameter-repeated", "invalid_request"),
]


@pytest.mark.parametrize(("changed", "status", "code", "error"), FORMS)
def test_a_wrong_token_request_is_refused(
    shared_world: World, changed: dict[str, Any], status: int, code: str, error: str
) -> None:
    world = shared_world
    form = world.token_form(world.tool.sign(world.assertion()), **changed)
    answer = world.ask_token(form)
    check(world, answer, status, code)
    assert answer.json()["error"] == error


def test_an_assertion_counts_once(world: World) -> None:
    form = world.token_form(world.tool.sign(world.assertion()))
    assert world.ask_token(form).status_code == 200
    check(world, world.ask_token(form), 401, "grant-jti-used")


def test_an_inactive_tool_is_refused(world: World) -> None:
    token = world.token()
    world.change_registration(status=Status.DISABLED)
    answer = world.ask_token(world.token_form(world.tool.sign(world.assertion())))
    assert answer.json()["error"] == "unauthorized_client"
    address = endpoints.memberships(world.address, world.ids["OFF-1"])
    check(world, world.call("GET", address, token), 401, "access-client")


def test_an_assertion_without_reachable_keys_is_refused(world: World) -> None:
    for address, status, code in (
        ("", 401, "keys-unset"),
        ("http://127.0.0.1:9/jwks", 503, "keys-unreachable"),
        ("http://169.254.169.254/latest", 401, "keys-unreachable"),
        (f"{world.address}/health", 401, "keys-not-understood"),
    ):
        world.change_registration(jwks_uri=address)
        answer = world.ask_token(world.token_form(world.tool.sign(world.assertion())))
        check(world, answer, status, code)
        assert ("Retry-After" in answer.headers) == (status == 503)
    world.change_registration(jwks_uri=f"{world.tool.address}/jwks", private_addresses=False)
    answer = world.ask_token(world.token_form(world.tool.sign(world.assertion())))
    check(world, answer, 401, "keys-unreachable")


def test_a_tool_whose_keys_are_slow_is_asked_to_come_back_and_holds_nobody(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.lti.keysets._wait_seconds = 0.2
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/jwks"
        world.change_registration(jwks_uri=address)
        with ThreadPoolExecutor(16) as pool:
            asked = [
                pool.submit(world.ask_token, world.token_form(world.tool.sign(world.assertion())))
                for _ in range(16)
            ]
            answers = [each.result() for each in asked]
    for answer in answers:
        check(world, answer, 503, "keys-awaited")
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["error"] == "temporarily_unavailable"


# ---- services ----------------------------------------------------------------------------

HEADERS: list[tuple[str, int, str]] = [
    ("", 401, "access-missing"),
    ("Bearer", 401, "access-missing"),
    ("Basic abc", 401, "access-missing"),
    ("Bearer nonsense", 401, "access-invalid"),
    ("Bearer a.b.c", 401, "access-invalid"),
]


@pytest.mark.parametrize(("header", "status", "code"), HEADERS)
def test_a_wrong_authorization_header_is_refused(
    shared_world: World, header: str, status: int, code: str
) -> None:
    world = shared_world
    address = endpoints.memberships(world.address, world.ids["OFF-1"])
    answer = world.call("GET", address, "x", Authorization=header)
    check(world, answer, status, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_id_token_is_no_access_token(world: World) -> None:
    now = int(time.time())
    claims = {
        "iss": world.address,
        "aud": world.address + endpoints.SERVICES,
        "sub": world.tool.client_id,
        "iat": now,
        "exp": now + 60,
        "scope": " ".join(lti.SCOPES),
    }
    address = endpoints.memberships(world.address, world.ids["OFF-1"])
    answer = world.call("GET", address, world.lti.keyring.sign(claims))
    check(world, answer, 401, "access-invalid")
    expired = {**claims, "exp": now - 1}
    answer = world.call("GET", address, world.lti.keyring.sign(expired, typ="at+jwt"))
    check(world, answer, 401, "access-invalid")


SCOPED: list[tuple[str, str, str]] = [
    ("GET", "/memberships", lti.LINE_ITEM),
    ("GET", "/lineitems", lti.MEMBERSHIP_READ),
    ("POST", "/lineitems", lti.LINE_ITEM_READ),
    ("PUT", "/lineitems/1", lti.LINE_ITEM_READ),
    ("DELETE", "/lineitems/1", lti.LINE_ITEM_READ),
    ("POST", "/lineitems/1/scores", lti.RESULT_READ),
    ("GET", "/lineitems/1/results", lti.SCORE),
]


@pytest.mark.parametrize(("method", "path", "scope"), SCOPED)
def test_a_token_without_the_scope_is_refused(
    shared_world: World, method: str, path: str, scope: str
) -> None:
    world = shared_world
    world.launch()
    before = world.counts()
    address = endpoints.context(world.address, world.ids["OFF-1"]) + path
    body = {"label": "x", "scoreMaximum": 1} if method in ("POST", "PUT") else None
    answer = world.call(method, address, world.token(scope), body)
    check(world, answer, 403, "access-scope")
    assert world.counts() == before


SCORES: list[tuple[Any, int, str]] = [
    (b"", 400, "score-invalid"),
    (b"[]", 400, "score-invalid"),
    (b"{", 400, "score-invalid"),
    (b"[" * 50_000, 400, "score-invalid"),
    ({"userId": ...}, 400, "score-invalid"),
    ({"userId": ""}, 400, "score-invalid"),
    ({"userId": 7}, 404, "learner-unknown"),
    ({"userId": "a\x00b"}, 400, "score-invalid"),
    ({"userId": "nobody"}, 404, "learner-unknown"),
    ({"userId": "acad-4"}, 403, "not-enrolled"),
    ({"userId": "acad-5"}, 403, "not-enrolled"),
    ({"scoreGiven": -1}, 400, "score-invalid"),
    ({"scoreGiven": "many"}, 400, "score-invalid"),
    ({"scoreGiven": "NaN"}, 400, "score-invalid"),
    ({"scoreGiven": "1e999999"}, 400, "score-invalid"),
    ({"scoreGiven": True}, 400, "score-invalid"),
    ({"scoreGiven": {"a": 1}}, 400, "score-invalid"),
    ({"scoreMaximum": ...}, 400, "score-invalid"),
    ({"scoreMaximum": 0}, 400, "score-invalid"),
    ({"scoreMaximum": -5}, 400, "score-invalid"),
    ({"activityProgress": ...}, 400, "score-invalid"),
    ({"activityProgress": "Done"}, 400, "score-invalid"),
    ({"gradingProgress": ...}, 400, "score-invalid"),
    ({"gradingProgress": "fullygraded"}, 400, "score-invalid"),
    ({"timestamp": ...}, 400, "score-invalid"),
    ({"timestamp": "yesterday"}, 400, "score-invalid"),
    ({"timestamp": "2026-03-01T10:00:00"}, 400, "score-invalid"),
    ({"timestamp": "2026-13-01T10:00:00Z"}, 400, "score-invalid"),
    ({"timestamp": 1795456424}, 400, "score-invalid"),
    ({"timestamp": "2099-01-01T00:00:00Z"}, 400, "score-from-the-future"),
]


@pytest.mark.parametrize(("changed", "status", "code"), SCORES)
def test_a_wrong_score_is_refused(
    shared_world: World, changed: Any, status: int, code: str
) -> None:
    world = shared_world
    address = f"{line_item(world)}/scores"
    before = world.counts()
    body = changed if isinstance(changed, bytes) else world.score(**changed)
    check(world, world.call("POST", address, body=body), status, code)
    assert world.counts() == before


ITEMS: list[tuple[Any, int, str]] = [
    (b"nonsense", 400, "line-item-invalid"),
    ({"scoreMaximum": 1}, 400, "line-item-invalid"),
    ({"label": "", "scoreMaximum": 1}, 400, "line-item-invalid"),
    ({"label": "x" * 501, "scoreMaximum": 1}, 400, "line-item-invalid"),
    ({"label": "x"}, 400, "line-item-invalid"),
    ({"label": "x", "scoreMaximum": 0}, 400, "line-item-invalid"),
    ({"label": "x", "scoreMaximum": []}, 400, "line-item-invalid"),
    ({"label": "x", "scoreMaximum": 1, "tag": {}}, 400, "line-item-invalid"),
    ({"label": "x", "scoreMaximum": 1, "resourceLinkId": "another"}, 404, "link-unknown"),
    ({"label": "x", "scoreMaximum": 1, "startDateTime": "soon"}, 400, "line-item-invalid"),
]


@pytest.mark.parametrize(("body", "status", "code"), ITEMS)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_wrong_line_item_is_refused(
    shared_world: World, method: str, body: Any, status: int, code: str
) -> None:
    world = shared_world
    one = line_item(world)
    before = world.counts()
    address = endpoints.line_items(world.address, world.ids["OFF-1"]) if method == "POST" else one
    check(world, world.call(method, address, body=body), status, code)
    assert world.counts() == before


PLACES: list[tuple[str, str, int, str]] = [
    ("GET", "/lti/services/99/memberships", 404, "context-unknown"),
    ("GET", "/lti/services/3/memberships", 404, "context-unknown"),
    ("GET", "/lti/services/99999999999999999999/memberships", 404, "context-unknown"),
    ("GET", "/lti/services/1/lineitems/77", 404, "line-item-unknown"),
    ("GET", "/lti/services/1/lineitems/99999999999999999999", 404, "line-item-unknown"),
    ("GET", "/lti/services/2/lineitems/1", 404, "line-item-unknown"),
    ("DELETE", "/lti/services/1/lineitems/1", 403, "line-item-main"),
    ("GET", "/lti/services/1/memberships?limit=-1", 400, "query-number"),
    ("GET", "/lti/services/1/memberships?from=x", 400, "query-number"),
    ("GET", "/lti/services/1/memberships?since=999999999999999", 400, "query-number"),
    ("GET", "/lti/services/1/memberships?limit=1&limit=2", 400, "parameter-repeated"),
    ("GET", "/lti/services/1/lineitems?limit=1.5", 400, "query-number"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), PLACES)
def test_a_wrong_address_or_query_is_refused(
    shared_world: World, method: str, path: str, status: int, code: str
) -> None:
    world = shared_world
    world.launch()
    before = world.counts()
    check(world, world.call(method, path), status, code)
    assert world.counts() == before


# ---- deep linking ------------------------------------------------------------------------

ITEM = {"type": "ltiResourceLink", "title": "T"}
ANSWERS: list[tuple[dict[str, Any], str]] = [
    ({"iss": "nobody"}, "deep-linking-client"),
    ({"iss": None}, "deep-linking-client"),
    ({"aud": ["https://elsewhere.example.org"]}, "token-audience"),
    ({"exp": 1}, "token-expired"),
    ({"nonce": None}, "deep-linking-nonce"),
    ({lti.MESSAGE_TYPE: "LtiResourceLinkRequest"}, "message-type"),
    ({lti.MESSAGE_TYPE: None}, "message-type"),
    ({lti.LTI_VERSION: "1.1"}, "message-version"),
    ({lti.LTI_VERSION: None}, "message-version"),
    ({lti.DEPLOYMENT_ID: "dep-2"}, "message-deployment"),
    ({lti.DEPLOYMENT_ID: None}, "message-deployment"),
    ({lti.DL_DATA: None}, "deep-linking-unknown"),
    ({lti.DL_DATA: "xyz"}, "deep-linking-unknown"),
    ({lti.DL_DATA: {"a": 1}}, "deep-linking-unknown"),
    ({lti.CONTENT_ITEMS: "none"}, "items-invalid"),
    ({lti.CONTENT_ITEMS: ["none"]}, "items-invalid"),
    ({lti.CONTENT_ITEMS: [ITEM] * 51}, "items-too-many"),
    ({lti.CONTENT_ITEMS: [{**ITEM, "title": 5}]}, "items-invalid"),
    ({lti.CONTENT_ITEMS: [{**ITEM, "url": "javascript:alert(1)"}]}, "items-elsewhere"),
    ({lti.CONTENT_ITEMS: [{**ITEM, "url": "https://evil.example.org/"}]}, "items-elsewhere"),
    ({lti.CONTENT_ITEMS: [{**ITEM, "url": "http://evil.example\\@127.0.0.1/"}]}, "items-elsewhere"),
    ({lti.CONTENT_ITEMS: [{**ITEM, "url": "http://somebody@127.0.0.1/"}]}, "items-elsewhere"),
    ({lti.CONTENT_ITEMS: [{**ITEM, "url": "http://127.0.0.1\t/"}]}, "items-elsewhere"),
    ({lti.CONTENT_ITEMS: [{**ITEM, "url": "http://[::1"}]}, "items-invalid"),
    ({lti.CONTENT_ITEMS: [{**ITEM, "custom": {"a": {"b": 1}}}]}, "items-invalid"),
    ({lti.CONTENT_ITEMS: [{**ITEM, "lineItem": {"scoreMaximum": 0}}]}, "items-invalid"),
    ({lti.CONTENT_ITEMS: [{**ITEM, "lineItem": [1]}]}, "items-invalid"),
    ({lti.CONTENT_ITEMS: [{**ITEM, "presentation": "iframe"}]}, "items-invalid"),
]


@pytest.mark.parametrize(("changed", "code"), ANSWERS)
def test_a_wrong_choice_is_refused_and_the_right_one_still_taken(
    world: World, changed: dict[str, Any], code: str
) -> None:
    claims = deep_linking_claims(world, choice_request(world))
    claims[lti.CONTENT_ITEMS] = [ITEM]
    bad = {**claims, **changed}
    bad = {name: value for name, value in bad.items() if value is not None}
    before = world.counts()
    address = world.address + endpoints.DEEP_LINKING
    answer = requests.post(address, data={"JWT": world.tool.sign(bad)}, timeout=120)
    check(world, answer, 400, code)
    assert world.counts() == before
    good = requests.post(address, data={"JWT": world.tool.sign(claims)}, timeout=120)
    assert good.status_code == 200, good.text


# ---- registration ------------------------------------------------------------------------

TOOL = lti.TOOL_CONFIGURATION
REGISTRATIONS: list[tuple[Any, str]] = [
    (b"nonsense", "registration-invalid"),
    (b"[]", "registration-invalid"),
    ({"application_type": "native"}, "registration-type"),
    ({"token_endpoint_auth_method": "client_secret_basic"}, "registration-auth-method"),
    ({"response_types": ["code"]}, "registration-response-type"),
    ({"response_types": "id_token"}, "registration-invalid"),
    ({"redirect_uris": []}, "registration-redirects"),
    ({"redirect_uris": [5]}, "registration-invalid"),
    ({"redirect_uris": ["ftp://example.org/"]}, "registration-address"),
    ({"redirect_uris": ["javascript:alert(1)"]}, "registration-address"),
    ({"jwks_uri": ""}, "registration-invalid"),
    ({"jwks_uri": "http://169.254.169.254/keys"}, "registration-address"),
    ({"jwks_uri": "https://user:secret@example.org/"}, "registration-address"),
    ({"jwks_uri": "https://2130706433/"}, "registration-address"),
    ({"initiate_login_uri": None}, "registration-invalid"),
    ({"client_name": None}, "registration-invalid"),
    ({"client_name": "n" * 300}, "registration-invalid"),
    ({TOOL: None}, "registration-no-tool"),
    ({TOOL: "none"}, "registration-invalid"),
    ({TOOL: {"target_link_uri": 5}}, "registration-invalid"),
    ({TOOL: {"target_link_uri": "https://e.org/", "messages": "x"}}, "registration-invalid"),
    (
        {TOOL: {"target_link_uri": "https://e.org/", "custom_parameters": {"a": []}}},
        "registration-invalid",
    ),
]


@pytest.mark.parametrize(("changed", "code"), REGISTRATIONS)
def test_a_wrong_registration_is_refused_and_the_right_one_still_taken(
    world: World, changed: Any, code: str
) -> None:
    body = changed
    if isinstance(changed, dict):
        body = {**recorded("/register")["body"], **changed}
    invitation = invite_tool(world.lti, "ONE", private_addresses=True)
    before = world.counts()
    answer = world.call("POST", endpoints.REGISTRATION, invitation.token, body)
    check(world, answer, 400, code)
    assert world.counts() == before
    good = recorded("/register")["body"]
    assert world.call("POST", endpoints.REGISTRATION, invitation.token, good).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer guess", "Basic rt1"])
def test_a_registration_without_an_invitation_is_refused(shared_world: World, header: str) -> None:
    world = shared_world
    body = recorded("/register")["body"]
    answer = world.call("POST", endpoints.REGISTRATION, "x", body, Authorization=header)
    check(world, answer, 401, "registration-uninvited")


def test_a_public_invitation_refuses_private_addresses(world: World) -> None:
    invitation = invite_tool(world.lti, "ONE", private_addresses=False)
    body = recorded("/register")["body"]
    answer = world.call("POST", endpoints.REGISTRATION, invitation.token, body)
    check(world, answer, 400, "registration-address")


def test_a_registration_that_is_too_large_is_refused(world: World) -> None:
    answer = world.call("POST", endpoints.REGISTRATION, "x", b"x" * 200_000)
    assert answer.status_code == 413
