"""An Academy whose platform launches the bridge: its courses' rosters are the registrations.

The catalogue is the bridge's own: offerings get into the Academy's courses by deep linking. Results
go to the gradebooks of the courses that learners came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from connectors.lti.members import ACTIVE, Member, learners, place_of
from connectors.lti.probing import probe_academy
from connectors.lti.rosters import Rosters
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.lti_ports import LtiSystem
from lms_bridge.domain.ports import (
    Answer,
    Done,
    Finding,
    Order,
    Outcomes,
    Raw,
    Reading,
    Unread,
)


class LtiAcademy:
    """An offering's external id is its code, a registration's is as ``place_of`` says."""

    def __init__(self, lti: LtiSystem) -> None:
        self._lti = lti
        self._rosters = Rosters(lti)

    def write_offerings(self, orders: Sequence[Order]) -> Outcomes:
        """What the bridge's own catalogue shows, and lets be picked, is acknowledged at once."""
        for order in orders:
            yield Done(order.key, order.external_id or str(order.wanted["code"]))

    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Reading:
        """One answer per offering that was launched from a course of the Academy's. Rosters stand
        alone: of one that cannot be read nothing is concluded, the others count."""
        del centre
        courses = self._rosters.courses
        for external_id, code in offerings.items():
            if code not in courses:
                continue
            by_sourced_id = any(course.by_sourced_id for course in courses[code])
            try:
                pages = self._rosters.of(code)
            except BridgeError as error:
                yield Unread(external_id, error, alone=True)
                continue
            # The same people are read anew when they are known by another id.
            body = (b"sourced id" if by_sourced_id else b"sub", *pages)
            parse = partial(_registrations, external_id, pages, by_sourced_id)
            yield Answer(external_id, body, parse, alone=True)

    def probe(self) -> Iterator[Finding]:
        return probe_academy(self._lti)

    def close(self) -> None:
        self._lti.close()


def _registrations(offering: str, pages: tuple[bytes, ...], by_sourced_id: bool) -> list[Raw]:
    return [
        Raw(place_of(offering, member.id), _fields(offering, member, by_sourced_id))
        for member in learners(pages)
    ]


def _fields(offering: str, member: Member, by_sourced_id: bool) -> dict[str, object]:
    problem = _problem(member, by_sourced_id)
    if problem:
        return {"problem": problem}
    named = member.given_name or member.family_name
    learner = {
        "id": member.sourced_id if by_sourced_id else member.id,
        "given_name": member.given_name if named else member.name,
        "family_name": member.family_name,
        "email": member.email,
    }
    status = "enrolled" if member.state == ACTIVE else "withdrawn"
    return {"offering": offering, "learner": learner, "status": status}


def _problem(member: Member, by_sourced_id: bool) -> str:
    """What a registration cannot be without, and the platform keeps back."""
    kept_back = []
    if by_sourced_id and not member.sourced_id:
        kept_back.append("id of the register")
    if not member.email:
        kept_back.append("e-mail address")
    if not (member.given_name or member.family_name or member.name):
        kept_back.append("name")
    if not kept_back:
        return ""
    return (
        f"The Academy's platform does not share this person's {' and '.join(kept_back)}. "
        "Allow it in the platform's settings of the tool."
    )
