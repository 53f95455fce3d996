"""Sign-in, and launches: the login that the platform begins, and the endpoint that ends it.

Sources: LTI Core 1.3, sections 4 and 5; Security Framework 1.1, section 5.1.1; LTI Platform
Storage 1.0.
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from lms_bridge.devtools.lti import names
from lms_bridge.devtools.lti.platform_state import (
    AUTHENTICATION,
    KEYS,
    TOKEN,
    PlatformState,
    SamplePerson,
    StartedLaunch,
)
from lms_bridge.devtools.lti.signatures import ALGORITHM, Claims
from lms_bridge.devtools.lti.site import NotAccepted, now, page, sent_on, set_cookie

SIGN_IN_COOKIE = "sample_academy"
SIGN_IN_SECONDS = 86_400
TOKEN_SECONDS = 300
_AUTHENTICATION_REQUEST = {
    "scope": "openid",
    "response_type": "id_token",
    "response_mode": "form_post",
    "prompt": "none",
}


def add_sign_in(app: Flask, platform: PlatformState) -> None:
    @app.post("/sign-in")
    def sign_in() -> AnyResponse:
        person = platform.people.get(request.form.get("person", ""))
        if person is None:
            raise NotAccepted("There is no such sample person.", 404)
        response = Response(status=303, headers={"Location": "/"})
        set_cookie(response, SIGN_IN_COOKIE, platform.sign_ins.put(person.id), SIGN_IN_SECONDS)
        return response

    @app.post("/sign-out")
    def sign_out() -> AnyResponse:
        platform.sign_ins.take(request.cookies.get(SIGN_IN_COOKIE, ""))
        return redirect("/", 303)


def signed_in(platform: PlatformState) -> SamplePerson | None:
    """Who is signed in in the browser that asks."""
    return platform.people.get(
        platform.sign_ins.look(request.cookies.get(SIGN_IN_COOKIE, "")) or ""
    )


def signed_in_person(platform: PlatformState) -> SamplePerson:
    person = signed_in(platform)
    if person is None:
        raise NotAccepted("Nobody is signed in here.", 403)
    return person


def sign_in_page(platform: PlatformState) -> Response:
    return page("sign_in.html", people=list(platform.people.values()))


def add_launches(app: Flask, platform: PlatformState) -> None:
    @app.get("/launch/<link_id>")
    def launch(link_id: str) -> AnyResponse:
        person = signed_in_person(platform)
        link = platform.link_for(person, link_id)
        framed = request.headers.get("Sec-Fetch-Dest") == "iframe"
        begun = StartedLaunch(person.id, link.course, secrets.token_urlsafe(12), link.id, framed)
        return begin(platform, begun, link.address or platform.tool.target_address)

    @app.route(AUTHENTICATION, methods=["GET", "POST"])
    def authentication() -> Response:
        given = request.form if request.method == "POST" else request.args
        begun = _started_launch(platform, given.to_dict())
        claims = _claims(platform, begun, signed_in_person(platform), given.get("nonce", ""))
        fields = {"id_token": platform.signer.sign(claims), "state": given.get("state", "")}
        return sent_on(given["redirect_uri"], fields)

    @app.get(KEYS)
    def keys() -> Response:
        return jsonify(platform.signer.public_set())

    @app.get("/.well-known/openid-configuration")
    def configuration() -> Response:
        return jsonify(
            {
                "issuer": platform.address,
                "authorization_endpoint": platform.address + AUTHENTICATION,
                "token_endpoint": platform.address + TOKEN,
                "jwks_uri": platform.address + KEYS,
                "scopes_supported": ["openid", *names.SCOPES],
                "response_types_supported": ["id_token"],
                "response_modes_supported": ["form_post"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            }
        )


def begin(platform: PlatformState, begun: StartedLaunch, target: str) -> AnyResponse:
    """Sends the browser to the tool's login (third-party initiated login)."""
    tool = platform.tool
    fields = {
        "iss": platform.address,
        "login_hint": platform.begun.put(begun),
        "lti_message_hint": begun.hint,
        "target_link_uri": target,
        "client_id": tool.client_id,
        "lti_deployment_id": tool.deployment_id,
    }
    if platform.offers_storage:
        fields["lti_storage_target"] = "_parent"
    mark = "&" if urlsplit(tool.login_address).query else "?"
    return redirect(f"{tool.login_address}{mark}{urlencode(fields)}", 303)


