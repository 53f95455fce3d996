"""Links that start a launch or a choice of resources in a browser, once."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection

from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.launching import LINK, start_deep_linking
from lms_bridge.lti.room import Room


def make_link(room: Room, start: dict[str, str | int]) -> str:
    """The address; ``start`` is what the launch begins with."""
    token = new_token(room, start, room.settings.launch_link_hours * 3600)
    return f"{room.address}{endpoints.LAUNCH}/{token}"


def new_token(
    room: Room, start: dict[str, str | int], seconds: float, tx: Connection | None = None
) -> str:
    """The secret at the end of a link's address, which is good for so long."""
    token = secrets.token_urlsafe(24)
    room.once.put(LINK, token, start, seconds, tx)
    return token


def choice_link(
    room: Room, offering: str, *, person: str, party_id: int = 0, centre: str = ""
) -> str:
    """A link to the tool's choice of resources for an offering (by its code); or, without one, of
    resources that are to become offerings of ``centre``.

    Raises:
        LtiRefused: no tool serves the offering, or it offers no choice.
    """
    # Says now what is wrong.
    start_deep_linking(room, offering, person=person, party_id=party_id, centre=centre)
    start: dict[str, str | int] = {
        "person": person,
        "offering": offering,
        "party": party_id,
        "centre": centre,
    }
    return make_link(room, start)
