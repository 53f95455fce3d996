"""Dynamic registration: a tool registers itself with an invitation, and an operator approves it.

Source: LTI Dynamic Registration 1.0; OpenID Connect Dynamic Client Registration 1.0. Addresses from
a stranger are only stored here. Whoever fetches them later does so through the address guard.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from lms_bridge.audit import Actor
from lms_bridge.domain.errors import AddressRefused
from lms_bridge.http.address_guard import check_address
from lms_bridge.lti import json_parts, registrations
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.jwt import ALGORITHM
from lms_bridge.lti.platform import claims, endpoints
from lms_bridge.lti.platform.claims import PRODUCT
from lms_bridge.lti.registrations import LtiRegistration, Side, Status, check_room_for_one_more

BAD = "registration-invalid"
INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class ToolInvitation:
    """What an operator sends to the tool's administrator. ``token`` works once."""

    configuration: str
    token: str

    def address(self, registration_uri: str) -> str:
        """The tool's registration page with the invitation in it (section 3.4)."""
        query = {"openid_configuration": self.configuration, "registration_token": self.token}
        mark = "&" if urlsplit(registration_uri).query else "?"
        return f"{registration_uri}{mark}{urlencode(query)}"


def invite_tool(lti_context: LtiContext, centre: str, *, private_addresses: bool) -> ToolInvitation:
    """An invitation for one tool of a centre ("" for a tool of the Academy's own)."""
    token = secrets.token_urlsafe(32)
    record = {"centre": centre, "private": private_addresses}
    lti_context.nonces.put(INVITATION, token, record, lti_context.settings.invitation_hours * 3600)
    return ToolInvitation(lti_context.address + endpoints.CONFIGURATION, token)


def configuration(address: str, version: str) -> dict[str, Any]:
    """The platform's OpenID configuration (section 2.1)."""
    return {
        "issuer": address,
        "authorization_endpoint": address + endpoints.AUTHENTICATION,
        "token_endpoint": address + endpoints.TOKEN,
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": [ALGORITHM],
        "jwks_uri": address + endpoints.KEYS,
        "registration_endpoint": address + endpoints.REGISTRATION,
        "scopes_supported": ["openid", *lti.SCOPES],
        "response_types_supported": ["id_token"],
        "response_modes_supported": ["form_post"],
        "grant_types_supported": ["client_credentials", "implicit"],
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "name", "given_name", "family_name", "email"],
        lti.PLATFORM_CONFIGURATION: {
            "product_family_code": PRODUCT,
            "version": version,
            "messages_supported": [
                {"type": lti.RESOURCE_LINK_REQUEST},
                {"type": lti.DEEP_LINKING_REQUEST, "placements": ["ContentArea"]},
            ],
            "variables": list(claims.VARIABLES),
        },
    }


def register(lti_context: LtiContext, authorization: str, body: bytes) -> dict[str, Any]:
    """Registers a tool and gives the response of section 3.5.2. A refused registration does not use
    up the invitation.

    Raises:
        LtiRefused: 401 without a valid invitation, else 400.
    """
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else ""
    invitation = lti_context.nonces.look(INVITATION, token) if token else None
    if invitation is None:
        raise _uninvited()
    request = json_parts.json_object(body, BAD)
    registration = _registration(request, invitation["centre"], bool(invitation["private"]))
    with lti_context.database.writing() as tx:
        if lti_context.nonces.take(INVITATION, token, tx) is None:
            raise _uninvited()
        check_room_for_one_more(tx, registration.centre)
        registration = registrations.add(tx, registration)
        registrations.record_change(
            tx, Actor("invitation", "registration", lti_context.now()), None, registration
        )
    return _response(registration)


def _uninvited() -> LtiRefused:
    return LtiRefused(
        "registration-uninvited",
        "The invitation is not known: it was used already, or is too old.",
        "Ask the operator of the bridge for another one.",
        status=401,
    )


def new_client_id() -> str:
    return secrets.token_urlsafe(15)


