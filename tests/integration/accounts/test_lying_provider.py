"""An OpenID provider that lies, or that is slow: nobody is signed in, and nobody else waits."""

from __future__ import annotations

import base64
import hmac
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey

from lms_bridge.accounts import provider
from lms_bridge.domain.access import DataScope
from lms_bridge.store.database import Database
from tests.integration.accounts.browser import account, send
from tests.integration.accounts.conftest import MakeApp
from tests.integration.web.filling import fill

CLIENT = "bridge"
KEY = RSAKey.generate_key(2048, {"kid": "1"}, private=True)
OTHER = RSAKey.generate_key(2048, {"kid": "1"}, private=True)


@dataclass
class Lies:
    """What the provider says: ``token`` makes its token of the honest claims."""

    address: str = ""
    nonce: str = ""
    token: Callable[[dict[str, Any]], object] = field(default=lambda claims: signed(claims))
    metadata: dict[str, Any] = field(default_factory=dict)
    silent: threading.Event | None = None
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def claims(self) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.address,
            "aud": CLIENT,
            "sub": "1",
            "nonce": self.nonce,
            "iat": now,
            "exp": now + 300,
            "email": "amina@example.org",
            "email_verified": True,
        }

    def document(self, path: str) -> object:
        if path == "/token":
            return {"id_token": self.token(self.claims()), "token_type": "Bearer"}
        if path == "/keys":
            return {"keys": [KEY.as_dict(private=False)]}
        ends = ("authorization_endpoint", "/there"), ("token_endpoint", "/token")
        honest = {name: f"{self.address}{end}" for name, end in (*ends, ("jwks_uri", "/keys"))}
        return {"issuer": self.address, **honest, **self.metadata}


def signed(claims: dict[str, Any], key: RSAKey = KEY) -> str:
    return jwt.encode({"alg": "RS256", "kid": "1"}, claims, key)


def unsigned(claims: dict[str, Any]) -> str:
    parts = (orjson.dumps({"alg": "none"}), orjson.dumps(claims), b"")
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def by_public_key(claims: dict[str, Any]) -> str:
    """Signed with a secret that everybody knows: the provider's public key."""
    head = orjson.dumps({"alg": "HS256", "kid": "1"})
    parts = (head, orjson.dumps(claims))
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.digest(KEY.as_pem(private=False), text, "sha256")
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.fixture
def lies() -> Iterator[Lies]:
    told = Lies()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.release()
            if told.silent is not None:
                told.silent.wait()
            body = orjson.dumps(told.document(self.path))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield told
        if told.silent is not None:
            told.silent.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def provided(
    make_app: MakeApp, sqlite_database: Database, sqlite_address: str, lies: Lies
) -> Flask:
    fill(sqlite_database)
    account(sqlite_database, reach=DataScope(centre="AFR"))
    return make_app(sqlite_address, PROVIDER__ISSUER=lies.address, PROVIDER__CLIENT_ID=CLIENT)


def sign_in(browser: FlaskClient, lies: Lies) -> int:
    page = send(browser, "/sign-in/provider")
    assert page.status_code == 200
    asked = parse_qs(urlsplit(page.headers["Refresh"].removeprefix("0; url=")).query)
    lies.nonce = asked["nonce"][0]
    answer = browser.get(
        "/sign-in/provider/back", query_string={"state": asked["state"], "code": 1}
    )
    return answer.status_code


LIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no signature": unsigned,
    "another key": lambda claims: signed(claims, OTHER),
    "the public key as a secret": by_public_key,
    "another issuer": lambda claims: signed(claims | {"iss": "https://other.example.org"}),
    "another client": lambda claims: signed(claims | {"aud": "other"}),
    "another client too, and for it": lambda claims: signed(
        claims | {"aud": [CLIENT, "other"], "azp": "other"}
    ),
    "another sign-in": lambda claims: signed(claims | {"nonce": "other"}),
    "no sign-in": lambda claims: signed({k: v for k, v in claims.items() if k != "nonce"}),
    "long ago": lambda claims: signed(claims | {"iat": 1, "exp": 2}),
    "nobody": lambda claims: signed({k: v for k, v in claims.items() if k != "sub"}),
    "a number for a person": lambda claims: signed(claims | {"sub": 1}),
    "a person with a NUL": lambda claims: signed(claims | {"sub": "1\x00"}),
    "a person who cannot be read": lambda claims: signed(claims | {"sub": "1\ufffd"}),
    "an endless name": lambda claims: signed(claims | {"sub": "1" * 100_000}),
    "an address that nobody checked": lambda claims: signed(claims | {"email_verified": "no"}),
    "a list of addresses": lambda claims: signed(claims | {"email": ["amina@example.org"]}),
    "no text": lambda claims: ["token"],
    "no token": lambda claims: "a.b",
}


def test_an_honest_token_signs_in(provided: Flask, lies: Lies) -> None:
    browser = provided.test_client()
    assert sign_in(browser, lies) == 303
    assert browser.get("/account").status_code == 200


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_signs_nobody_in(provided: Flask, lies: Lies, lie: str) -> None:
    lies.token = LIES[lie]
    browser = provided.test_client()
    assert sign_in(browser, lies) == 403
    assert browser.get("/account").status_code == 401


def test_the_owner_of_a_similar_mailbox_is_not_signed_in(
    provided: Flask, lies: Lies, sqlite_database: Database
) -> None:
    account(sqlite_database, "ana@strasse.example", reach=DataScope(centre="AFR"))
    lies.token = lambda claims: signed(claims | {"email": "ana@straße.example"})
    browser = provided.test_client()
    assert sign_in(browser, lies) == 403
    lies.token = lambda claims: signed(claims | {"email": "Ana@Strasse.example"})
    assert sign_in(browser, lies) == 303


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example.org"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "http://other.example.org/token"},
        {"jwks_uri": None},
    ],
)
def test_metadata_that_lie_lead_nowhere(
    provided: Flask, lies: Lies, metadata: dict[str, Any]
) -> None:
    lies.metadata = metadata
    answer = send(provided.test_client(), "/sign-in/provider")
    assert answer.status_code == 502
    assert "Refresh" not in answer.headers


def test_a_silent_provider_holds_few_and_the_others_are_told_at_once(
    provided: Flask, lies: Lies
) -> None:
    lies.silent = threading.Event()
    codes: list[int] = []
    held = [
        threading.Thread(
            target=lambda: codes.append(
                send(provided.test_client(), "/sign-in/provider").status_code
            )
        )
        for _ in range(provider.AT_ONCE)
    ]
    for each in held:
        each.start()
    lies.asked.acquire()
    other = provided.test_client()
    assert send(other, "/sign-in/provider").status_code == 503
    assert other.get("/catalogue").status_code == 200
    lies.silent.set()
    for each in held:
        each.join()
    assert codes == [200, 200]
