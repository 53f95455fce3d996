"""Visits: what a platform tells of a learner who comes from it, kept for the way back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from lms_bridge.domain.model import Kind, Offering, gradebook_system
from lms_bridge.lti.chain import arriving
from lms_bridge.lti.parties import Party
from lms_bridge.lti.platform.places import Place
from lms_bridge.lti.room import Room
from lms_bridge.lti.tool.launch import Grading, Launch
from lms_bridge.lti.vocabulary import SCORE
from lms_bridge.store import lti_visits, target_links
from lms_bridge.store.lti_visits import Visit, Visited

LONGEST_ADDRESS = 2000


def offering_from(room: Room, party: Party, launch: Launch) -> Offering | None:
    """The offering that a launch is for. The course that it comes from is kept, whoever comes, and
    whether they may go on: its roster tells who is enrolled."""
    found = arriving.offering_of(room.database, launch)
    if found is None:
        return None
    id_, offering = found
    with room.database.reading() as tx:
        news = _new_course(tx, party, launch, id_)
    if news is not None:
        with room.database.writing() as tx:
            lti_visits.keep_course(tx, news, room.now())
    return offering


def _new_course(tx: Connection, party: Party, launch: Launch, offering_id: int) -> Visited | None:
    context = launch.context
    # A course with an address that cannot be kept has no roster for the bridge.
    if context is None or len(launch.memberships) > LONGEST_ADDRESS:
        return None
    title = (context.title or context.label)[:500]
    course = Visited(party.id, offering_id, context.id, title, launch.memberships)
    return None if lti_visits.is_known(tx, course) else course


def record(tx: Connection, party: Party, launch: Launch, place: Place, now: datetime) -> bool:
    """Keeps where the learner comes from; writes only what is new. Gives whether a result waits
    for what was new: the learner's score goes to a column that was not known, or not as it is."""
    known = lti_visits.find(tx, party.id, place.offering_id, place.learner_id)
    visit = _visit(party, launch, place, known)
    if visit == known:
        return False
    lti_visits.keep(tx, visit, now)
    results = lti_visits.results_about(tx, place.offering_id, place.learner_id)
    if not results or not (visit.line_item or visit.line_items):
        return False
    if known is not None and _column(known) != _column(visit):
        # The old column's acknowledgements say nothing of the new one, and what it refused
        # need not wait any longer.
        system = gradebook_system(party.id)
        target_links.send_again(tx, system, Kind.RESULT, results)
        target_links.try_again(tx, system, Kind.RESULT, results)
    return True


def _column(visit: Visit) -> tuple[str, str, str]:
    return visit.line_item, visit.line_items, visit.subject


def _kept(address: str) -> str:
    """No gradebook is at an address that cannot be kept."""
    return address if len(address) <= LONGEST_ADDRESS else ""


def _visit(party: Party, launch: Launch, place: Place, known: Visit | None) -> Visit:
    grading = launch.grading or Grading()
    takes_scores = SCORE in grading.scopes or not grading.scopes
    line_items = _kept(grading.line_items) if takes_scores else ""
    line_item = _kept(grading.line_item) if takes_scores else ""
    if not line_item and known is not None and known.line_items == line_items:
        line_item = known.line_item  # which the bridge found, or made
    return Visit(
        party_id=party.id,
        offering_id=place.offering_id,
        learner_id=place.learner_id,
        subject=launch.person.id,
        resource_link=launch.resource_link.id if launch.resource_link else "",
        line_item=line_item,
        line_items=line_items,
        scopes=tuple(sorted(grading.scopes)),
    )