def _registration(request: Mapping[str, Any], centre: str, private: bool) -> LtiRegistration:
    _check_fixed_values(request)
    tool = json_parts.section(request, lti.TOOL_CONFIGURATION, BAD)
    if not tool:
        raise LtiRefused("registration-no-tool", "The registration has no tool configuration.")
    redirects = json_parts.texts(request, "redirect_uris", BAD)
    if not redirects:
        raise LtiRefused("registration-redirects", "The registration has no redirect_uris.")
    scopes = json_parts.text(request, "scope", BAD, longest=4000).split()
    registration = LtiRegistration(
        Side.TOOL,
        centre=centre,
        name=json_parts.text(request, "client_name", BAD, longest=255, required=True),
        client_id=new_client_id(),
        deployment_ids=(new_client_id(),),
        redirect_uris=redirects,
        jwks_uri=_address(request, "jwks_uri"),
        initiate_login_uri=_address(request, "initiate_login_uri"),
        target_link_uri=_address(tool, "target_link_uri"),
        deep_link_uri=_messages(tool).get(lti.DEEP_LINKING_REQUEST, ""),
        custom=json_parts.custom(tool, "custom_parameters", BAD),
        scopes=tuple(scope for scope in lti.SCOPES if scope in scopes),
        status=Status.PENDING,
        private_addresses=private,
    )
    check_addresses(registration)
    return registration


def _address(request: Mapping[str, Any], name: str) -> str:
    return json_parts.text(request, name, BAD, longest=2000, required=True)


def check_addresses(registration: LtiRegistration) -> None:
    """Checks how addresses are written. What they resolve to is checked when they are fetched."""
    named = (
        registration.jwks_uri,
        registration.initiate_login_uri,
        registration.target_link_uri,
        registration.deep_link_uri,
    )
    for address in (*registration.redirect_uris, *(each for each in named if each)):
        try:
            check_address(address, private_addresses=registration.private_addresses)
        except AddressRefused as error:
            raise LtiRefused("registration-address", error.message, detail=error.code) from None


def _check_fixed_values(request: Mapping[str, Any]) -> None:
    if json_parts.text(request, "application_type", BAD) not in ("", "web"):
        raise LtiRefused("registration-type", "The application_type is not web.")
    if json_parts.text(request, "token_endpoint_auth_method", BAD) != "private_key_jwt":
        raise LtiRefused(
            "registration-auth-method", "The token_endpoint_auth_method is not private_key_jwt."
        )
    if "id_token" not in json_parts.texts(request, "response_types", BAD):
        raise LtiRefused("registration-response-type", "The response_types lack id_token.")


def _messages(tool: Mapping[str, Any]) -> dict[str, str]:
    """{message type: target}, by default the target of the tool."""
    messages = tool.get("messages") or []
    if not isinstance(messages, list) or len(messages) > 100:
        raise json_parts.wrong(BAD, "messages", "is not a list")
    default = json_parts.text(tool, "target_link_uri", BAD, longest=2000)
    found: dict[str, str] = {}
    for message in messages:
        if not isinstance(message, dict):
            raise json_parts.wrong(BAD, "messages", "has an entry of the wrong kind")
        kind = json_parts.text(message, "type", BAD, longest=100)
        found[kind] = json_parts.text(message, "target_link_uri", BAD, longest=2000) or default
    return found


def _response(registration: LtiRegistration) -> dict[str, Any]:
    """Includes ``deployment_id``: without it Moodle does not know the deployment at once."""
    messages = [
        {"type": lti.RESOURCE_LINK_REQUEST, "target_link_uri": registration.target_link_uri}
    ]
    if registration.deep_link_uri:
        messages.append(
            {"type": lti.DEEP_LINKING_REQUEST, "target_link_uri": registration.deep_link_uri}
        )
    claims = ["iss", "sub"]
    claims += ["name", "given_name", "family_name"] if registration.privacy.name else []
    claims += ["email"] if registration.privacy.email else []
    return {
        "client_id": registration.client_id,
        "client_name": registration.name,
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["client_credentials", "implicit"],
        "initiate_login_uri": registration.initiate_login_uri,
        "redirect_uris": list(registration.redirect_uris),
        "jwks_uri": registration.jwks_uri,
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(registration.scopes),
        lti.TOOL_CONFIGURATION: {
            "version": lti.VERSION,
            "deployment_id": registration.deployment_ids[0],
            "domain": urlsplit(registration.target_link_uri).netloc,
            "target_link_uri": registration.target_link_uri,
            "custom_parameters": dict(registration.custom),
            "messages": messages,
            "claims": claims,
        },
    }
