"""Dynamic registration: a tool connects itself, with an invitation; an operator approves it.

Source: LTI Dynamic Registration 1.0; OpenID Connect Dynamic Client Registration 1.0. Addresses that
a stranger names are only stored here; when they are fetched, it is through the address guard.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from lms_bridge.addresses import check_address
from lms_bridge.domain.errors import AddressRefused
from lms_bridge.lti import auditing, parties, reading
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party, Side, Status
from lms_bridge.lti.platform import endpoints, variables
from lms_bridge.lti.platform.claims import PRODUCT
from lms_bridge.lti.room import Room
from lms_bridge.lti.tokens import ALGORITHM
from lms_bridge.lti.waiting import check_one_more
from lms_bridge.sync.auditing import By

BAD = "registration-invalid"
INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an operator hands on. ``token`` works once."""

    configuration: str
    token: str

    def address(self, registration_uri: str) -> str:
        """The tool's registration page with the invitation in it (section 3.4)."""
        query = {"openid_configuration": self.configuration, "registration_token": self.token}
        mark = "&" if urlsplit(registration_uri).query else "?"
        return f"{registration_uri}{mark}{urlencode(query)}"


def invite(room: Room, centre: str, *, private_addresses: bool) -> Invitation:
    """An invitation for one tool of a centre ("" for a tool of the Academy's own)."""
    token = secrets.token_urlsafe(32)
    record = {"centre": centre, "private": private_addresses}
    room.once.put(INVITATION, token, record, room.settings.invitation_hours * 3600)
    return Invitation(room.address + endpoints.CONFIGURATION, token)


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
            "variables": list(variables.KNOWN),
        },
    }


def register(room: Room, authorization: str, body: bytes) -> dict[str, Any]:
    """Registers a tool and gives the answer of section 3.5.2; the invitation is used up only by a
    registration that is accepted.

    Raises:
        LtiRefused: 401 without a valid invitation, else 400.
    """
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else ""
    invitation = room.once.look(INVITATION, token) if token else None
    if invitation is None:
        raise _uninvited()
    given = reading.json_object(body, BAD)
    party = _party(given, bool(invitation["private"]))
    party = replace(party, centre=invitation["centre"])
    with room.database.writing() as tx:
        if room.once.take(INVITATION, token, tx) is None:
            raise _uninvited()
        check_one_more(tx, party.centre)
        party = parties.add(tx, party)
        auditing.note(tx, By("invitation", "registration", room.now()), None, party)
    return answer(party)


def _uninvited() -> LtiRefused:
    return LtiRefused(
        "registration-uninvited",
        "The invitation is not known: it was used already, or is too old.",
        "Ask the operator of the bridge for another one.",
        status=401,
    )


def new_client_id() -> str:
    return secrets.token_urlsafe(15)


def _party(given: Mapping[str, Any], private: bool) -> Party:
    _check_fixed(given)
    tool = reading.section(given, lti.TOOL_CONFIGURATION, BAD)
    if not tool:
        raise LtiRefused("registration-no-tool", "The registration has no tool configuration.")
    redirects = reading.texts(given, "redirect_uris", BAD)
    if not redirects:
        raise LtiRefused("registration-redirects", "The registration has no redirect_uris.")
    asked = reading.text(given, "scope", BAD, longest=4000).split()
    party = Party(
        Side.TOOL,
        name=reading.text(given, "client_name", BAD, longest=255, required=True),
        client_id=new_client_id(),
        deployment_ids=(new_client_id(),),
        redirect_uris=redirects,
        jwks_uri=_address(given, "jwks_uri"),
        initiate_login_uri=_address(given, "initiate_login_uri"),
        target_link_uri=_address(tool, "target_link_uri"),
        deep_link_uri=_messages(tool).get(lti.DEEP_LINKING_REQUEST, ""),
        custom=reading.custom(tool, "custom_parameters", BAD),
        scopes=tuple(scope for scope in lti.SCOPES if scope in asked),
        status=Status.PENDING,
        private_addresses=private,
    )
    check_addresses(party)
    return party


def _address(given: Mapping[str, Any], name: str) -> str:
    return reading.text(given, name, BAD, longest=2000, required=True)


def check_addresses(party: Party) -> None:
    """The address guard's look at the spelling; what it resolves to is checked when it is used."""
    named = (party.jwks_uri, party.initiate_login_uri, party.target_link_uri, party.deep_link_uri)
    for address in (*party.redirect_uris, *(each for each in named if each)):
        try:
            check_address(address, private_addresses=party.private_addresses)
        except AddressRefused as error:
            raise LtiRefused("registration-address", error.message, detail=error.code) from None


def _check_fixed(given: Mapping[str, Any]) -> None:
    if reading.text(given, "application_type", BAD) not in ("", "web"):
        raise LtiRefused("registration-type", "The application_type is not web.")
    if reading.text(given, "token_endpoint_auth_method", BAD) != "private_key_jwt":
        raise LtiRefused(
            "registration-auth-method", "The token_endpoint_auth_method is not private_key_jwt."
        )
    if "id_token" not in reading.texts(given, "response_types", BAD):
        raise LtiRefused("registration-response-type", "The response_types lack id_token.")


def _messages(tool: Mapping[str, Any]) -> dict[str, str]:
    """{message type: target}: the tool's own target where the message names none."""
    messages = tool.get("messages", [])
    if not isinstance(messages, list) or len(messages) > 100:
        raise LtiRefused(BAD, "messages is not a list.", detail="messages")
    default = reading.text(tool, "target_link_uri", BAD, longest=2000)
    found: dict[str, str] = {}
    for message in messages:
        if not isinstance(message, dict):
            raise LtiRefused(BAD, "messages has an entry of the wrong kind.", detail="messages")
        kind = reading.text(message, "type", BAD, longest=100)
        found[kind] = reading.text(message, "target_link_uri", BAD, longest=2000) or default
    return found


def answer(party: Party) -> dict[str, Any]:
    """``deployment_id`` goes along: Moodle knows the deployment at once only by it."""
    messages = [{"type": lti.RESOURCE_LINK_REQUEST, "target_link_uri": party.target_link_uri}]
    if party.deep_link_uri:
        messages.append({"type": lti.DEEP_LINKING_REQUEST, "target_link_uri": party.deep_link_uri})
    claims = ["iss", "sub"]
    claims += ["name", "given_name", "family_name"] if party.privacy.name else []
    claims += ["email"] if party.privacy.email else []
    return {
        "client_id": party.client_id,
        "client_name": party.name,
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["client_credentials", "implicit"],
        "initiate_login_uri": party.initiate_login_uri,
        "redirect_uris": list(party.redirect_uris),
        "jwks_uri": party.jwks_uri,
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(party.scopes),
        lti.TOOL_CONFIGURATION: {
            "version": lti.VERSION,
            "deployment_id": party.deployment_ids[0],
            "domain": urlsplit(party.target_link_uri).netloc,
            "target_link_uri": party.target_link_uri,
            "custom_parameters": dict(party.custom),
            "messages": messages,
            "claims": claims,
        },
    }
