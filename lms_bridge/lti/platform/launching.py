"""Starting a launch: the third-party initiated login that opens a tool.

Source: 1EdTech Security Framework 1.1, section 5.1.1.1; LTI Core 1.3, section 4.1.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from lms_bridge.lti import parties
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.platform import places, resources
from lms_bridge.lti.platform.places import Place
from lms_bridge.lti.platform.resources import Resource
from lms_bridge.lti.room import Room
from lms_bridge.lti.vocabulary import DEEP_LINKING_REQUEST, RESOURCE_LINK_REQUEST
from lms_bridge.store import lti_courses, lti_services, offerings

LAUNCH = "launch"
LINK = "launch-link"
WINDOW = "window"


@dataclass(frozen=True, slots=True)
class LoginInitiation:
    """What the person's browser is to send to the tool, by GET or POST."""

    address: str
    fields: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opening:
    """A learner's way into an offering: the place, the tool that serves it, and the link there."""

    place: Place
    party: Party
    resource: Resource

    @property
    def wants_window(self) -> bool:
        """Whether the tool's pages cannot be shown inside a frame. The operator's word for the
        whole tool counts more than the link's: Moodle says ``iframe`` even if it allows none."""
        return WINDOW in (self.party.opens_in, self.resource.target)


def start_launch(
    room: Room,
    learner: str,
    offering: str,
    *,
    party_id: int = 0,
    browser: str = "",
    return_address: str = "",
) -> LoginInitiation:
    """Begins the launch of a learner (by the Academy's id) into an offering (by its code).

    ``browser`` is a secret that the learner's browser holds, too: the rest of the launch must come
    from there. The tool is the named party, that of the offering's first link, or the centre's.

    Raises:
        LtiRefused: the learner may not go there now, or no tool serves the offering.
    """
    with room.database.writing() as tx:
        opening = opening_of(tx, room, learner, offering, party_id)
        return initiate(tx, room, opening, browser=browser, return_address=return_address)


def opening_of(
    tx: Connection, room: Room, learner: str, offering: str, party_id: int = 0
) -> Opening:
    """Raises LtiRefused when the learner may not go there now, or no tool serves the offering."""
    place = places.open_place(tx, room, learner, offering)
    party = tool_for(tx, place.offering_id, place.offering.centre, party_id)
    resource = resources.of_offering(tx, party, place.offering_id, place.offering, room.now())
    return Opening(place, party, resource)


def initiate(
    tx: Connection,
    room: Room,
    opening: Opening,
    *,
    browser: str,
    return_address: str = "",
    frames: str = "",
    framed: bool = False,
) -> LoginInitiation:
    """``frames`` are the sources that may frame what follows, ``framed`` says that one does."""
    record = {
        "message": RESOURCE_LINK_REQUEST,
        "learner": opening.place.learner.academy_id,
        "offering": opening.place.offering.code,
        "resource": opening.resource.id,
        "return": return_address,
        "frames": frames,
        "framed": framed,
    }
    target = opening.resource.address or opening.party.target_link_uri
    return _initiate(room, opening.party, record, target, browser, tx)


def start_deep_linking(
    room: Room,
    offering: str,
    *,
    person: str,
    party_id: int = 0,
    browser: str = "",
    centre: str = "",
) -> LoginInitiation:
    """Begins the choice of a tool's resources for an offering; or, without one, of resources that
    are to become offerings of ``centre``. ``person`` is who chooses: an operator's id, not a
    learner's.

    Raises:
        LtiRefused: no tool serves the offering, or it offers no choice.
    """
    with room.database.reading() as tx:
        if centre:
            party = tool_for(tx, 0, centre, party_id)
        else:
            found = offerings.offerings_by_code(tx, [offering]).get(offering)
            if found is None:
                raise LtiRefused("offering-unknown", "There is no such offering.", status=404)
            party = tool_for(tx, found[0], found[1].centre, party_id)
    if not party.deep_link_uri:
        raise LtiRefused("no-deep-linking", "This tool does not offer resources to choose from.")
    record = {"message": DEEP_LINKING_REQUEST, "person": person}
    record |= {"centre": centre} if centre else {"offering": offering}
    return _initiate(room, party, record, party.deep_link_uri, browser)


def _initiate(
    room: Room,
    party: Party,
    record: Mapping[str, Any],
    target: str,
    browser: str,
    tx: Connection | None = None,
) -> LoginInitiation:
    hint, message = secrets.token_urlsafe(24), secrets.token_urlsafe(12)
    record = {
        **record,
        "party": party.id,
        "target": target,
        "hint": message,
        "browser": browser_digest(browser),
    }
    room.once.put(LAUNCH, hint, record, room.settings.login_seconds, tx)
    fields = {
        "iss": room.address,
        "target_link_uri": target,
        "login_hint": hint,
        "lti_message_hint": message,
        "client_id": party.client_id,
    }
    if party.deployment_ids:
        fields["lti_deployment_id"] = party.deployment_ids[0]
    return LoginInitiation(party.initiate_login_uri, fields)


def browser_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest() if secret else ""


def is_served(tx: Connection, offering: str) -> bool:
    """Whether an active tool serves the offering of that code."""
    found = offerings.offerings_by_code(tx, [offering]).get(offering)
    try:
        return found is not None and bool(tool_for(tx, found[0], found[1].centre))
    except LtiRefused:
        return False


def tool_for(tx: Connection, offering_id: int, centre: str, party_id: int = 0) -> Party:
    """Raises LtiRefused when no active tool serves the offering."""
    linked = [row.party_id for row in lti_services.resources(tx, offering_id=offering_id)]
    if not linked and (chosen := lti_courses.chosen_for(tx, offering_id, centre)) is not None:
        linked = [chosen.party_id]
    serving = parties.active_tools(tx, centre, linked)
    for party in sorted(serving, key=lambda each: (each.id not in linked, each.id)):
        if party_id in (0, party.id):
            return party
    raise LtiRefused(
        "no-tool",
        "No learning system is connected for this course yet.",
        "Please tell the training centre.",
        status=404,
    )
