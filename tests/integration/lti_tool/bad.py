"""Known-bad launches and logins: the 1EdTech certification's list and more, with their codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.peers.platform import AGS, DL, LTI, NRPS, Platform
from tests.peers.signing import Key, encoded, joined

Claims = dict[str, Any]
STRANGER = Key("key-1")
OTHER = Key("key-other")


@dataclass(frozen=True)
class Bad:
    """A launch that is wrong in one way. ``change`` is applied to good claims before signing."""

    name: str
    code: str
    change: Callable[[Claims], object] = lambda claims: None
    sign: Callable[[Platform, Claims], str] = lambda platform, claims: platform.key.sign(claims)
    deep: bool = False


def _set(name: str, value: object) -> Callable[[Claims], object]:
    return lambda claims: claims.update({name: value})


def _gone(name: str) -> Callable[[Claims], object]:
    return lambda claims: claims.pop(name)


def _later(name: str, seconds: float) -> Callable[[Claims], object]:
    return lambda claims: claims.update({name: claims["iat"] + seconds})


def _inside(name: str, part: str, value: object) -> Callable[[Claims], object]:
    return lambda claims: claims[name].update({part: value})


def _without(name: str, part: str) -> Callable[[Claims], object]:
    return lambda claims: claims[name].pop(part)


def _swapped(platform: Platform, claims: Claims) -> str:
    """A good signature over other claims."""
    head, _, signature = platform.key.sign(claims).split(".")
    return f"{head}.{encoded(json.dumps({**claims, 'sub': '1'}).encode())}.{signature}"


def _nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = {"a": value}
    return value


def _expired(seconds: float) -> Callable[[Claims], object]:
    return lambda claims: claims.update(
        iat=claims["iat"] - seconds - 60, exp=claims["iat"] - seconds
    )


TOKENS = [
    Bad("expired", "token-expired", _expired(60)),
    Bad("expired long ago", "token-expired", _expired(86_400)),
    Bad("no exp", "token-expires-never", _gone("exp")),
    Bad("exp is a text", "token-claims", _set("exp", "tomorrow")),
    Bad("exp is a flag", "token-claims", _set("exp", True)),
    Bad("exp is a list", "token-claims", _set("exp", [9_999_999_999])),
    Bad("lives for years", "token-lives-too-long", _later("exp", 10**8)),
    Bad("no iat", "token-undated", _gone("iat")),
    Bad("iat is a text", "token-claims", _set("iat", "now")),
    Bad("iat in the future", "token-from-the-future", _later("iat", 300)),
    Bad("not yet valid", "token-not-yet-valid", _later("nbf", 300)),
    Bad("no iss", "token-issuer", _gone("iss")),
    Bad("iss of another", "token-issuer", _set("iss", "https://other.example")),
    Bad("iss with a slash more", "token-issuer", lambda c: c.update(iss=c["iss"] + "/")),
    Bad("iss is a list", "token-claims", lambda c: c.update(iss=[c["iss"]])),
    Bad("no aud", "token-audience", _gone("aud")),
    Bad("aud of another", "token-audience", _set("aud", "client-2")),
    Bad("aud is empty", "token-audience", _set("aud", [])),
    Bad("aud is a number", "token-claims", _set("aud", 7)),
    Bad("aud holds an object", "token-claims", _set("aud", [{"client-1": 1}])),
    Bad("aud of others too, no azp", "token-authorized-party", _set("aud", ["client-1", "x"])),
    Bad(
        "azp is null among several",
        "token-authorized-party",
        lambda c: c.update(aud=["client-1", "x"], azp=None),
    ),
    Bad(
        "azp of another among several",
        "token-authorized-party",
        lambda c: c.update(aud=["client-1", "client-2"], azp="client-2"),
    ),
    Bad(
        "azp is a list among several",
        "token-authorized-party",
        lambda c: c.update(aud=["client-1", "x"], azp=["client-1"]),
    ),
    Bad("no nonce", "nonce-missing", _gone("nonce")),
    Bad("empty nonce", "nonce-missing", _set("nonce", "")),
    Bad("another nonce", "nonce-other", _set("nonce", "guessed")),
    Bad("nonce is a list", "nonce-other", lambda c: c.update(nonce=[c["nonce"]])),
    Bad("nonce is a number", "nonce-other", _set("nonce", 1)),
    Bad("no kid", "token-key-unnamed", sign=lambda p, c: p.key.sign(c, kid=None)),
    Bad("kid is a number", "token-key-unnamed", sign=lambda p, c: p.key.sign(c, kid=1)),
    Bad("kid unknown", "token-key-unknown", sign=lambda p, c: OTHER.sign(c)),
    Bad("kid is a path", "token-key-unknown", sign=lambda p, c: p.key.sign(c, kid="../key-1")),
    Bad("another's key of that name", "token-signature", sign=lambda p, c: STRANGER.sign(c)),
    Bad("claims exchanged", "token-signature", sign=_swapped),
    Bad("alg none", "token-algorithm", sign=lambda p, c: p.key.unsigned(c)),
    Bad("alg NoNe", "token-algorithm", sign=lambda p, c: p.key.sign(c, alg="NoNe")),
    Bad(
        "HS256 by the public key",
        "token-algorithm",
        sign=lambda p, c: p.key.sign_with_public_key(c),
    ),
    Bad("alg RS512 claimed", "token-algorithm", sign=lambda p, c: p.key.sign(c, alg="RS512")),
    Bad("no alg", "token-algorithm", sign=lambda p, c: p.key.sign(c, alg=None)),
    Bad("alg is a list", "token-algorithm", sign=lambda p, c: p.key.sign(c, alg=["RS256"])),
    Bad("crit", "token-critical", sign=lambda p, c: p.key.sign(c, crit=["exp"])),
    Bad(
        "no signature",
        "token-signature",
        sign=lambda p, c: joined({"alg": "RS256", "kid": "key-1"}, c) + ".",
    ),
    Bad("two parts", "token-malformed", sign=lambda p, c: p.key.sign(c).rpartition(".")[0]),
    Bad("five parts", "token-malformed", sign=lambda p, c: p.key.sign(c) + ".x.y"),
    Bad("not base64", "token-malformed", sign=lambda p, c: "%%%.%%%.%%%"),
    Bad("not JSON", "token-malformed", sign=lambda p, c: f"{encoded(b'{')}.{encoded(b'{')}.x"),
    Bad("claims are a list", "token-malformed", sign=lambda p, c: p.key.sign([c])),
    Bad("no token", "token-missing", sign=lambda p, c: ""),
    Bad("letters of other scripts", "token-malformed", sign=lambda p, c: "é.é.é"),
    Bad("too many characters", "token-too-large", _set("padding", "x" * 40_000)),
    Bad(
        "deeply nested",
        "token-malformed",
        _set("padding", _nested(2_000 // 4)),
        sign=lambda p, c: p.key.sign({**c, "padding": None})[:-9] + "." * 3,
    ),
]

MESSAGES = [
    Bad("no message type", "message-type-missing", _gone(f"{LTI}message_type")),
    Bad("unknown message type", "message-type-unknown", _set(f"{LTI}message_type", "LtiOther")),
    Bad(
        "message type is a list",
        "message-type-invalid",
        _set(f"{LTI}message_type", ["LtiResourceLinkRequest"]),
    ),
    Bad(
        "a response as a launch",
        "message-type-unknown",
        _set(f"{LTI}message_type", "LtiDeepLinkingResponse"),
    ),
    Bad("no version", "version-missing", _gone(f"{LTI}version")),
    Bad("version 1.1", "version-unknown", _set(f"{LTI}version", "LTI-1p0")),
    Bad("version is a number", "version-unknown", _set(f"{LTI}version", 1.3)),
    Bad("no deployment", "deployment-missing", _gone(f"{LTI}deployment_id")),
    Bad("empty deployment", "deployment-missing", _set(f"{LTI}deployment_id", "")),
    Bad("another deployment", "deployment-changed", _set(f"{LTI}deployment_id", "2")),
    Bad("deployment is an object", "deployment-invalid", _set(f"{LTI}deployment_id", {"id": "1"})),
    Bad("deployment too long", "deployment-invalid", _set(f"{LTI}deployment_id", "1" * 300)),
    Bad("no target", "target-missing", _gone(f"{LTI}target_link_uri")),
    Bad(
        "another target",
        "target-changed",
        lambda c: c.update({f"{LTI}target_link_uri": c[f"{LTI}target_link_uri"] + "?x=1"}),
    ),
    Bad(
        "target elsewhere", "target-changed", _set(f"{LTI}target_link_uri", "https://evil.example/")
    ),
    Bad(
        "target is a script", "target-invalid", _set(f"{LTI}target_link_uri", "javascript:alert(1)")
    ),
    Bad("target is a list", "target-invalid", _set(f"{LTI}target_link_uri", ["https://x.example"])),
    Bad("no roles", "roles-missing", _gone(f"{LTI}roles")),
    Bad("roles are null", "roles-missing", _set(f"{LTI}roles", None)),
    Bad("roles are an object", "roles-invalid", _set(f"{LTI}roles", {"Learner": True})),
    Bad("no sub", "person-missing", _gone("sub")),
    Bad("empty sub", "person-missing", _set("sub", " ")),
    Bad("sub is a list", "person-invalid", _set("sub", ["4"])),
    Bad("sub too long", "person-invalid", _set("sub", "4" * 256)),
    Bad("sub with a NUL", "person-invalid", _set("sub", "4\x00")),
    Bad("sub with half of a character", "person-invalid", _set("sub", "4\ud800")),
    Bad("sub that cannot be read", "person-invalid", _set("sub", "4\ufffd")),
    Bad("no resource link", "resource-link-missing", _gone(f"{LTI}resource_link")),
    Bad("resource link is a text", "resource-link-invalid", _set(f"{LTI}resource_link", "17")),
    Bad(
        "resource link without id",
        "resource-link-id-missing",
        _without(f"{LTI}resource_link", "id"),
    ),
    Bad(
        "resource link id is a list",
        "resource-link-invalid",
        _inside(f"{LTI}resource_link", "id", ["17"]),
    ),
    Bad(
        "resource link is PHP's empty list",
        "resource-link-missing",
        _set(f"{LTI}resource_link", []),
    ),
]

LINKS = f"{DL}deep_linking_settings"
DEEP = [
    Bad("no settings", "deep-linking-missing", _gone(LINKS), deep=True),
    Bad("settings are an empty list", "deep-linking-missing", _set(LINKS, []), deep=True),
    Bad("settings are a text", "deep-linking-invalid", _set(LINKS, "x"), deep=True),
    Bad(
        "no return address",
        "link-return-address-missing",
        _without(LINKS, "deep_link_return_url"),
        deep=True,
    ),
    Bad(
        "return address is a script",
        "link-return-address-invalid",
        _inside(LINKS, "deep_link_return_url", "javascript:1"),
        deep=True,
    ),
    Bad("no types", "link-types-unknown", _without(LINKS, "accept_types"), deep=True),
    Bad(
        "types without LTI links",
        "link-types-unknown",
        _inside(LINKS, "accept_types", ["html"]),
        deep=True,
    ),
    Bad(
        "types are an object",
        "link-types-unknown",
        _inside(LINKS, "accept_types", {"ltiResourceLink": 1}),
        deep=True,
    ),
    Bad(
        "no targets",
        "link-targets-missing",
        _without(LINKS, "accept_presentation_document_targets"),
        deep=True,
    ),
    Bad(
        "data is deeply nested",
        "link-data-invalid",
        _inside(LINKS, "data", _nested(101)),
        deep=True,
    ),
    Bad("data is huge", "link-data-invalid", _inside(LINKS, "data", "x" * 17_000), deep=True),
]

ODD: list[tuple[str, Callable[[Claims], object]]] = [
    ("roles hold numbers and null", _set(f"{LTI}roles", ["Learner", 1, None])),
    ("roles are PHP's list with gaps", _set(f"{LTI}roles", {"1": "Learner", "3": "Mentor"})),
    ("very many roles", _set(f"{LTI}roles", ["Learner"] * 1000)),
    ("scopes are PHP's list with gaps", _inside(f"{AGS}claim/endpoint", "scope", {"2": "x"})),
    ("context is a text", _set(f"{LTI}context", "5")),
    ("context is PHP's empty list", _set(f"{LTI}context", [])),
    ("context without id", _without(f"{LTI}context", "id")),
    ("context id is a list", _inside(f"{LTI}context", "id", ["5"])),
    ("context type is a number", _inside(f"{LTI}context", "type", 5)),
    ("context type holds null", _inside(f"{LTI}context", "type", [None])),
    ("context title is an object", _inside(f"{LTI}context", "title", {"en": "x"})),
    ("resource link title is a list", _inside(f"{LTI}resource_link", "title", ["x"])),
    ("custom is a list", _set(f"{LTI}custom", ["offering"])),
    ("custom is PHP's empty list", _set(f"{LTI}custom", [])),
    ("custom is nested", _inside(f"{LTI}custom", "other", _nested(20))),
    ("custom is long", _inside(f"{LTI}custom", "other", "x" * 5_000)),
    ("custom holds null", _inside(f"{LTI}custom", "other", None)),
    ("custom has a NUL", _inside(f"{LTI}custom", "other", "\x00")),
    ("many custom parameters", _set(f"{LTI}custom", {str(n): "x" for n in range(500)})),
    ("lis is a text", _set(f"{LTI}lis", "acad-1")),
    ("lis is PHP's empty list", _set(f"{LTI}lis", [])),
    ("presentation is PHP's empty list", _set(f"{LTI}launch_presentation", [])),
    ("return address is a script", _set(f"{LTI}launch_presentation", {"return_url": "data:1"})),
    ("locale is a list", _set("locale", ["fr"])),
    ("name is an object", _set("name", {"given": "Ada"})),
    ("email is null", _set("email", None)),
    ("grading is a text", _set(f"{AGS}claim/endpoint", "x")),
    ("line items are a file", _inside(f"{AGS}claim/endpoint", "lineitems", "file:///etc/passwd")),
    (
        "line item with a password",
        _inside(f"{AGS}claim/endpoint", "lineitem", "https://a:b@x.example/1"),
    ),
    ("scopes are an object", _inside(f"{AGS}claim/endpoint", "scope", {"a": 1})),
    ("scopes hold null", _inside(f"{AGS}claim/endpoint", "scope", [None])),
    (
        "memberships are a gopher",
        _inside(f"{NRPS}claim/namesroleservice", "context_memberships_url", "gopher://x"),
    ),
    ("memberships are a list", _set(f"{NRPS}claim/namesroleservice", ["https://x.example"])),
    ("tool platform is a number", _set(f"{LTI}tool_platform", 5)),
    ("mentor scope is an object", _set(f"{LTI}role_scope_mentor", {"a": []})),
    ("name has half a character", _set("name", "Ada \ud83d")),
    ("a claim that nobody knows", _set("https://x.example/claim", _nested(50))),
]
"""Launches that are odd in a part that nobody needs: each is accepted."""

LOGINS: list[tuple[str, str, dict[str, str | None]]] = [
    ("no issuer", "issuer-missing", {"iss": None}),
    ("unknown issuer", "platform-unknown", {"iss": "https://other.example"}),
    ("no login hint", "login-hint-missing", {"login_hint": None}),
    ("no target", "target-missing", {"target_link_uri": None}),
    (
        "target elsewhere",
        "target-foreign",
        {"target_link_uri": "https://evil.example/lti/tool/launch"},
    ),
    ("target is a script", "target-foreign", {"target_link_uri": "javascript:alert(1)"}),
    ("target is another page", "target-foreign", {"target_link_uri": "/runs"}),
    ("unknown client", "platform-unknown", {"client_id": "client-2"}),
    ("client of another script", "platform-unknown", {"client_id": "client‑1"}),
    ("huge login hint", "login-too-large", {"login_hint": "x" * 9_000}),
    ("login hint with a NUL", "login-too-large", {"login_hint": "4\x00"}),
    ("huge message hint", "login-too-large", {"lti_message_hint": "x" * 9_000}),
    ("everything is huge", "too-large", {"login_hint": "x" * 70_000}),
]
