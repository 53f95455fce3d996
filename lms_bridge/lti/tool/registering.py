"""Dynamic registration as a tool: an administrator pastes one address, and the rest is talk.

Source: LTI Dynamic Registration 1.0, section 3. Everything fetched is named by a stranger: it goes
through the address guard, and only with a one-time invitation (traps 22).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from sqlalchemy import Connection

from lms_bridge.domain.errors import AddressRefused, BridgeError, RetryLater
from lms_bridge.http import Http
from lms_bridge.lti import auditing, parties, vocabulary
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.keysets import LIMITS
from lms_bridge.lti.parties import Party, Side, Status
from lms_bridge.lti.room import Room
from lms_bridge.lti.tool.offer import registration
from lms_bridge.lti.tool.reading import is_address, origin
from lms_bridge.lti.tool.request import fresh
from lms_bridge.lti.tool.tool import REGISTER_PATH
from lms_bridge.lti.waiting import check_one_more
from lms_bridge.sync.auditing import By

INVITATION = "tool-invitation"
HttpFactory = Callable[[bool], Http]


@dataclass(frozen=True, slots=True)
class Invitation:
    """``centre`` is empty where the Academy's own platform is invited."""

    centre: str
    until: float


def invite(room: Room, centre: str = "") -> str:
    """The address to paste into the platform: good for one registration."""
    word, seconds = fresh(), room.settings.invitation_hours * 3600
    until = (room.now() + timedelta(seconds=seconds)).timestamp()
    room.once.put(INVITATION, word, {"centre": centre, "until": until}, seconds)
    return f"{room.address}{REGISTER_PATH}?{urlencode({'invitation': word})}"


def guarded_http(private_addresses: bool) -> Http:
    return Http(LIMITS, private_addresses=private_addresses, system="the platform")


def register(room: Room, given: Mapping[str, str], open_http: HttpFactory = guarded_http) -> Party:
    """Registers the bridge at the platform that these parameters name, and keeps the platform,
    pending until an operator approves it.

    Raises:
        LtiRefused: with a code for each reason. The invitation is good again, unless it is the
            reason itself.
    """
    word = given.get("invitation", "")
    invitation = _take(room, word)
    http = open_http(room.private_addresses)
    try:
        return _register(room, given, invitation, http)
    except BridgeError as error:
        _give_back(room, word, invitation)
        raise _refusal(error) from None
    finally:
        http.close()


def _take(room: Room, word: str) -> Invitation:
    record = room.once.take(INVITATION, word) if word else None
    if record is None:
        raise LtiRefused(
            "invitation-unknown",
            "This registration address was used already, or its time is over.",
            "Please ask the operator of the bridge for a new one.",
            status=403,
        )
    return Invitation(**record)


def _give_back(room: Room, word: str, invitation: Invitation) -> None:
    seconds = invitation.until - room.now().timestamp()
    if seconds > 0:
        record = {"centre": invitation.centre, "until": invitation.until}
        room.once.put(INVITATION, word, record, seconds)


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
        "The platform gave an answer to the registration that cannot be used.",
        detail=error.code,
        status=502,
    )


def _register(room: Room, given: Mapping[str, str], invitation: Invitation, http: Http) -> Party:
    with room.database.reading() as tx:  # before the platform keeps anything of the bridge
        check_one_more(tx, invitation.centre)
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
        body=orjson.dumps(registration(room.address, configuration)),
        repeatable=False,
    )
    made = _object(answer.body)
    party = _party(configuration, endpoints, made, invitation)
    with room.database.writing() as tx:
        return _keep(tx, party, By("invitation", "registration", room.now()))


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


def _party(
    configuration: Mapping[str, Any],
    endpoints: Mapping[str, str],
    made: Mapping[str, Any],
    invitation: Invitation,
) -> Party:
    client_id = made.get("client_id")
    if not isinstance(client_id, str) or not 0 < len(client_id) <= 255:
        raise LtiRefused("client-id-missing", "The platform gave the bridge no client id.")
    tool = made.get(vocabulary.TOOL_CONFIGURATION)
    deployment = tool.get("deployment_id") if isinstance(tool, dict) else None
    known = isinstance(deployment, (str, int)) and 0 < len(str(deployment)) <= 255
    scopes = made.get("scope")
    return Party(
        side=Side.PLATFORM,
        name=_name(configuration),
        centre=invitation.centre,
        issuer=configuration["issuer"],
        client_id=client_id,
        deployment_ids=(str(deployment),) if known else (),
        authorization_endpoint=endpoints["authorization_endpoint"],
        token_endpoint=endpoints["token_endpoint"],
        jwks_uri=endpoints["jwks_uri"],
        scopes=tuple(scopes.split()) if isinstance(scopes, str) else (),
        status=Status.PENDING,
    )


def _name(configuration: Mapping[str, Any]) -> str:
    platform = configuration.get(vocabulary.PLATFORM_CONFIGURATION)
    family = platform.get("product_family_code") if isinstance(platform, dict) else None
    host = urlsplit(configuration["issuer"]).hostname or ""
    return f"{family} at {host}"[:255] if isinstance(family, str) and family else host


def _keep(tx: Connection, party: Party, by: By) -> Party:
    """A platform that registers again waits for approval again."""
    known = parties.find_by(tx, party.issuer, party.client_id)
    if known is None:
        party = parties.add(tx, party)
        auditing.note(tx, by, None, party)
        return party
    if known.centre != party.centre:
        raise LtiRefused(
            "platform-of-another", "This platform is registered for another centre.", status=403
        )
    deployments = tuple(dict.fromkeys((*known.deployment_ids, *party.deployment_ids)))
    again = replace(parties.told_anew(known, party), deployment_ids=deployments)
    parties.change(tx, again)
    auditing.note(tx, by, known, again)
    return again


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise LtiRefused("configuration-invalid", "The platform's answer is not a JSON object.")
    return value
