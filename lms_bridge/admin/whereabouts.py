"""Where a learner is in a course, and why not: one answer for the page and for `person where`.

The chain has a step for each system on the way, in the order in which a registration travels. Steps
hold ids, states, dates and messages; they hold no name and no address of a person.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from lms_bridge.domain.desired_state import GONE_HASH, IN_COURSE
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.matching import email_key
from lms_bridge.domain.model import Enrolment, Kind, Offering, centre_system, system_label
from lms_bridge.lti.platform.enrolment_access import NotOpen, check_enrolment_open
from lms_bridge.settings import LtiSettings
from lms_bridge.store import enrolments, offerings, results
from lms_bridge.store.holds import PENDING as UNDECIDED_HOLD
from lms_bridge.store.lti_tables import launch_origin, refusal, registration
from lms_bridge.store.tables import EMPTY, hold, learner, link, quarantine, unmatched

DONE, WAITS, FAILED, NONE = "done", "waiting", "failed", "none"
MOST_COURSES = 50
"""Courses that are listed for a learner or a code that names several."""


UNKNOWN_LEARNER = (
    "no-such-learner",
    "The bridge knows no such learner.",
    "Use the Academy id or the whole e-mail address. A run of enrolments reads new registrations.",
)
Within = Collection[str] | None
"""The centres that the reader may see; None: all of them."""


@dataclass(frozen=True, slots=True)
class JourneyStep:
    """One station of the chain: what is known there, and what helps if it does not go on.

    ``state``: ``done``, ``waiting``, ``failed``, or ``none`` (nothing is to be there yet).
    """

    title: str
    state: str
    text: str
    helps: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A learner in an offering. ``verdict`` is the first step that does not go on, in words."""

    learner_id: int
    academy_id: str
    code: str
    course: str
    centre: str
    steps: tuple[JourneyStep, ...]

    @property
    def verdict(self) -> str:
        stuck = next((each for each in self.steps if each.state in (FAILED, WAITS)), None)
        if stuck is None:
            return "Nothing is in the way."
        return f"{stuck.title}: {stuck.text}"


def find_learner(tx: Connection, named: str, within: Within) -> int:
    """The id of the learner of an Academy id or an e-mail address. A learner without a place at
    the reader's centres looks as if the bridge did not know them.

    Raises:
        NotFound: no learner, or more than one, has it.
    """
    same = or_(learner.c.academy_id == named, learner.c.email_key == email_key(named))
    # An address may be shared; an Academy id is one person's, so it counts first.
    order = (learner.c.academy_id != named, learner.c.id)
    found = tx.execute(select(learner.c.id, learner.c.academy_id).where(same).order_by(*order))
    rows = [row for row in found.fetchmany(MOST_COURSES) if may_see(tx, row.id, within)]
    if not rows:
        raise NotFound(*UNKNOWN_LEARNER)
    if rows[0].academy_id != named and len(rows) > 1:
        raise NotFound(
            "shared-address", "Several learners have this address.", "Use the Academy id."
        )
    return int(rows[0].id)


def may_see(tx: Connection, learner_id: int, within: Within) -> bool:
    """Whether a learner has a place at one of the centres."""
    return within is None or bool(courses_of(tx, learner_id, within))


def academy_id_of(tx: Connection, learner_id: int) -> str:
    """Raises NotFound where there is no such learner."""
    found = tx.scalar(select(learner.c.academy_id).where(learner.c.id == learner_id))
    if found is None:
        raise NotFound(*UNKNOWN_LEARNER)
    return str(found)


def find_offerings(
    tx: Connection, code: str, learner_id: int, within: Within
) -> dict[int, Offering]:
    """{id: offering} of an offering's code; else those of the learner's that are editions of the
    course of this code, the newest first.

    Raises:
        NotFound: there is none that the reader may see.
    """
    exact = offerings.offerings_by_code(tx, [code])
    found = dict(exact.values())
    if not found:
        stored = enrolments.enrolments(tx, enrolments.ids_of_learner(tx, learner_id))
        mine = offerings.offerings(tx, [each.offering_id for each in stored.values()])
        found = {id_: mine[id_] for id_ in sorted(mine, reverse=True)}
        found = {id_: each for id_, each in found.items() if each.course_code == code}
    found = {id_: each for id_, each in found.items() if within is None or each.centre in within}
    if not found:
        raise NotFound("no-such-offering", f'There is no course or offering "{code[:80]}".')
    return found


def courses_of(tx: Connection, learner_id: int, within: Within) -> list[tuple[str, str, str]]:
    """(code, title, status of the enrolment) of the learner's offerings, the newest first."""
    ids = sorted(enrolments.ids_of_learner(tx, learner_id))[-MOST_COURSES:]
    stored = enrolments.enrolments(tx, ids)
    known = offerings.offerings(tx, [each.offering_id for each in stored.values()])
    return [
        (course.code, course.title, str(each.record.status))
        for _, each in sorted(stored.items(), reverse=True)
        for course in [known[each.offering_id]]
        if within is None or course.centre in within
    ]


