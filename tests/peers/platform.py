"""A small LTI 1.3 platform of our own: it signs what it is told to sign, right or wrong.

Its answers have the oddities of a real Moodle, as recorded: tokens as ``text/html``, queries in the
addresses of line items, short role names, results as texts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Flask, Response, jsonify, request

from tests.peers.serving import free_socket, serving
from tests.peers.signing import Key, decoded

LTI = "https://purl.imsglobal.org/spec/lti/claim/"
AGS = "https://purl.imsglobal.org/spec/lti-ags/"
NRPS = "https://purl.imsglobal.org/spec/lti-nrps/"
DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"
CONFIGURATION = "https://purl.imsglobal.org/spec/lti-tool-configuration"
ROLE = "http://purl.imsglobal.org/vocab/lis/v2/membership#"

Change = Callable[[dict[str, Any]], object]


@cache
def usual_key() -> Key:
    """Made once: making a key takes longer than a whole launch."""
    return Key()


@dataclass
class Platform:
    """What it knows, what it was asked, and how it misbehaves."""

    client_id: str = "client-1"
    deployment: str = "1"
    address: str = ""
    keys: list[Key] = field(default_factory=lambda: [usual_key()])
    members: list[dict[str, Any]] = field(default_factory=list)
    line_items: dict[str, dict[str, Any]] = field(default_factory=dict)
    scores: list[dict[str, Any]] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    registrations: list[dict[str, Any]] = field(default_factory=list)
    assertions: list[dict[str, Any]] = field(default_factory=list)
    token_seconds: object = 3600
    token_refusal: tuple[int, str] | None = None
    """The status and the body of its answer, where it gives no token."""
    token_number: int = 0
    page_size: int = 2
    withdrawn: bool = False
    refuses_tokens: bool = False
    wait_seconds: float = 0.0
    down: bool = False
    gone: set[int] = field(default_factory=set)
    configuration: dict[str, Any] = field(default_factory=dict)
    registered: dict[str, Any] = field(default_factory=dict)
    meanwhile: Callable[[str, str], object] = lambda when, path: None
    """Called for each request: with "requested" before it, and "answered" before the response."""
    shows_configuration_to: str = ""
    """Whose ``Authorization`` header it wants to see first; empty: anybody may look."""

    @property
    def key(self) -> Key:
        return self.keys[-1]

    def count(self, path: str) -> int:
        return sum(1 for each in self.requested if path in each)

    def login(self, tool: str, **more: str) -> dict[str, str]:
        """The parameters of a login initiation."""
        return {
            "iss": self.address,
            "client_id": self.client_id,
            "lti_deployment_id": self.deployment,
            "login_hint": "4",
            "lti_message_hint": '{"cmid":305}',
            "target_link_uri": f"{tool}/lti/tool/launch",
            **more,
        }

    def claims(self, nonce: str, tool: str) -> dict[str, Any]:
        """A good launch of a resource link."""
        now = int(time.time())
        return {
            "iss": self.address,
            "aud": self.client_id,
            "sub": "4",
            "iat": now,
            "exp": now + 60,
            "nonce": nonce,
            "name": "Ada Example",
            "email": "ada@example.org",
            f"{LTI}deployment_id": self.deployment,
            f"{LTI}message_type": "LtiResourceLinkRequest",
            f"{LTI}version": "1.3.0",
            f"{LTI}target_link_uri": f"{tool}/lti/tool/launch",
            f"{LTI}roles": ["Learner"],
            f"{LTI}resource_link": {"id": "17", "title": "Academy course"},
            f"{LTI}context": {"id": "5", "label": "CRS-2", "title": "Spectre & réglementation"},
            f"{LTI}custom": {"offering": "ITU-2"},
            f"{LTI}launch_presentation": {"return_url": f"{self.address}/course", "locale": "fr"},
            f"{AGS}claim/endpoint": {
                "scope": [f"{AGS}scope/lineitem", f"{AGS}scope/score"],
                "lineitems": f"{self.address}/Items?type_id=1",
                "lineitem": f"{self.address}/Items/6/lineitem?type_id=1",
            },
            f"{NRPS}claim/namesroleservice": {
                "context_memberships_url": f"{self.address}/Members",
                "service_versions": ["2.0"],
            },
        }

    def deep_claims(self, nonce: str, tool: str) -> dict[str, Any]:
        """A good deep linking request."""
        claims = self.claims(nonce, tool)
        del claims[f"{LTI}resource_link"]
        claims[f"{LTI}message_type"] = "LtiDeepLinkingRequest"
        claims[f"{LTI}roles"] = [f"{ROLE}Instructor"]
        claims[f"{DL}deep_linking_settings"] = {
            "deep_link_return_url": f"{self.address}/picked?course=5&sesskey=x",
            "accept_types": ["link", "ltiResourceLink"],
            "accept_presentation_document_targets": ["iframe", "window"],
            "accept_multiple": True,
            "data": "opaque:1",
        }
        return claims

    def answer(self, address: str, tool: str, change: Change | None = None) -> dict[str, str]:
        """The form that answers an authentication request at this address."""
        requested = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        claims = self.claims(requested["nonce"], tool)
        if change is not None:
            change(claims)
        return {"id_token": self.key.sign(claims), "state": requested["state"]}


def _members(platform: Platform) -> Response:
    start = int(request.args.get("from", 0))
    end = start + platform.page_size
    response = jsonify(id=request.url, context={"id": "5"}, members=platform.members[start:end])
    response.headers["Content-Type"] = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
    if end < len(platform.members):
        following = f"{platform.address}/Members?From=Page&from={end}"
        response.headers["Link"] = f'<{platform.address}/x>; rel="prev", <{following}>; rel="next"'
    return response


def _token(platform: Platform) -> Response:
    time.sleep(platform.wait_seconds)
    assertion = request.form["client_assertion"]
    platform.assertions.append(decoded(assertion.split(".")[1]))
    if platform.token_refusal is not None:
        status, body = platform.token_refusal
        return Response(body, status, content_type="application/json")
    platform.token_number += 1
    platform.withdrawn = False
    response = jsonify(
        access_token=f"token-{platform.token_number}",
        token_type="Bearer",
        expires_in=platform.token_seconds,
        scope=request.form["scope"],
    )
    response.headers["Content-Type"] = "text/html; charset=utf-8"
    return response


def _items(platform: Platform) -> Response | tuple[Response, int]:
    if request.method == "GET":
        return jsonify(list(platform.line_items.values()))
    body = request.get_json(force=True)
    number = len(platform.line_items) + 6
    body["id"] = f"{platform.address}/Items/{number}/lineitem?type_id=1"
    platform.line_items[body["id"]] = body
    return jsonify(body), 201


def _score(platform: Platform, number: int) -> tuple[str, int]:
    sent = {**request.get_json(force=True), "item": number}
    if sent["userId"] == "nobody" or number in platform.gone:
        return "", 404
    newest = [
        each
        for each in platform.scores
        if each["userId"] == sent["userId"] and each["item"] == number
    ]
    if newest and newest[-1]["timestamp"] >= sent["timestamp"]:
        return "[]", 409
    platform.scores.append(sent)
    return "", 200


def _results(platform: Platform) -> Response:
    return jsonify(
        [
            {"userId": each["userId"], "resultScore": "15.50000", "resultMaximum": "20.00000"}
            for each in platform.scores
        ]
    )


def _configuration(platform: Platform) -> Response:
    address = platform.address
    return jsonify(
        {
            "issuer": address,
            "authorization_endpoint": f"{address}/auth",
            "token_endpoint": f"{address}/token",
            "jwks_uri": f"{address}/jwks",
            "registration_endpoint": f"{address}/register",
            "scopes_supported": ["openid", f"{AGS}scope/score", f"{AGS}scope/lineitem"],
            "https://purl.imsglobal.org/spec/lti-platform-configuration": {
                "product_family_code": "moodle",
                "variables": ["Person.sourcedId", "CourseSection.sourcedId"],
            },
            **platform.configuration,
        }
    )


def _register(platform: Platform) -> Response:
    sent = request.get_json(force=True)
    platform.registrations.append({"token": request.headers.get("Authorization"), **sent})
    answer = {**sent, "client_id": "given-1", **platform.registered}
    answer.setdefault(CONFIGURATION, {})
    answer[CONFIGURATION] = {"deployment_id": "7", **sent[CONFIGURATION], **answer[CONFIGURATION]}
    return jsonify(answer)


def application(platform: Platform) -> Flask:
    app = Flask("tests.peers.platform")

    @app.before_request
    def _note() -> tuple[str, int] | None:
        platform.requested.append(f"{request.method} {request.full_path}")
        platform.meanwhile("requested", request.path)
        if platform.down:
            return "", 503
        open_to_all = ("/jwks", "/token", "/auth", "/configuration", "/register")
        if request.path not in open_to_all:
            token = request.headers.get("Authorization", "")
            desired = f"Bearer token-{platform.token_number}"
            if token != desired or platform.withdrawn or platform.refuses_tokens:
                return "", 401
        shown_to = platform.shows_configuration_to
        if request.path == "/configuration" and shown_to:
            return None if request.headers.get("Authorization") == shown_to else ("", 401)
        return None

    @app.after_request
    def _tell(answer: Response) -> Response:
        platform.meanwhile("answered", request.path)
        return answer

    @app.get("/jwks")
    def jwks() -> Response:
        return jsonify(keys=[key.jwk for key in platform.keys])

    app.add_url_rule("/token", "token", lambda: _token(platform), methods=["POST"])
    app.add_url_rule("/Members", "members", lambda: _members(platform))
    app.add_url_rule("/Items", "items", lambda: _items(platform), methods=["GET", "POST"])
    app.add_url_rule("/configuration", "configuration", lambda: _configuration(platform))
    app.add_url_rule("/register", "register", lambda: _register(platform), methods=["POST"])
    item = "/Items/<int:number>/lineitem"
    app.add_url_rule(
        f"{item}/scores", "score", lambda number: _score(platform, number), methods=["POST"]
    )
    app.add_url_rule(f"{item}/results", "results", lambda number: _results(platform))

    @app.put(item)
    def change(number: int) -> Response:
        del number
        platform.line_items[request.url] = request.get_json(force=True)
        return jsonify(platform.line_items[request.url])

    return app


@contextmanager
def running(platform: Platform) -> Iterator[Platform]:
    """Serves the platform until the end of the block."""
    listening = free_socket()
    platform.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with serving(application(platform), listening):
        yield platform
