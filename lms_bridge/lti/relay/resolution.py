"""Resolves a launch to an offering and a learner."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from lms_bridge.catalogue.queries import one_listed
from lms_bridge.domain.model import Kind, Offering, centre_system, realm_of
from lms_bridge.lti import registrations
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.registrations import LtiRegistration, PersonId, Side
from lms_bridge.lti.tool.deep_linking import OFFERING
from lms_bridge.lti.tool.launch import Launch
from lms_bridge.store import learners, links, offerings
from lms_bridge.store.database import Database

_TELL = "Please tell the operator of the bridge."


def resolve_offering(
    database: Database, registration: LtiRegistration, launch: Launch
) -> tuple[int, Offering] | None:
    """The offering that the link names, else the one with the code of the course. With the id of
    its row. A centre's platform finds offerings of its own centre.

    Raises:
        LtiRefused: the link names another centre's offering, and an operator has not allowed that.
    """
    own = registration.only_centre
    for code in _codes(launch):
        found = offerings.offering_by_code(database, code)
        if found is not None and own in ("", found[1].centre):
            return found
    named = launch.custom.get(OFFERING, "")
    if own and named:
        with database.reading() as tx:
            public = one_listed(tx, named)
        if public is not None:  # of others a stranger does not learn that they exist
            raise LtiRefused(
                "offering-elsewhere",
                "This course belongs to another training centre than this learning system.",
                "Please open the course from the Academy.",
                status=403,
            )
    return None


def _codes(launch: Launch) -> Iterator[str]:
    named = launch.custom.get(OFFERING, "")
    if named:
        yield named
        return  # the course's code does not count then
    if launch.context is not None:
        yield from filter(None, (*launch.context.codes, launch.context.label))


def resolve_learner(
    tx: Connection, registration: LtiRegistration, launch: Launch, offering: Offering
) -> str:
    """The Academy's id of the learner whom a platform launches into an offering.

    Raises:
        LtiRefused: the launch lacks the agreed id of the learner, nobody has that id, or the
            platform may not vouch for that learner.
    """
    if registration.person_id is PersonId.SOURCED_ID:
        academy_id, learner_id = _registered(tx, registration, launch.person.stable_id)
        _check_vouching(tx, registration, learner_id, offering)
        return academy_id
    if not registration.centre:
        return _registered(tx, registration, launch.person.id)[0]
    return _of_account(tx, registration, launch.person.id)


def vouched_learner(
    tx: Connection, registration: LtiRegistration, launch: Launch
) -> tuple[str, int]:
    """(Academy's id, number) of the learner whom the Academy's own platform vouches for, in no
    particular course. A centre's platform vouches for nobody there.

    Raises:
        LtiRefused: the platform may not, or does not name a learner.
    """
    if registration.centre:
        raise LtiRefused(
            "page-elsewhere",
            "This learning system cannot open your page.",
            "Please open your courses from the Academy.",
            status=403,
        )
    by_sourced_id = registration.person_id is PersonId.SOURCED_ID
    named = launch.person.stable_id if by_sourced_id else launch.person.id
    return _registered(tx, registration, named)


def _check_vouching(
    tx: Connection, registration: LtiRegistration, learner_id: int, offering: Offering
) -> None:
    """The Academy's platform vouches for everybody. A centre's platform does so only in its own
    centre's courses. In other courses, if it may open them at all, it vouches for people with an
    account at its centre: otherwise any centre could impersonate any learner."""
    if registration.centre in ("", offering.centre):
        return
    if not links.external_ids(tx, centre_system(registration.centre), Kind.LEARNER, [learner_id]):
        raise LtiRefused(
            "person-elsewhere",
            "This learning system cannot vouch for you in another centre's course.",
            "Please open the course from the Academy.",
            status=403,
        )


def _registered(tx: Connection, registration: LtiRegistration, academy_id: str) -> tuple[str, int]:
    """With the id of the row. Identities that a centre made are named by that centre alone."""
    if not academy_id:
        raise LtiRefused(
            "person-unnamed",
            "The platform does not tell the bridge who you are at the Academy.",
            _TELL,
            status=403,
        )
    found = learners.learners_by_academy_id(tx, [academy_id]).get(academy_id)
    if found is None or realm_of(academy_id) not in ("", registration.centre):
        raise _unknown()
    return academy_id, found[0]


def _of_account(tx: Connection, registration: LtiRegistration, account: str) -> str:
    """By the link between the learner and their account in the centre's LMS."""
    clashing = _clashing_platforms(tx, registration)
    if clashing:
        named = ", ".join(map(str, sorted((registration.id, *clashing))))
        raise LtiRefused(
            "person-ambiguous",
            "The bridge cannot tell for sure who you are at the Academy.",
            _TELL,
            detail=f"connections {named}",
            status=403,
        )
    system = centre_system(registration.centre)
    known = links.by_external_id(tx, system, Kind.LEARNER, [account]).get(account)
    if known is None:
        raise _unknown()
    return learners.learners(tx, [known.record_id])[known.record_id].academy_id


def _clashing_platforms(tx: Connection, registration: LtiRegistration) -> list[int]:
    """Active connections of the same centre with another issuer. Account ids are unique only within
    one platform: account 17 of two platforms of one centre may be two people."""
    others = registrations.all_registrations(tx, Side.PLATFORM, registration.centre)
    return [each.id for each in others if each.active and each.issuer != registration.issuer]


def _unknown() -> LtiRefused:
    return LtiRefused(
        "person-unknown",
        "The bridge does not know you yet.",
        "Register for it at the Academy first. If you did so just now, try again in a while.",
        status=403,
    )
