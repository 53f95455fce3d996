"""An Academy that is an LTI platform. The rosters of its courses are the registrations.

Teachers put offerings from the bridge's catalogue into the Academy's courses by deep linking.
Results go to the gradebooks of those courses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from lms_bridge.connectors.lti.probe import probe_academy
from lms_bridge.connectors.lti.roster import (
    ACTIVE,
    CHECK_ROLES,
    LtiMember,
    LtiRosters,
    PlatformNotActive,
    best_of,
    enrolment_id,
    lack_of_learners,
)
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.lti_ports import LtiSystem
from lms_bridge.domain.ports import (
    Page,
    PageError,
    Pages,
    ProbeFinding,
    RawRecord,
    WriteRequest,
    WriteResults,
    Written,
)


class LtiAcademy:
    """The external id of an offering is its code. ``enrolment_id`` makes that of a registration."""

    def __init__(self, lti: LtiSystem) -> None:
        self._lti = lti
        self._rosters = LtiRosters(lti)

    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        """Acknowledges every request. The platform picks from the bridge's own catalogue."""
        for request in requests:
            yield Written(request.key, request.external_id or str(request.desired["code"]))

    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Pages:
        """For each offering that a course of the Academy has launched, a page for each connection.

        An unreadable roster does not affect other offerings. Connections that are not active are
        not read: nobody who is known from them alone is gone for that.
        """
        del centre
        rosters = self._rosters
        for external_id, code in offerings.items():
            try:
                read = rosters.by_connection(code)
            except PlatformNotActive as error:
                yield PageError(external_id, error, isolated=True, helps=error.helps)
                continue
            except BridgeError as error:
                yield PageError(external_id, error, isolated=True)
                continue
            by_sourced_id = any(course.by_sourced_id for course in rosters.courses.get(code, ()))
            # Another kind of id changes the body, so that the same people are read again. A person
            # may have moved between connections, so that a change in one affects the others.
            kind = b"sourced id" if by_sourced_id else b"sub"
            body = (kind, *(page for pages in read.values() for page in pages))
            for connection in read:
                parse = partial(_registrations, external_id, read, connection, by_sourced_id)
                yield Page(_scope(external_id, connection), body, parse, isolated=True)
            for connection in {each.connection for each in rosters.ended.get(code, ())}:
                yield Page(_scope(external_id, connection), (), list, whole=False)

    def probe(self) -> Iterator[ProbeFinding]:
        return probe_academy(self._lti)

    def close(self) -> None:
        self._lti.close()


def _scope(offering: str, connection: int) -> str:
    return f"{offering}@{connection}"


def _registrations(
    offering: str, read: Mapping[int, tuple[bytes, ...]], connection: int, by_sourced_id: bool
) -> list[RawRecord]:
    """The people of one connection. Who is in several counts once, with the best state."""
    lack = lack_of_learners(page for pages in read.values() for page in pages)
    if lack:
        problem = {"problem": f"{lack} {CHECK_ROLES}"}
        return [RawRecord(enrolment_id(offering, ""), problem)] if connection == min(read) else []
    return [
        RawRecord(enrolment_id(offering, member.id), _fields(offering, member, by_sourced_id))
        for owner, member in best_of(read)
        if owner == connection
    ]


def _fields(offering: str, member: LtiMember, by_sourced_id: bool) -> dict[str, object]:
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


def _problem(member: LtiMember, by_sourced_id: bool) -> str:
    """Names what a registration needs and the platform does not share."""
    what = []
    if by_sourced_id and not member.sourced_id:
        what.append("id of the register")
    if not member.email:
        what.append("e-mail address")
    if not (member.given_name or member.family_name or member.name):
        what.append("name")
    if not what:
        return ""
    return (
        f"The Academy's platform does not share this person's {', '.join(what)}. "
        "Allow it in the platform's settings of the tool."
    )
