"""From a platform's launch to the tool's login: one click, one login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lms_bridge.domain.model import Offering
from lms_bridge.lti.chain import arriving, visits
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.platform import launching, links
from lms_bridge.lti.platform.launching import LoginInitiation
from lms_bridge.lti.room import Room
from lms_bridge.lti.tool.launch import Launch


@dataclass(frozen=True, slots=True)
class From:
    """How the launch came: the secret that the browser holds, who may frame the answers, whether
    it is inside a frame, and whether the browser keeps cookies there."""

    browser: str
    frames: str
    framed: bool = False
    keeps_cookies: bool = True


@dataclass(frozen=True, slots=True)
class Onward:
    """Where a launch goes on: straight to the tool, or (``login`` is None) by the link with that
    token, in a window of its own. ``result_waits``: a result of the offering's centre can be sent
    to the platform now."""

    offering: Offering
    login: LoginInitiation | None
    token: str = ""
    result_waits: bool = False


def go_on(room: Room, party: Party, launch: Launch, came: From) -> Onward | None:
    """The way of a learner from a platform into the tool that serves the offering; None when no
    offering belongs to the link.

    Raises:
        LtiRefused: the bridge does not know the learner, the learner may not go there now, or no
            tool serves the offering.
    """
    offering = visits.offering_from(room, party, launch)
    if offering is None:
        return None
    with _about(offering), room.database.reading() as tx:
        learner = arriving.academy_id_of(tx, party, launch, offering)
    with _about(offering), room.database.writing() as tx:
        opening = launching.opening_of(tx, room, learner, offering.code)
        waits = visits.record(tx, party, launch, opening.place, room.now())
        if not came.keeps_cookies or (came.framed and opening.wants_window):
            start: dict[str, str | int] = {
                "learner": learner,
                "offering": offering.code,
                "party": opening.party.id,
                "return": launch.return_address,
            }
            token = links.new_token(room, start, room.settings.login_seconds, tx)
            return Onward(offering, None, token, waits)
        login = launching.initiate(
            tx,
            room,
            opening,
            browser=came.browser,
            return_address=launch.return_address,
            frames=came.frames,
            framed=came.framed,
        )
    return Onward(offering, login, result_waits=waits)


@contextmanager
def _about(offering: Offering) -> Iterator[None]:
    """Refusals name the offering."""
    try:
        yield
    except LtiRefused as error:
        error.offering = offering
        raise


def is_served(room: Room, offering: Offering) -> bool:
    """Whether a tool is connected that learners would be launched into."""
    with room.database.reading() as tx:
        return launching.is_served(tx, offering.code)