def whereabouts(
    tx: Connection,
    learner_id: int,
    course: tuple[int, Offering],
    now: datetime,
    lti: LtiSettings,
) -> Whereabouts:
    """The chain of one learner in one offering. Every query reads a few rows by an index."""
    offering_id, found = course
    academy_id = academy_id_of(tx, learner_id)
    pair = (offering_id, learner_id)
    enrolment_id = enrolments.enrolment_ids(tx, [pair]).get(pair)
    stored = enrolments.enrolments(tx, [enrolment_id] if enrolment_id else [])
    record = stored[enrolment_id].record if enrolment_id in stored else None
    ids = [learner_id, offering_id, *([enrolment_id] if enrolment_id else [])]
    rows = _links(tx, ids)
    account = _account(tx, rows, learner_id, academy_id, found.centre, record, now)
    place = _enrolled(tx, rows, enrolment_id, found.centre, record, now)
    if account.state in (WAITS, FAILED) and place.state == WAITS:
        place = JourneyStep(place.title, WAITS, "It waits for the account.")
    steps = [
        _registered(tx, record, found),
        _course(tx, rows, offering_id, found),
        account,
        place,
        *_results(tx, rows, enrolment_id, found.centre, now),
        _access(tx, record, found, (offering_id, learner_id), now, lti),
    ]
    return Whereabouts(learner_id, academy_id, found.code, found.title, found.centre, tuple(steps))


_Links = dict[tuple[str, str, int], Row[Any]]


def _links(tx: Connection, record_ids: Sequence[int]) -> _Links:
    """{(system, kind, record id): link}"""
    rows = tx.execute(select(link).where(link.c.record_id.in_(record_ids)))
    return {(row.system, row.kind, row.record_id): row for row in rows}


def _registered(tx: Connection, record: Enrolment | None, course: Offering) -> JourneyStep:
    title = "Registration at the Academy"
    if record is not None:
        state = DONE if record.status in IN_COURSE else WAITS
        helps = "" if state == DONE else "The place has to reach the status enrolled first."
        return JourneyStep(title, state, f"The status of the place is {record.status}.", helps)
    text = "The bridge knows no registration of this learner in this course."
    if _in_quarantine(tx, course.centre):
        quarantined = "Registrations of this centre are in quarantine; it may be one of them."
        text = f"{text} {quarantined}"
    helps = f"lms-bridge sync --centre {course.centre} --flow enrolments"
    return JourneyStep(title, FAILED, text, f"Register at the Academy; then: {helps}")


def _in_quarantine(tx: Connection, code: str) -> bool:
    """Of such a record only its id at the Academy is kept, so it cannot be told whose it is."""
    query = select(quarantine.c.id).where(
        quarantine.c.centre == code, quarantine.c.kind == Kind.ENROLMENT
    )
    return tx.scalar(query.limit(1)) is not None


def _course(tx: Connection, rows: _Links, offering_id: int, course: Offering) -> JourneyStep:
    title = "Course at the centre"
    row = rows.get((centre_system(course.centre), Kind.OFFERING, offering_id))
    if row is None or not row.external_id:
        text = "The bridge knows no course of the centre's LMS for this offering."
        return JourneyStep(title, WAITS, text, f"lms-bridge sync --centre {course.centre}")
    return JourneyStep(title, DONE, f"It is the course {row.external_id} of the LMS.")


def _account(
    tx: Connection,
    rows: _Links,
    learner_id: int,
    academy_id: str,
    code: str,
    record: Enrolment | None,
    now: datetime,
) -> JourneyStep:
    title = "Account at the centre"
    row = rows.get((centre_system(code), Kind.LEARNER, learner_id))
    waiting = tx.execute(
        select(unmatched).where(unmatched.c.centre == code, unmatched.c.learner_id == learner_id)
    ).first()
    if waiting is not None and not waiting.to_create:
        text = f"It is not certain which account is theirs ({waiting.reason})."
        helps = f"lms-bridge person match {academy_id} --centre {code} (--account ID | --create)"
        return JourneyStep(title, WAITS, text, helps, waiting.since)
    if row is not None and row.external_id:
        how = "the bridge made it" if row.created_by_us else "it was there before, and was matched"
        if row.desired == row.acknowledged:
            return JourneyStep(title, DONE, f"It is the account {row.external_id}; {how}.")
    return _sent(tx, title, row, code, now) if row is not None else _not_due(title, record)


def _not_due(title: str, record: Enrolment | None) -> JourneyStep:
    if record is not None and record.status in IN_COURSE:
        return JourneyStep(title, WAITS, "It is due, and no run tried it yet.")
    return JourneyStep(title, NONE, "None is to be there before the place is confirmed.")


