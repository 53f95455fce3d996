"""The authentication endpoint: from a tool's request to a signed id_token.

Sources: 1EdTech Security Framework 1.1, sections 5.1.1.2 and 5.1.1.3; OpenID Connect Core 1.0,
section 3.2.2.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.model import Offering, centre_system
from lms_bridge.lti import parties
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.platform import places, resources, subjects
from lms_bridge.lti.platform.claims import Launch, id_token_claims
from lms_bridge.lti.platform.launching import LAUNCH, browser_digest
from lms_bridge.lti.room import Room
from lms_bridge.lti.vocabulary import DEEP_LINKING_REQUEST
from lms_bridge.store import centres, offerings

LONGEST = 2000
DEEP_LINKING = "deep-linking"
NONCE = "nonce"
_FIXED = {
    "response_type": ("id_token", "auth-response-type"),
    "response_mode": ("form_post", "auth-response-mode"),
    "prompt": ("none", "auth-prompt"),
}
_WORDS = {
    "auth-response-type": "The learning system asked for something else than an id_token.",
    "auth-response-mode": "The learning system wants its answer in another way than by form_post.",
    "auth-prompt": "The learning system wants to ask you something, which a launch cannot.",
}


@dataclass(frozen=True, slots=True)
class AuthenticationAnswer:
    """The form that the browser posts to the tool. ``frames`` are sources that may frame it."""

    redirect_uri: str
    id_token: str = field(repr=False)
    state: str = field(repr=False)
    frames: str = ""


def authenticate(room: Room, given: Mapping[str, str], browser: str) -> AuthenticationAnswer:
    """Answers an authentication request. Nothing is used up by a request that is refused.

    Raises:
        LtiRefused: with a code of its own for each reason.
    """
    party = _client(room, given)
    nonce = _checked(given)
    hint = given.get("login_hint", "")
    record = _record(room, party, hint, given.get("lti_message_hint", ""), browser)
    seconds = room.settings.login_seconds
    with room.database.writing() as tx:
        launch = _launch(tx, room, party, record, nonce)
        if room.once.seen(NONCE, f"{party.client_id} {nonce}", seconds, tx):
            raise LtiRefused(
                "auth-nonce-used", "This launch was answered already. Please start again."
            )
        if room.once.take(LAUNCH, hint, tx) is None:
            raise _gone()
    if launch.data:
        kept = {"offering": launch.offering_id, "party": party.id}
        room.once.put(DEEP_LINKING, launch.data, kept, seconds * 6)
    token = room.keyring.sign(id_token_claims(room, launch))
    return AuthenticationAnswer(
        given["redirect_uri"], token, given.get("state", ""), record.get("frames", "")
    )


def _client(room: Room, given: Mapping[str, str]) -> Party:
    """Who asks, and whether the answer may go where it is asked for: exactly as registered."""
    party = parties.find_tool(room.database, given.get("client_id", ""))
    if party is None:
        raise LtiRefused("auth-client-unknown", "This learning system is not registered here.")
    if not party.active:
        raise LtiRefused(
            "auth-client-inactive",
            "The connection to this learning system is not active.",
            "An operator of the bridge has to approve it.",
            status=403,
        )
    if given.get("redirect_uri", "") not in party.redirect_uris:
        raise LtiRefused(
            "auth-redirect-unregistered",
            "The learning system wants its answer at an address that is not registered.",
        )
    return party


def _checked(given: Mapping[str, str]) -> str:
    if any(len(text) > LONGEST for text in given.values()):
        raise LtiRefused("auth-too-large", "The request of the learning system is too large.")
    if "openid" not in given.get("scope", "").split():
        raise LtiRefused("auth-scope", "The learning system did not ask for the scope openid.")
    for name, (value, code) in _FIXED.items():
        if given.get(name) != value:
            raise LtiRefused(code, _WORDS[code])
    nonce = given.get("nonce", "")
    if not nonce:
        raise LtiRefused("auth-nonce-missing", "The learning system sent no nonce.")
    return nonce


def _gone() -> LtiRefused:
    return LtiRefused(
        "auth-login-gone",
        "This launch is not known: it was used already, or took too long.",
        "Please start again from the course's page.",
    )


def _record(room: Room, party: Party, hint: str, message: str, browser: str) -> dict[str, Any]:
    record = room.once.look(LAUNCH, hint) if hint else None
    if record is None:
        raise _gone()
    if record["party"] != party.id:
        raise LtiRefused("auth-other-client", "This launch was meant for another learning system.")
    if not hmac.compare_digest(str(record["hint"]).encode(), message.encode()):
        raise LtiRefused("auth-message-hint", "The learning system mixed up two launches.")
    if record["browser"] and record["browser"] != browser_digest(browser):
        raise LtiRefused(
            "auth-other-browser",
            "This launch was begun in another browser, or your browser keeps no cookies.",
            "Please start again, and allow cookies for this site.",
            status=403,
        )
    return record


def _launch(
    tx: Connection, room: Room, party: Party, record: Mapping[str, Any], nonce: str
) -> Launch:
    """What holds now: a place may have been lost since the launch began."""
    if record["message"] == DEEP_LINKING_REQUEST:
        return _choosing(tx, party, record, nonce)
    place = places.open_place(tx, room, record["learner"], record["offering"])
    subject = subjects.subjects(tx, party, {place.learner_id: place.learner})
    return Launch(
        party,
        place.offering_id,
        place.offering,
        subject[place.learner_id],
        record["target"],
        nonce,
        learner=place.learner,
        resource=resources.find(tx, record["resource"]),
        return_address=record["return"],
        framed=record.get("framed", False),
    )


def _choosing(tx: Connection, party: Party, record: Mapping[str, Any], nonce: str) -> Launch:
    if "centre" in record:
        id_, offering = 0, _future_offerings(tx, record["centre"])
    else:
        id_, offering = offerings.offerings_by_code(tx, [record["offering"]])[record["offering"]]
    data = secrets.token_urlsafe(24)
    return Launch(party, id_, offering, record["person"], record["target"], nonce, data=data)


def _future_offerings(tx: Connection, code: str) -> Offering:
    """Stands for the offerings that what is chosen will become: tools want to know a course."""
    centre = centres.find(tx, code)
    title = centre.name if centre is not None else code
    return Offering(centre_system(code), code, code, title)
