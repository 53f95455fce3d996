"""What a connector gets to see of the LTI connections of its system.

It implements ``lms_bridge.domain.lti_ports.LtiSystem`` over the database and the tool side's ways
to the platforms' services.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lms_bridge.domain.errors import AccessDenied, NotFound
from lms_bridge.domain.lti_ports import (
    ChosenResource,
    CourseGone,
    LtiConnection,
    LtiCourse,
    LtiSide,
)
from lms_bridge.domain.ports import Limits
from lms_bridge.lti import parties
from lms_bridge.lti.parties import Party, PersonId, Side
from lms_bridge.lti.room import Room
from lms_bridge.lti.tool.connections import Connections
from lms_bridge.lti.tool.services.memberships import member_pages
from lms_bridge.lti.vocabulary import MEMBERSHIP_READ, SCORE
from lms_bridge.store import lti_courses


class Peering:
    """The connections of one centre, or of the Academy (``centre`` is empty then)."""

    def __init__(self, room: Room, centre: str, limits: Limits) -> None:
        self._room, self._centre = room, centre
        self._services = Connections(room, limits)

    def connections(self) -> Sequence[LtiConnection]:
        return [_connection(party) for party in self._parties()]

    def courses(self) -> Sequence[LtiCourse]:
        with self._room.database.reading() as tx:
            rows = lti_courses.courses(tx, self._centre)
        return [
            LtiCourse(
                number=row.id,
                connection=row.party_id,
                issuer=row.issuer,
                offering=row.code,
                title=row.title,
                has_memberships=bool(row.memberships),
                by_sourced_id=row.person_id == PersonId.SOURCED_ID,
            )
            for row in rows
        ]

    def members(self, course: LtiCourse) -> tuple[bytes, ...]:
        party, address = self._place(course)
        if not party.active:
            raise AccessDenied(
                "platform-not-active",
                f"The connection {party.id} to the platform is not active.",
                f"See `lms-bridge lti show {party.id}`, and approve it.",
            )
        if not address:
            raise CourseGone("no-memberships", "The course has no memberships service.")
        return tuple(member_pages(self._services.to(party), address))

    def chosen(self) -> Sequence[ChosenResource]:
        with self._room.database.reading() as tx:
            rows = lti_courses.chosen_of(tx, self._centre)
        return [_chosen(row.code, row.item) for row in rows]

    def check_keys(self, number: int) -> None:
        # No key has that name: the set is fetched, to look for it.
        self._room.keysets.of(self._party(number)).key("")

    def check_token(self, number: int) -> None:
        self._services.to(self._party(number)).get_access_token([MEMBERSHIP_READ])

    def close(self) -> None:
        self._services.close()

    def _parties(self) -> list[Party]:
        with self._room.database.reading() as tx:
            return parties.all_parties(tx, centre=self._centre)

    def _party(self, number: int) -> Party:
        found = [party for party in self._parties() if party.id == number]
        if not found:
            raise NotFound("no-such-party", f"There is no connection {number} here.")
        return found[0]

    def _place(self, course: LtiCourse) -> tuple[Party, str]:
        """The platform and its memberships service's address."""
        with self._room.database.reading() as tx:
            row = lti_courses.place_of(tx, course.number)
            party = parties.find(tx, row.party_id) if row is not None else None
        if row is None or party is None or party.centre != self._centre:
            raise CourseGone("course-unknown", "The bridge does not know this course any more.")
        return party, row.memberships


def _connection(party: Party) -> LtiConnection:
    # A platform need not say which services it grants: what is not denied is tried.
    granted = party.scopes or (MEMBERSHIP_READ, SCORE)
    return LtiConnection(
        number=party.id,
        side=LtiSide(party.side),
        name=party.name,
        active=party.active,
        memberships=MEMBERSHIP_READ in granted,
        scores=SCORE in granted,
        deep_linking=party.side is Side.TOOL and bool(party.deep_link_uri),
    )


def _chosen(code: str, item: Mapping[str, Any]) -> ChosenResource:
    names = ("title", "description", "starts_at", "ends_at")
    texts = {name: str(item.get(name) or "") for name in names}
    return ChosenResource(code, **texts, custom=dict(item.get("custom") or {}))
