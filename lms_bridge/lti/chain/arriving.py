"""Who a launch is about, and what: the offering that it names, and the learner who comes.

A learner is known by ids alone, never by an e-mail address or a name.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from lms_bridge.domain.model import Kind, Offering, centre_system
from lms_bridge.lti import parties
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party, PersonId, Side
from lms_bridge.lti.tool.deep_linking import OFFERING
from lms_bridge.lti.tool.launch import Launch
from lms_bridge.store import learners, links, offerings
from lms_bridge.store.database import Database

_TELL = "Please tell the operator of the bridge."


def offering_of(database: Database, launch: Launch) -> tuple[int, Offering] | None:
    """The offering that the link names; else the one that the course is called after. With the id
    of its row."""
    found = (offerings.offering_by_code(database, code) for code in _codes(launch))
    return next(filter(None, found), None)


def _codes(launch: Launch) -> Iterator[str]:
    named = launch.custom.get(OFFERING, "")
    if named:
        yield named
        return  # a link that names an offering means no other
    if launch.context is not None:
        yield from filter(None, (launch.context.section, launch.context.label))


def academy_id_of(tx: Connection, party: Party, launch: Launch, offering: Offering) -> str:
    """The Academy's id of the learner who comes from a platform to an offering.

    Raises:
        LtiRefused: the platform does not name the learner in the way that was agreed on, nobody
            is known by that name, or it may not vouch for whoever it is.
    """
    if party.person_id is PersonId.SOURCED_ID:
        academy_id, learner_id = _registered(tx, launch.person.stable_id)
        _check_vouching(tx, party, learner_id, offering)
        return academy_id
    if not party.centre:
        return _registered(tx, launch.person.id)[0]
    return _of_account(tx, party, launch.person.id)


def _check_vouching(tx: Connection, party: Party, learner_id: int, offering: Offering) -> None:
    """The Academy's platform vouches for everybody. A centre's says who comes to its own courses;
    to those of others it brings only people whom the bridge knows to have an account there:
    else any centre could pass for any learner."""
    if party.centre in ("", offering.centre):
        return
    if not links.external_ids(tx, centre_system(party.centre), Kind.LEARNER, [learner_id]):
        raise LtiRefused(
            "person-elsewhere",
            "This learning system cannot vouch for you in another centre's course.",
            "Please open the course from the Academy.",
            status=403,
        )


def _registered(tx: Connection, academy_id: str) -> tuple[str, int]:
    """With the id of the row."""
    if not academy_id:
        raise LtiRefused(
            "person-unnamed",
            "The platform does not tell the bridge who you are at the Academy.",
            _TELL,
            status=403,
        )
    found = learners.learners_by_academy_id(tx, [academy_id]).get(academy_id)
    if found is None:
        raise _unknown()
    return academy_id, found[0]


def _of_account(tx: Connection, party: Party, account: str) -> str:
    """By the link between the learner and their account in the centre's LMS."""
    if _several_platforms(tx, party):
        raise LtiRefused(
            "person-ambiguous",
            "The bridge cannot tell for sure who you are at the Academy.",
            _TELL,
            status=403,
        )
    system = centre_system(party.centre)
    known = links.by_external_id(tx, system, Kind.LEARNER, [account]).get(account)
    if known is None:
        raise _unknown()
    return learners.learners(tx, [known.record_id])[known.record_id].academy_id


def _several_platforms(tx: Connection, party: Party) -> bool:
    """Numbers of accounts mean something within one platform alone: with two at one centre, the
    one's 17 is not the other's."""
    others = parties.all_parties(tx, Side.PLATFORM, party.centre)
    return any(each.active and each.issuer != party.issuer for each in others)


def _unknown() -> LtiRefused:
    return LtiRefused(
        "person-unknown",
        "The bridge does not know you yet.",
        "Register for it at the Academy first. If you did so just now, try again in a while.",
        status=403,
    )
