"""What stands at a centre and is not done: failed, unsent, unmatched, quarantined, held records."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, and_, bindparam, exists, func, or_, select

from lms_bridge.domain.model import Kind, OfferingStatus, centre_system
from lms_bridge.store.holds import CONFLICT, UNDECIDED, causes
from lms_bridge.store.holds import PENDING as UNDECIDED_HOLD
from lms_bridge.store.record_names import course_name, record_names
from lms_bridge.store.tables import HELD as IS_HELD
from lms_bridge.store.tables import enrolment, hold, link, offering, quarantine, unmatched
from lms_bridge.store.target_links import PENDING

HELD, UNSENT = "held", "unsent"


@dataclass(frozen=True, slots=True)
class Wait:
    """Records of one kind that wait: how many, since when, why, and the command that helps."""

    what: str
    kind: str
    number: int
    since: datetime | None
    why: str
    command: str

    def document(self) -> dict[str, Any]:
        since = self.since.isoformat() if self.since else None
        names = ("what", "kind", "number", "why", "command")
        return {**{name: getattr(self, name) for name in names}, "since": since}


def wait_of(document: Mapping[str, Any]) -> Wait:
    """A wait from the document that a run keeps."""
    since = document["since"]
    return Wait(**{**document, "since": datetime.fromisoformat(since) if since else None})


def waits_of(
    tx: Connection,
    centre: str,
    kinds: Collection[Kind],
    targets: Collection[tuple[str, str]] | None,
    *,
    after_failure: bool = False,
) -> list[Wait]:
    """Everything of these kinds that waits at a centre. What no attempt was made for waits only
    if it is for one of the ``targets``, (system, kind): a folder of files takes no enrolments.
    None: for any. ``after_failure``: a step of the run failed."""
    why_unsent = _WHY_UNSENT_BY_FAILURE if after_failure else _WHY_UNSENT
    pending, people, bad, held = tx.execute(_ANYTHING, {"of_centre": centre}).one()
    return [
        *(_failed_and_unsent(tx, centre, kinds, targets, why_unsent) if pending else ()),
        *(_unmatched(tx, centre, kinds) if people else ()),
        *(_quarantined(tx, centre, kinds) if bad else ()),
        *(_held(tx, centre, kinds) if held else ()),
    ]


def still_waiting(tx: Connection, centre: str, told: Collection[Wait], at: datetime) -> list[Wait]:
    """What waits at a centre now. ``told``: what the last run of each flow said at its end. It
    alone knows of some waits, and which kinds the targets take."""
    unsent = {each.kind for each in told if each.what == UNSENT}
    now = waits_of(tx, centre, list(Kind), None)
    stands = [each for each in now if each.what != UNSENT or each.kind in unsent]
    stands += staying(tx, centre, at)  # a run tells of them once, and they stay
    return stands + [each for each in told if each.what in _KNOWN_TO_RUNS]


def concerns_more_than(wait: Wait, kinds: Collection[str]) -> bool:
    """Whether a wait concerns others than these kinds. Where a course was not read, that concerns
    its people and results, too."""
    return wait.kind not in kinds or wait.what in _KNOWN_TO_RUNS


_KNOWN_TO_RUNS = ("unopened", "unread", "missed")
_OF_CENTRE: BindParameter[str] = bindparam("of_centre")
_ANYTHING = select(
    exists().where(link.c.centre == _OF_CENTRE, PENDING).select_from(link),
    exists().where(unmatched.c.centre == _OF_CENTRE, UNDECIDED).select_from(unmatched),
    exists().where(quarantine.c.centre == _OF_CENTRE).select_from(quarantine),
    exists().where(hold.c.centre == _OF_CENTRE, hold.c.status == UNDECIDED_HOLD),
)
"""Built once, and asked first: after a quiet night nothing waits, and nothing more is asked."""
_IS_UNMATCHED = and_(
    link.c.kind == Kind.LEARNER,
    exists().where(
        unmatched.c.learner_id == link.c.record_id, unmatched.c.centre == link.c.centre, UNDECIDED
    ),
)


_WAITS_FOR_MATCH = and_(
    link.c.kind == Kind.ENROLMENT,
    exists().where(
        enrolment.c.id == link.c.record_id,
        unmatched.c.learner_id == enrolment.c.learner_id,
        unmatched.c.centre == link.c.centre,
        UNDECIDED,
    ),
)
"""No run sends such an enrolment before somebody decides whose account it needs."""
FAILING = and_(PENDING, link.c.error != "", ~_IS_UNMATCHED)
"""Links of records that a target refused, and that wait for another attempt."""


def _failed_and_unsent(
    tx: Connection,
    centre: str,
    kinds: Collection[Kind],
    targets: Collection[tuple[str, str]] | None,
    why_unsent: str,
) -> list[Wait]:
    failed = (link.c.error != "").label("failed")
    of = (link.c.kind, failed, link.c.system, link.c.error_code)
    waits_for_match = _WAITS_FOR_MATCH.label("waits_for_match")
    rows = tx.execute(
        select(
            *of,
            waits_for_match,
            func.count(),
            func.min(link.c.failed_since),
            func.min(link.c.id),
        )
        .where(link.c.centre == centre, link.c.kind.in_(kinds), PENDING, ~_IS_UNMATCHED)
        .group_by(*of, waits_for_match)
        .order_by(*of, waits_for_match)
    ).all()
    resend, sync = (
        f"lms-bridge resend --centre {centre} --list",
        f"lms-bridge sync --centre {centre}",
    )
    found = []
    for kind, is_failed, system, _, for_match, number, since, id_ in rows:
        if is_failed:
            found.append(Wait("failed", kind, number, since, _example(tx, id_, number), resend))
        elif targets is None or (system, kind) in targets:
            why, helps = (
                (_WHY_UNMATCHED_FIRST, _people(centre)) if for_match else (why_unsent, sync)
            )
            found.append(Wait(UNSENT, kind, number, None, why, helps))
    return found


def _example(tx: Connection, link_id: int, number: int) -> str:
    """Why a record failed, with its name; one of several that failed alike."""
    row = tx.execute(
        select(link.c.kind, link.c.record_id, link.c.error).where(link.c.id == link_id)
    ).one()
    name = record_names(tx, Kind(row.kind), [row.record_id]).get(row.record_id, "")
    if not name:
        return str(row.error)
    return _about(name, row.error, number)


def _about(name: str, error: str, number: int) -> str:
    return f"{name}: {error}" if number == 1 else f"{name} is one of them: {error}"


_WHY_UNSENT = "A course, an account or a decision is missing, or a run ended early."
_WHY_UNMATCHED_FIRST = "Their learners wait for a match."
_WHY_UNSENT_BY_FAILURE = "A step of this run failed before it. The cause stands with the step."


_WHY_UNMATCHED = {
    "bad-email": "The centre's LMS does not take their e-mail address",
    "email-taken": "Another account at the centre has their e-mail address",
    "same-email": "An account at the centre has their e-mail address",
    "shared-email": "Several accounts at the centre have their e-mail address",
    "other-stable-id": "The account with their e-mail address has another ID number",
    "shared-stable-id": "Several accounts at the centre have their ID number",
    "user-name-taken": "Another account at the centre has the user name for them",
}


def _unmatched(tx: Connection, centre: str, kinds: Collection[Kind]) -> list[Wait]:
    if Kind.LEARNER not in kinds:
        return []
    rows = tx.execute(
        select(unmatched.c.reason, func.count(), func.min(unmatched.c.since))
        .where(unmatched.c.centre == centre, UNDECIDED)
        .group_by(unmatched.c.reason)
        .order_by(unmatched.c.reason)
    )
    return [
        Wait(
            "unmatched",
            Kind.LEARNER,
            number,
            since,
            f"{_WHY_UNMATCHED.get(why, 'Their account is not certain')} ({why}).",
            _people(centre),
        )
        for why, number, since in rows
    ]


def _people(centre: str) -> str:
    return f"lms-bridge person unmatched --centre {centre}"


def _quarantined(tx: Connection, centre: str, kinds: Collection[Kind]) -> list[Wait]:
    """Records of one cause together; of those one is shown, with its name and the reason."""
    rows = tx.execute(
        select(
            quarantine.c.kind,
            func.count(),
            func.min(quarantine.c.since),
            func.min(quarantine.c.id),
        )
        .where(quarantine.c.centre == centre, quarantine.c.kind.in_(kinds))
        .group_by(quarantine.c.kind, quarantine.c.code)
        .order_by(quarantine.c.kind, quarantine.c.code)
    )
    command = f"lms-bridge quarantine list --centre {centre}"
    return [
        Wait("quarantined", kind, number, since, _bad_record(tx, id_, number), command)
        for kind, number, since, id_ in rows.all()
    ]


def _bad_record(tx: Connection, id_: int, number: int) -> str:
    """Why a record is in quarantine, with its name; one of several with the same cause."""
    row = tx.execute(select(quarantine).where(quarantine.c.id == id_)).one()
    name = str(row.external_id)
    if row.kind == Kind.OFFERING:
        title = str(row.shown.get("title") or "")
        unknown = f'"{title}" ({name})' if title else name
        name = course_name(tx, row.system, name) or unknown
    helps = "" if row.remedy else f" {_CORRECT_IT}"
    return _about(name, f"{row.reason}{helps}", number)


_CORRECT_IT = "Correct it where it comes from. The next run reads it again."


def staying(
    tx: Connection, centre: str, at: datetime, among: Collection[int] | None = None
) -> list[Wait]:
    """The enrolments that the LMS still holds in offerings that the catalogue does not show any
    more: they left it, or the LMS hides their courses. Those over by ``at`` are left out.
    ``among``: of these offerings alone, such as those that a run just saw go."""
    if among is not None and not among:
        return []
    query = (
        select(enrolment.c.offering_id, offering.c.listed, func.count())
        .join(link, link.c.record_id == enrolment.c.id)
        .join(offering, offering.c.id == enrolment.c.offering_id)
        .where(
            link.c.system == centre_system(centre),
            link.c.kind == Kind.ENROLMENT,
            IS_HELD,
            offering.c.centre == centre,
            or_(offering.c.listed.is_(False), offering.c.status == OfferingStatus.PLANNED),
            or_(offering.c.ends_at.is_(None), offering.c.ends_at > at),
        )
        .group_by(enrolment.c.offering_id, offering.c.listed)
        .order_by(enrolment.c.offering_id)
    )
    rows = [row for row in tx.execute(query) if among is None or row[0] in among]
    left = {id_: number for id_, is_listed, number in rows if not is_listed}
    hidden = {id_: number for id_, is_listed, number in rows if is_listed}
    command = f"lms-bridge centre show {centre}"
    return [
        Wait("staying", Kind.ENROLMENT, sum(each.values()), None, why(tx, each), command)
        for each, why in ((left, _why_left), (hidden, _why_hidden))
        if each
    ]


def _why_left(tx: Connection, courses: Collection[int]) -> str:
    name, remedy = _first_name(tx, courses), _STAYING_REMEDY
    if len(courses) == 1:
        return f"{name} left the catalogue, and its learners stay in the course. {remedy}"
    return (
        f"{name} is one of {len(courses)} courses that left the catalogue while their learners "
        f"stay in them. {remedy}"
    )


def _why_hidden(tx: Connection, courses: Collection[int]) -> str:
    name, remedy = _first_name(tx, courses), _HIDDEN_REMEDY
    if len(courses) == 1:
        return f"{name} is hidden at the centre, and its learners stay in the course. {remedy}"
    return (
        f"{name} is one of {len(courses)} courses that are hidden at the centre while their "
        f"learners stay in them. {remedy}"
    )


def _first_name(tx: Connection, courses: Collection[int]) -> str:
    first = min(courses)
    return record_names(tx, Kind.OFFERING, [first])[first]


_STAYING_REMEDY = (
    "To bring a course back, put it into a category that is read, where the account sees it. To "
    "end the enrolments, end the registrations."
)
_HIDDEN_REMEDY = (
    "The learners cannot enter it. To bring a course back, show it in the LMS. To end the "
    "enrolments, end the registrations."
)


def _held(tx: Connection, centre: str, kinds: Collection[Kind]) -> list[Wait]:
    rows = tx.execute(
        select(hold.c.id, hold.c.kind, hold.c.reason, hold.c.record_ids, hold.c.created_at)
        .where(hold.c.centre == centre, hold.c.kind.in_(kinds), hold.c.status == UNDECIDED_HOLD)
        .order_by(hold.c.id)
    ).all()
    known = causes(tx, [row.id for row in rows if row.reason == CONFLICT])
    command = f"lms-bridge hold list --centre {centre}"
    return [
        Wait(
            HELD,
            row.kind,
            len(row.record_ids),
            row.created_at,
            ": ".join([f"{row.reason} held", *known.get(row.id, [])[:1]]),
            command,
        )
        for row in rows
    ]
