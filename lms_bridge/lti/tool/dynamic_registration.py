"""Dynamic registration as a tool: an administrator pastes one address into the platform.

A stranger names every address that is fetched here. So each goes through the address guard, and
only with a one-time invitation.
Sources: LTI Dynamic Registration 1.0, section 3; what Canvas and Moodle document of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from lms_bridge.audit import Actor
from lms_bridge.domain.errors import AddressRefused, BridgeError, RetryLater
from lms_bridge.http.client import Http
from lms_bridge.http.origins import is_address, origin
from lms_bridge.lti import registrations, vocabulary
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.key_sets import LIMITS
from lms_bridge.lti.registrations import (
    LtiRegistration,
    Side,
    Status,
    check_room_for_one_more,
    is_audience,
)
from lms_bridge.lti.tool.launch import MessageType
from lms_bridge.lti.tool.login_state import fresh
from lms_bridge.lti.tool.service_client import text
from lms_bridge.lti.tool.tool import ICON_PATH, JWKS_PATH, LAUNCH_PATH, LOGIN_PATH, REGISTER_PATH
from lms_bridge.schemas.characters import visible

NAME = "ITU Academy courses"
DESCRIPTION = "Courses of the ITU Academy and its training centres, opened from here."
CLAIMS = ("iss", "sub", "name", "given_name", "family_name", "email")
_CANVAS = "https://canvas.instructure.com/lti"
PLACEMENTS = ("ContentArea",)
MOST_SCOPES = 50
"""That are kept of what a platform grants."""
CANVAS_PLACEMENTS = ("ContentArea", f"{_CANVAS}/assignment_selection", f"{_CANVAS}/link_selection")


def registration_request(address: str, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The registration that is posted to a platform of that configuration."""
    launch = address + LAUNCH_PATH
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["client_credentials", "implicit"],
        "initiate_login_uri": address + LOGIN_PATH,
        "redirect_uris": [launch],
        "client_name": NAME,
        "client_uri": address,
        "jwks_uri": address + JWKS_PATH,
        "logo_uri": address + ICON_PATH,
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(_scopes(configuration)),
        vocabulary.TOOL_CONFIGURATION: {
            "domain": urlsplit(address).netloc,
            "description": DESCRIPTION,
            "target_link_uri": launch,
            "claims": list(CLAIMS),
            "messages": [
                {"type": MessageType.RESOURCE_LINK, "target_link_uri": launch, "label": NAME},
                {
                    "type": MessageType.DEEP_LINKING,
                    "target_link_uri": launch,
                    "label": NAME,
                    "placements": list(_placements(configuration)),
                },
            ],
        },
    }


def _platform(configuration: Mapping[str, Any]) -> Mapping[str, Any]:
    found = configuration.get(vocabulary.PLATFORM_CONFIGURATION)
    return found if isinstance(found, dict) else {}


def _scopes(configuration: Mapping[str, Any]) -> list[str]:
    """Those that the platform knows; all of them where it does not say."""
    known = configuration.get("scopes_supported")
    if not isinstance(known, list) or not known:
        return list(vocabulary.SCOPES)
    return [scope for scope in vocabulary.SCOPES if scope in known]


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 255 and text.isprintable()


def _ids(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in texts[:MOST_SCOPES] if _is_id(text))


