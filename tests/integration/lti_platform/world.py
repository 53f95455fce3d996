"""A bridge that is served over real HTTP as a platform, and a tool that it knows."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from html.parser import HTMLParser
from typing import Any

import orjson
import requests
from cryptography.fernet import Fernet
from joserfc import jws
from joserfc.jwk import RSAKey
from sqlalchemy import func, select
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from lms_bridge.bootstrap import assemble
from lms_bridge.bridge import Bridge
from lms_bridge.domain.model import (
    Centre,
    Enrolment,
    EnrolmentStatus,
    Learner,
    Offering,
    OfferingStatus,
)
from lms_bridge.lti import registrations, vocabulary
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.feature import lti_of
from lms_bridge.lti.platform import access_tokens, endpoints
from lms_bridge.lti.platform.launch import LoginInitiation, start_launch
from lms_bridge.lti.platform.score_sender import ScoreSender
from lms_bridge.lti.registrations import LtiRegistration, Privacy, Side, Status
from lms_bridge.secrets import Vault
from lms_bridge.server.app import create_app
from lms_bridge.settings import Settings, load
from lms_bridge.store import centres, enrolments, learners, offerings
from lms_bridge.store.database import Database
from lms_bridge.store.tables import metadata
from tests.integration.lti_platform.waiting import until
from tests.operators import signed_in

BROWSER = "the-learners-browser"
KEYS = [RSAKey.generate_key(2048) for _ in range(3)]
"""Made once: a key takes longer than a test."""
COUNTS = select(
    *(
        select(func.count()).select_from(table).scalar_subquery().label(table.name)
        for table in metadata.sorted_tables
        if table.name not in ("nonce", "lti_key", "lti_refusal", "web_session")
    )
)
Wsgi = Callable[..., Any]


@contextmanager
def served(app: Wsgi) -> Iterator[str]:
    """A WSGI application on a port of 127.0.0.1."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Tool:
    """A tool's keys, published at ``/jwks``. ``fetches`` counts how often they were asked for."""

    def __init__(self) -> None:
        self.address = ""
        self.client_id = ""
        self.key, self.kid = KEYS[0], "tool-1"
        self.fetches = 0

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        if request.path == "/jwks":
            self.fetches += 1
            body = orjson.dumps({"keys": [public(self.key, self.kid)]})
            return Response(body, content_type="application/json")(environ, start_response)
        return Response("", 404)(environ, start_response)

    def rotate(self) -> None:
        self.key, self.kid = KEYS[1], "tool-2"

    def sign(self, claims: Mapping[str, Any], key: RSAKey | None = None, **header: Any) -> str:
        whole = {"alg": "RS256", "typ": "JWT", "kid": self.kid, **header}
        whole = {name: value for name, value in whole.items() if value is not None}
        return jws.serialize_compact(whole, orjson.dumps(claims), key or self.key)