def _enrolled(
    tx: Connection,
    rows: _Links,
    enrolment_id: int | None,
    code: str,
    record: Enrolment | None,
    now: datetime,
) -> JourneyStep:
    title = "Place in the centre's course"
    row = rows.get((centre_system(code), Kind.ENROLMENT, enrolment_id or 0))
    if row is None:
        return _not_due(title, record)
    return _sent(tx, title, row, code, now)


def _sent(tx: Connection, title: str, row: Row[Any], code: str, now: datetime) -> JourneyStep:
    """What became of a record that a target is to hold."""
    retry = f"lms-bridge resend --centre {code}"
    system = system_label(row.system)
    held = _hold_about(tx, row)
    if held is not None:
        text = f"Hold {held.id} keeps it until a person decides ({held.reason})."
        return JourneyStep(title, WAITS, text, f"lms-bridge hold show {held.id}", held.created_at)
    if row.desired == row.acknowledged and not row.sending:
        if row.desired in (EMPTY, GONE_HASH):
            return JourneyStep(title, NONE, f"{system} holds none, and none is to be there.")
        return JourneyStep(title, DONE, f"{system} confirmed what the bridge sent.")
    if row.error:
        again = row.next_attempt
        when = (
            "at the next run" if again is None or again <= now else f"at {again:%Y-%m-%d %H:%M} UTC"
        )
        text = f"{row.error} The bridge tries it again {when}. It failed {row.attempts} times."
        return JourneyStep(title, FAILED, text, retry, row.failed_since)
    if row.sending:
        return JourneyStep(
            title, WAITS, f"It was sent, and {system} did not confirm it yet.", retry
        )
    return JourneyStep(
        title, WAITS, "It is due, and the next run sends it.", f"lms-bridge sync --centre {code}"
    )


def _hold_about(tx: Connection, row: Row[Any]) -> Row[Any] | None:
    """The hold that waits for a decision about this record."""
    rows = tx.execute(
        select(hold).where(
            hold.c.centre == row.centre,
            hold.c.status == UNDECIDED_HOLD,
            hold.c.kind == row.kind,
        )
    )
    return next((each for each in rows if row.record_id in each.record_ids), None)


def _results(
    tx: Connection, rows: _Links, enrolment_id: int | None, code: str, now: datetime
) -> list[JourneyStep]:
    title = "Result"
    found = results.results_of(tx, [enrolment_id] if enrolment_id else [])
    if enrolment_id not in found:
        return [JourneyStep(title, NONE, "The centre has shown none yet.")]
    number, result = found[enrolment_id]
    score = "no score" if result.score is None else f"{result.score} of {result.scale_max}"
    completed = {True: "completed", False: "not completed", None: "completion unknown"}
    known = JourneyStep(title, DONE, f"The centre showed {score}, {completed[result.completed]}.")
    query = select(link).where(link.c.kind == Kind.RESULT, link.c.record_id == number)
    sent = [
        _sent(tx, f"Result at {system_label(row.system)}", row, code, now)
        for row in tx.execute(query.order_by(link.c.system))
        if row.system != centre_system(code)
    ]
    return [known, *sent]


def _access(
    tx: Connection,
    record: Enrolment | None,
    course: Offering,
    pair: tuple[int, int],
    now: datetime,
    lti: LtiSettings,
) -> JourneyStep:
    """Whether a launch would open the course now, and what became of the last ones."""
    title = "Launch into the course"
    last = tx.scalar(
        select(launch_origin.c.at)
        .where(launch_origin.c.offering_id == pair[0], launch_origin.c.learner_id == pair[1])
        .order_by(launch_origin.c.at.desc())
        .limit(1)
    )
    seen = f"The last launch was at {last:%Y-%m-%d %H:%M} UTC." if last else "None came yet."
    if record is None:
        return JourneyStep(title, NONE, f"There is no place to open. {seen}")
    try:
        check_enrolment_open(record, course, now, lti)
    except NotOpen as error:
        return JourneyStep(title, WAITS, f"{error.message} {seen}", error.remedy)
    refused = _refused(tx, course.centre)
    text = f"A launch opens it now. {seen}"
    if refused:
        lately = f"{refused} launches or calls of this centre's connections were refused lately."
        text = f"{text} {lately}"
    return JourneyStep(title, DONE, text, "lms-bridge lti refused NUMBER" if refused else "")


def _refused(tx: Connection, code: str) -> int:
    """Refusals hold nothing about a person, so those of the centre's connections are counted."""
    ids = select(registration.c.id).where(registration.c.centre == code)
    times = tx.scalars(select(refusal.c.times).where(refusal.c.registration_id.in_(ids)))
    return sum(times)