def _placements(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    family = _platform(configuration).get("product_family_code")
    return CANVAS_PLACEMENTS if family == "canvas" else PLACEMENTS


INVITATION = "tool-invitation"
HttpFactory = Callable[[bool], Http]


@dataclass(frozen=True, slots=True)
class PlatformInvitation:
    """``centre`` is empty where the Academy's own platform is invited."""

    centre: str
    until: float


def invite_platform(lti: LtiContext, centre: str = "") -> str:
    """The address to paste into the platform: good for one registration."""
    word, seconds = fresh(), lti.settings.invitation_hours * 3600
    until = (lti.now() + timedelta(seconds=seconds)).timestamp()
    lti.nonces.put(INVITATION, word, {"centre": centre, "until": until}, seconds)
    return f"{lti.address}{REGISTER_PATH}?{urlencode({'invitation': word})}"


def guarded_http(private_addresses: bool) -> Http:
    return Http(LIMITS, private_addresses=private_addresses, system="the platform")


def register(
    lti: LtiContext, given: Mapping[str, str], open_http: HttpFactory = guarded_http
) -> LtiRegistration:
    """Registers the bridge at the platform that these parameters name, and keeps the platform,
    pending until an operator approves it.

    Raises:
        LtiRefused: with a code for each reason. The invitation is good again, unless it is the
            reason itself.
    """
    word = given.get("invitation", "")
    invitation = _take(lti, word)
    http = open_http(lti.private_addresses)
    try:
        with lti.outside.place(f"centre {invitation.centre}"):
            return _register(lti, given, invitation, http)
    except Exception as error:
        _give_back(lti, word, invitation)
        if isinstance(error, BridgeError):
            raise _refusal(error) from None
        raise
    finally:
        http.close()


def _take(lti: LtiContext, word: str) -> PlatformInvitation:
    record = lti.nonces.take(INVITATION, word) if word else None
    if record is None:
        raise LtiRefused(
            "invitation-unknown",
            "This registration address was used already, or its time is over.",
            "Please ask the operator of the bridge for a new one.",
            status=403,
        )
    return PlatformInvitation(**record)


def _give_back(lti: LtiContext, word: str, invitation: PlatformInvitation) -> None:
    seconds = invitation.until - lti.now().timestamp()
    if seconds > 0:
        record = {"centre": invitation.centre, "until": invitation.until}
        lti.nonces.put(INVITATION, word, record, seconds)


def _refusal(error: BridgeError) -> LtiRefused:
    if isinstance(error, LtiRefused):
        return error
    if isinstance(error, AddressRefused):
        return LtiRefused("platform-address-refused", error.message, error.remedy)
    if isinstance(error, RetryLater):
        return LtiRefused(
            "platform-unreachable",
            "The platform cannot be reached from the bridge.",
            "Please try again; if it stays so, tell the operator of the bridge.",
            detail=error.code,
            status=502,
        )
    return LtiRefused(
        "platform-answer",
        "The platform's response to the registration cannot be used.",
        detail=error.code,
        status=502,
    )


def _register(
    lti: LtiContext, given: Mapping[str, str], invitation: PlatformInvitation, http: Http
) -> LtiRegistration:
    with lti.database.reading() as tx:  # before the platform keeps anything of the bridge
        check_room_for_one_more(tx, invitation.centre)
    address = given.get("openid_configuration", "")
    if not is_address(address) or len(address) > 2_000:
        raise LtiRefused(
            "configuration-missing",
            "The platform does not say where its configuration is.",
            "Paste the address into the platform's dynamic registration, not into a browser.",
        )
    headers = _headers(given.get("registration_token", ""))
    answer = http.request("GET", address, headers=headers, repeatable=True)
    configuration = _object(answer.body)
    endpoints = _endpoints(configuration, address)
    answer = http.request(
        "POST",
        endpoints["registration_endpoint"],
        headers={**headers, "Content-Type": "application/json"},
        body=orjson.dumps(registration_request(lti.address, configuration)),
        repeatable=False,
    )
    made = _object(answer.body)
    registration = _registration(configuration, endpoints, made, invitation)
    with lti.database.writing() as tx:
        return _keep(tx, registration, Actor("invitation", "registration", lti.now()))


def _headers(token: str) -> dict[str, str]:
    """With the platform's token, which Canvas wants to see before it shows its configuration, too
    (Canvas' documentation of the registration)."""
    headers = {"Accept": "application/json"}
    if token:
        if len(token) > 16_000 or not token.isascii() or not token.isprintable():
            raise LtiRefused("registration-token-invalid", "The platform's token is not usable.")
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _endpoints(configuration: Mapping[str, Any], address: str) -> dict[str, str]:
    """The platform's addresses. The issuer must be of the host that the configuration came from
    (section 3.5.1): nobody may register in another platform's name."""
    issuer = configuration.get("issuer")
    if not isinstance(issuer, str) or not 0 < len(issuer) <= 255:
        raise LtiRefused("configuration-invalid", "The platform does not name itself.")
    if origin(issuer) != origin(address):
        raise LtiRefused(
            "issuer-elsewhere", "The platform's name is not of the server that it was read from."
        )
    found = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint"):
        value = configuration.get(name)
        if not isinstance(value, str) or not is_address(value) or len(value) > 2_000:
            raise LtiRefused(
                "configuration-invalid", "The platform's configuration is not whole.", detail=name
            )
        if urlsplit(value).scheme != urlsplit(address).scheme:
            raise LtiRefused(
                "configuration-invalid", "The platform mixes http and https.", detail=name
            )
        found[name] = value
    return found


def _registration(
    configuration: Mapping[str, Any],
    endpoints: Mapping[str, str],
    made: Mapping[str, Any],
    invitation: PlatformInvitation,
) -> LtiRegistration:
    client_id = text(made, "client_id")
    if not _is_id(client_id):
        raise LtiRefused("client-id-missing", "The platform gave the bridge no client id.")
    tool = made.get(vocabulary.TOOL_CONFIGURATION)
    deployment = text(tool, "deployment_id") if isinstance(tool, dict) else ""
    scopes = made.get("scope")
    return LtiRegistration(
        side=Side.PLATFORM,
        name=_name(configuration),
        centre=invitation.centre,
        issuer=configuration["issuer"],
        client_id=client_id,
        deployment_ids=(deployment,) if _is_id(deployment) else (),
        authorization_endpoint=endpoints["authorization_endpoint"],
        token_endpoint=endpoints["token_endpoint"],
        token_audience=_audience(configuration),
        jwks_uri=endpoints["jwks_uri"],
        scopes=_ids(scopes.split()) if isinstance(scopes, str) else (),
        status=Status.PENDING,
    )


def _audience(configuration: Mapping[str, Any]) -> str:
    """What token requests are to be for (LTI Dynamic Registration 1.0, section 2.1): Brightspace
    has one audience for all of its sites."""
    found = configuration.get("authorization_server")
    return found if isinstance(found, str) and is_audience(found) else ""


def _name(configuration: Mapping[str, Any]) -> str:
    platform = configuration.get(vocabulary.PLATFORM_CONFIGURATION)
    family = platform.get("product_family_code") if isinstance(platform, dict) else None
    host = urlsplit(configuration["issuer"]).hostname or ""
    shown = visible(family).strip() if isinstance(family, str) else ""
    return f"{shown} at {host}"[:255] if shown else host


def _added(tx: Connection, registration: LtiRegistration) -> LtiRegistration | None:
    """None where the same was registered at the same moment."""
    try:
        with tx.begin_nested():
            return registrations.add(tx, registration)
    except IntegrityError:
        return None


def _keep(tx: Connection, registration: LtiRegistration, by: Actor) -> LtiRegistration:
    """A platform that registers again waits for approval again."""
    known = registrations.find_by(tx, registration.issuer, registration.client_id)
    if known is None:
        added = _added(tx, registration)
        if added is not None:
            registrations.record_change(tx, by, None, added)
            return added
        known = registrations.find_by(tx, registration.issuer, registration.client_id)
    if known is None:
        raise RuntimeError("a registration is neither new nor known")
    if known.centre != registration.centre:
        raise LtiRefused(
            "platform-of-another", "This platform is registered for another centre.", status=403
        )
    deployments = tuple(dict.fromkeys((*known.deployment_ids, *registration.deployment_ids)))
    again = replace(registrations.registered_again(known, registration), deployment_ids=deployments)
    registrations.change(tx, again)
    registrations.record_change(tx, by, known, again)
    return again


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise LtiRefused("configuration-invalid", "The platform's answer is not a JSON object.")
    return value