def public(key: RSAKey, kid: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": "RS256"}


@dataclass
class World:
    """The served bridge, its tool, and what a test asks of them."""

    bridge: Bridge
    lti: LtiContext
    address: str
    tool: Tool
    registration: LtiRegistration
    sender: ScoreSender
    ids: dict[str, int] = field(default_factory=dict)

    @cached_property
    def operator(self) -> requests.Session:
        """The browser of an operator who is signed in."""
        browser = requests.Session()
        browser.cookies.update(signed_in(self.bridge.database))
        return browser

    def settle(self) -> None:
        """Returns once the scores that came were sent on."""
        until(lambda: self.sender.idle)

    # ---- launches ------------------------------------------------------------------------

    def start(
        self, learner: str = "acad-1", offering: str = "OFF-1", **options: Any
    ) -> LoginInitiation:
        return start_launch(self.lti, learner, offering, browser=BROWSER, **options)

    def auth_request(self, login: LoginInitiation, **changed: str | None) -> dict[str, str]:
        request: dict[str, str | None] = {
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "client_id": login.fields["client_id"],
            "redirect_uri": self.registration.redirect_uris[0],
            "state": f"state-{secrets.token_hex(4)}",
            "nonce": f"nonce-{secrets.token_hex(8)}",
            "login_hint": login.fields["login_hint"],
            "lti_message_hint": login.fields["lti_message_hint"],
            **changed,
        }
        return {name: text for name, text in request.items() if text is not None}

    def authenticate(
        self, request: Mapping[str, Any], method: str = "GET", browser: str = BROWSER
    ) -> requests.Response:
        return requests.request(
            method,
            self.address + endpoints.AUTHENTICATION,
            params=dict(request) if method == "GET" else None,
            data=None if method == "GET" else dict(request),
            cookies={"lms_bridge_launch": browser} if browser else {},
            timeout=120,
            allow_redirects=False,
        )

    def launch(self, learner: str = "acad-1", offering: str = "OFF-1") -> dict[str, Any]:
        """The claims of an id_token, as the tool gets them."""
        answer = self.authenticate(self.auth_request(self.start(learner, offering)))
        assert answer.status_code == 200, answer.text
        return self.read(form_of(answer.text)["id_token"])

    def read(self, token: str) -> dict[str, Any]:
        keys = requests.get(self.address + endpoints.KEYS, timeout=120).json()["keys"]
        kid = jws.extract_compact(token.encode()).headers()["kid"]
        key = next(RSAKey.import_key(each) for each in keys if each["kid"] == kid)
        claims: dict[str, Any] = orjson.loads(
            jws.deserialize_compact(token, key, algorithms=["RS256"]).payload
        )
        return claims

    # ---- services ------------------------------------------------------------------------

    def assertion(self, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.tool.client_id,
            "sub": self.tool.client_id,
            "aud": self.address + endpoints.TOKEN,
            "iat": now - 5,
            "exp": now + 60,
            "jti": secrets.token_hex(16),
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token_form(self, token: str, *scopes: str, **changed: str | None) -> dict[str, str]:
        form: dict[str, str | None] = {
            "grant_type": "client_credentials",
            "client_assertion_type": access_tokens.ASSERTION,
            "client_assertion": token,
            "scope": " ".join(scopes or vocabulary.SCOPES),
            **changed,
        }
        return {name: text for name, text in form.items() if text is not None}

    def ask_token(self, form: Mapping[str, str]) -> requests.Response:
        return requests.post(self.address + endpoints.TOKEN, data=dict(form), timeout=120)

    def token(self, *scopes: str) -> str:
        answer = self.ask_token(self.token_form(self.tool.sign(self.assertion()), *scopes))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def call(
        self, method: str, address: str, token: str = "", body: Any = None, **headers: str
    ) -> requests.Response:
        if not address.startswith("http"):
            address = self.address + address
        sent = body if isinstance(body, bytes | None) else orjson.dumps(body)
        all_headers = {"Authorization": f"Bearer {token or self.token()}", **headers}
        return requests.request(method, address, data=sent, headers=all_headers, timeout=120)

    def score(self, **changed: Any) -> dict[str, Any]:
        sent = {
            "userId": "acad-1",
            "scoreGiven": 15.5,
            "scoreMaximum": 20,
            "activityProgress": "Completed",
            "gradingProgress": "FullyGraded",
            "timestamp": "2026-03-01T10:00:00Z",
            **changed,
        }
        return {name: value for name, value in sent.items() if value is not ...}

    # ---- what is stored ------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Rows of every table, less those that remember what may come once, or what was refused."""
        with self.bridge.database.reading() as tx:
            return dict(tx.execute(COUNTS).mappings().one())

    def change_registration(self, **changed: Any) -> LtiRegistration:
        self.registration = replace(self.registration, **changed)
        with self.bridge.database.writing() as tx:
            registrations.change(tx, self.registration)
        return self.registration


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.action = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: text or "" for name, text in attrs}
        if tag == "form":
            self.action = given["action"]
        if tag == "input":
            self.fields[given["name"]] = given["value"]


def form_of(page: str) -> dict[str, str]:
    """The fields of the form on a page, its address under ``action``."""
    form = _Form()
    form.feed(page)
    return {**form.fields, "action": form.action}


def code_of(answer: requests.Response) -> str:
    """The code of a refusal, on a page or in JSON."""
    if "json" not in answer.headers["Content-Type"]:
        return answer.text.partition("LTI/")[2].partition("<")[0].partition(" ")[0]
    body = answer.json()
    return str(body.get("code") or body["error_description"].partition(":")[0])


def seed(database: Database) -> dict[str, int]:
    """A centre with two offerings, another centre with one, and five learners."""
    with database.writing() as tx:
        for code in ("ONE", "TWO"):
            centres.add(tx, Centre(code, f"Sample {code}", "africa", "files", sample=True), b"")
        begins = datetime(2026, 3, 2, tzinfo=UTC)
        new = [
            Offering(
                "OFF-1",
                "ONE",
                "CYB",
                "Spectre & réglementation",
                status=OfferingStatus.RUNNING,
                starts_at=begins,
            ),
            Offering("OFF-2", "ONE", "NET", "Networks"),
            Offering("OFF-3", "TWO", "NET", "Networks elsewhere"),
        ]
        ids = dict(zip(("OFF-1", "OFF-2", "OFF-3"), offerings.add_offerings(tx, new), strict=True))
        people = [
            Learner(f"acad-{i}", f"Fn{i}", f"Ln{i}", f"l{i}@example.org", "fr", "SN")
            for i in range(1, 6)
        ]
        for person, id_ in zip(people, learners.add_learners(tx, people), strict=True):
            ids[person.academy_id] = id_
        rows = []
        for i, status in enumerate(
            (
                EnrolmentStatus.ENROLLED,
                EnrolmentStatus.STARTED,
                EnrolmentStatus.ENROLLED,
                EnrolmentStatus.SELECTED,
            ),
            start=1,
        ):
            row = Enrolment(f"acad-{i}", "OFF-1", status)
            rows.append((ids[f"acad-{i}"], ids["OFF-1"], row))
        rows.append(
            (ids["acad-1"], ids["OFF-3"], Enrolment("acad-1", "OFF-3", EnrolmentStatus.ENROLLED))
        )
        enrolments.add_enrolments(tx, rows)
    return ids


def add_tool(lti: LtiContext, tool: Tool, **changed: Any) -> LtiRegistration:
    registration = LtiRegistration(
        Side.TOOL,
        name="Sample tool",
        centre="ONE",
        client_id=f"client-{secrets.token_hex(4)}",
        deployment_ids=("dep-1",),
        jwks_uri=f"{tool.address}/jwks",
        initiate_login_uri=f"{tool.address}/login",
        redirect_uris=(f"{tool.address}/launch", f"{tool.address}/launch_deeplink"),
        target_link_uri=f"{tool.address}/launch",
        deep_link_uri=f"{tool.address}/launch_deeplink",
        custom={"offering": "$Context.id", "mail": "$Person.email.primary", "fixed": "1"},
        scopes=vocabulary.SCOPES,
        privacy=Privacy(email=True, sourced_id=True),
        status=Status.ACTIVE,
        private_addresses=True,
    )
    with lti.database.writing() as tx:
        return registrations.add(tx, replace(registration, **changed))


def make_bridge(address: str, public: str, vault: Vault | None = None) -> Bridge:
    settings: Settings = load({"LMS_BRIDGE_STORE__ADDRESS": address})
    settings = replace(
        settings,
        lti=replace(settings.lti, address=public),
        network=replace(settings.network, private_addresses=True),
    )
    database = Database(address)
    return assemble(settings, database, vault or VAULT)


VAULT_KEY = Fernet.generate_key().decode()
VAULT = Vault(VAULT_KEY)


class Late:
    """An application that is named once its address is known."""

    app: Wsgi

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


@contextmanager
def world_on(database_address: str) -> Iterator[World]:
    tool, late = Tool(), Late()
    with served(tool) as tool.address, served(late) as address:
        bridge = make_bridge(database_address, address)
        app = create_app(bridge)
        app.testing = False
        late.app = app
        lti = lti_of(bridge).context
        ids = seed(bridge.database)
        registration = add_tool(lti, tool)
        tool.client_id = registration.client_id
        try:
            yield World(bridge, lti, address, tool, registration, app.extensions["lti_scores"], ids)
        finally:
            bridge.close()