def _started_launch(platform: PlatformState, given: dict[str, str]) -> StartedLaunch:
    """The launch that this authentication request goes on with; it can be read once."""
    tool = platform.tool
    if given.get("client_id") != tool.client_id:
        raise NotAccepted("The tool that asks is not registered here.")
    if given.get("redirect_uri") not in tool.redirect_addresses:
        raise NotAccepted("The tool wants its answer at an address that is not registered.")
    for name, required in _AUTHENTICATION_REQUEST.items():
        if given.get(name) != required:
            raise NotAccepted(f"The tool's request has another {name} than LTI has.")
    if not given.get("nonce"):
        raise NotAccepted("The tool's request has no nonce.")
    begun = platform.begun.take(given.get("login_hint", ""))
    if begun is None:
        raise NotAccepted("This launch was opened already, or took too long.")
    if begun.hint != given.get("lti_message_hint") or begun.person != signed_in_person(platform).id:
        raise NotAccepted("This launch is another person's, or of another link.", 403)
    return begun


def _claims(
    platform: PlatformState, begun: StartedLaunch, person: SamplePerson, nonce: str
) -> Claims:
    course, tool, at = platform.courses[begun.course], platform.tool, now()
    claims: Claims = {
        "iss": platform.address,
        "aud": tool.client_id,
        "sub": person.id,
        "iat": at,
        "exp": at + TOKEN_SECONDS,
        "nonce": nonce,
        "name": person.name,
        "given_name": person.given_name,
        "family_name": person.family_name,
        "email": person.email,
        "locale": "en",
        names.LTI_VERSION: names.VERSION,
        names.DEPLOYMENT: tool.deployment_id,
        names.ROLES: [names.INSTRUCTOR if person.teaches else names.LEARNER],
        names.CONTEXT: {"id": course.code, "label": course.code, "title": course.title},
        names.LIS: {"person_sourcedid": person.id, "course_section_sourcedid": course.code},
        names.PLATFORM: {"guid": platform.address, "name": platform.name},
    }
    return claims | (
        _resource_link_claims(platform, begun)
        if begun.link
        else _deep_linking_claims(platform, begun)
    )


def _resource_link_claims(platform: PlatformState, begun: StartedLaunch) -> Claims:
    link = platform.links[begun.link]
    coupled = [item for item in platform.line_items_of(begun.course) if item.link == link.id]
    grading: dict[str, Any] = {
        "scope": [scope for scope in names.SCOPES if scope != names.MEMBERS_SCOPE],
        "lineitems": platform.line_items_address(begun.course),
    }
    if len(coupled) == 1:
        grading["lineitem"] = platform.line_item_address(coupled[0])
    where = f"{platform.address}/here/{link.id}" if begun.framed else f"{platform.address}/"
    return {
        names.MESSAGE_TYPE: names.RESOURCE_LINK_REQUEST,
        names.TARGET: link.address or platform.tool.target_address,
        names.RESOURCE_LINK: {"id": link.id, "title": link.title},
        names.CUSTOM: dict(link.custom),
        names.PRESENTATION: {
            "document_target": "iframe" if begun.framed else "window",
            "return_url": where,
            "locale": "en",
        },
        names.GRADING: grading,
        names.MEMBERSHIPS: {
            "context_memberships_url": platform.members_address(begun.course),
            "service_versions": ["2.0"],
        },
    }


def _deep_linking_claims(platform: PlatformState, begun: StartedLaunch) -> Claims:
    return {
        names.MESSAGE_TYPE: names.DEEP_LINKING_REQUEST,
        names.TARGET: platform.tool.target_address,
        names.PRESENTATION: {"document_target": "window", "locale": "en"},
        names.LINKING_SETTINGS: {
            "deep_link_return_url": f"{platform.address}/chosen",
            "accept_types": [names.RESOURCE_LINK_TYPE],
            "accept_presentation_document_targets": ["iframe", "window"],
            "accept_multiple": True,
            "accept_lineitem": True,
            "data": platform.choices.put(begun.course),
        },
    }
