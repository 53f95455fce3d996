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
from lms_bridge.lti import registrations
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.platform import chosen_resources
from lms_bridge.lti.registrations import LtiRegistration, PersonId, Side, Status
from lms_bridge.lti.tool.names_and_roles import member_pages
from lms_bridge.lti.tool.service_client import ServiceClients
from lms_bridge.lti.vocabulary import MEMBERSHIP_READ, SCORE
from lms_bridge.store import launch_origins


class SystemConnections:
    """The connections of one centre, or of the Academy (``centre`` is empty then)."""

    def __init__(self, lti: LtiContext, centre: str, limits: Limits) -> None:
        self._lti, self._centre = lti, centre
        self._services = ServiceClients(lti, limits)

    def connections(self) -> Sequence[LtiConnection]:
        return [_connection(registration) for registration in self._registrations()]

    def courses(self) -> Sequence[LtiCourse]:
        with self._lti.database.reading() as tx:
            rows = launch_origins.platform_courses(tx, self._centre)
        return [
            LtiCourse(
                number=row.id,
                connection=row.registration_id,
                issuer=row.issuer,
                offering=row.code,
                title=row.title,
                has_memberships=bool(row.memberships),
                by_sourced_id=row.person_id == PersonId.SOURCED_ID,
                active=row.status == Status.ACTIVE,
            )
            for row in rows
        ]

    def members(self, course: LtiCourse) -> tuple[bytes, ...]:
        registration, address = self._place(course)
        if not registration.active:  # it was ended since the courses were listed
            raise AccessDenied(
                "platform-not-active",
                f"The connection {registration.id} to the platform is not active.",
                f"See `lms-bridge lti show {registration.id}`.",
            )
        if not address:
            raise CourseGone("no-memberships", "The course has no memberships service.")
        return tuple(member_pages(self._services.to(registration), address))

    def chosen(self) -> Sequence[ChosenResource]:
        with self._lti.database.reading() as tx:
            rows = chosen_resources.of_centre(tx, self._centre)
        return [_chosen(row.code, row.item) for row in rows]

    def check_keys(self, number: int) -> None:
        self._lti.keysets.fetch(self._lti.keys_of(self._registration(number)))

    def check_token(self, number: int) -> None:
        self._services.to(self._registration(number)).get_access_token([MEMBERSHIP_READ])

    def close(self) -> None:
        self._services.close()

    def _registrations(self) -> list[LtiRegistration]:
        with self._lti.database.reading() as tx:
            return registrations.all_registrations(tx, centre=self._centre)

    def _registration(self, number: int) -> LtiRegistration:
        found = [
            registration for registration in self._registrations() if registration.id == number
        ]
        if not found:
            raise NotFound("no-such-connection", f"There is no connection {number} here.")
        return found[0]

    def _place(self, course: LtiCourse) -> tuple[LtiRegistration, str]:
        """The platform and its memberships service's address."""
        with self._lti.database.reading() as tx:
            row = launch_origins.platform_course(tx, course.number)
            registration = registrations.find(tx, row.registration_id) if row is not None else None
        if row is None or registration is None or registration.centre != self._centre:
            raise CourseGone("course-unknown", "The bridge does not know this course any more.")
        return registration, row.memberships


def _connection(registration: LtiRegistration) -> LtiConnection:
    # A platform need not say which services it grants: what is not denied is tried.
    granted = registration.scopes or (MEMBERSHIP_READ, SCORE)
    return LtiConnection(
        number=registration.id,
        side=LtiSide(registration.side),
        name=registration.name,
        active=registration.active,
        memberships=MEMBERSHIP_READ in granted,
        scores=SCORE in granted,
        deep_linking=registration.side is Side.TOOL and bool(registration.deep_link_uri),
    )


def _chosen(code: str, item: Mapping[str, Any]) -> ChosenResource:
    names = ("title", "description", "starts_at", "ends_at")
    texts = {name: str(item.get(name) or "") for name in names}
    return ChosenResource(code, **texts, custom=dict(item.get("custom") or {}))
