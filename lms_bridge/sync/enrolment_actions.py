"""Actions on enrolments, and results that people enter, under the centre's lease."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from lms_bridge.domain.dates import is_dated, is_endless
from lms_bridge.domain.desired_state import IN_COURSE
from lms_bridge.domain.document import difference, document
from lms_bridge.domain.errors import BridgeError, NotFound, NotNow, Refused
from lms_bridge.domain.lifecycle import EnrolmentAction, EnrolmentPlace, move_enrolment, with_end
from lms_bridge.domain.matching import email_key
from lms_bridge.domain.model import (
    ACADEMY,
    REALM_MARK,
    Enrolment,
    Kind,
    Learner,
    Offering,
    OfferingStatus,
    Result,
    realm_of,
)
from lms_bridge.domain.policy import OnUnreviewed, Policy
from lms_bridge.domain.ports import Action
from lms_bridge.domain.reviews import ReportState
from lms_bridge.domain.rules import RuleFinding, Rules, check_result
from lms_bridge.store import (
    enrolments,
    learners,
    offerings,
    results,
    reviews,
    source_links,
    status_history,
)
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.store.tables import enrolment as table
from lms_bridge.sync.context import API, Asked, RunContext
from lms_bridge.sync.desired_state import desire_enrolments, desire_results
from lms_bridge.sync.offering_actions import changed_meanwhile, find_offering

LONGEST_LEARNER_ID = 100
ACADEMY_CERTIFIES = (
    "The Academy keeps this registration, and releases its certificate. The bridge sends it the "
    "result."
)


@dataclass(frozen=True, slots=True)
class EnrolmentChange:
    """``revision`` is the one that the person saw; None: whatever it is now."""

    number: int
    action: EnrolmentAction
    revision: int | None = None


def register(
    tx: Connection,
    context: RunContext,
    code: str,
    learner: Learner,
    action: EnrolmentAction,
    realm: str = "",
) -> StoredEnrolment:
    """Registers a learner in an offering of the run's centre, or applies for one.

    Whoever speaks for one centre alone names it as ``realm``: a learner who is new gets an identity
    of that centre's, which no learner of the Academy ever has.

    Raises:
        NotFound: the centre has no such offering.
        Refused: the learner is known with another e-mail address, registration is not open, or
            the Academy keeps this registration.
    """
    context.asked = Asked(Kind.ENROLMENT, str(action), f"{code}/{learner.academy_id}")
    offering_id, offering = find_offering(tx, context.centre.code, code)
    learner_id, learner = _find_or_add(tx, context, learner, realm)
    pair = (offering_id, learner_id)
    known = enrolments.enrolment_ids(tx, [pair]).get(pair)
    if known is not None:
        return _move(tx, context, enrolments.enrolments(tx, [known])[known], offering, action)
    status = move_enrolment(None, action, _place(tx, context, offering_id, offering))
    record = Enrolment(learner.academy_id, code, status)
    record = with_end(record, None, offering, context.policy.self_paced_days, context.now())
    (new_id,) = enrolments.add_enrolments(tx, [(learner_id, offering_id, record)])
    stored = StoredEnrolment(new_id, learner_id, offering_id, record)
    _desire(tx, context, stored, offering, Action.CREATE, None)
    return stored


def _find_or_add(
    tx: Connection, context: RunContext, learner: Learner, realm: str
) -> tuple[int, Learner]:
    """The learner, with the id of the row. A new learner is added. Known data stay as they are: the
    Academy owns them, and they are not shown to whoever names the id."""
    given = learner.academy_id
    own = f"{realm}{REALM_MARK}{given}" if realm and not realm_of(given) else given
    if realm_of(own) not in ("", realm or context.centre.code) or len(own) > LONGEST_LEARNER_ID:
        raise Refused(
            "learner-of-another",
            "The id is another centre's, or too long for an identity of this centre.",
            "Check the id.",
        )
    found = learners.learners_by_academy_id(tx, {given, own})
    known = found.get(own) or found.get(given)
    if known is None:
        learner = replace(learner, academy_id=own)
        (new_id,) = learners.add_learners(tx, [learner])
        context.note(Kind.LEARNER, API, Action.CREATE, record_id=new_id)
        return new_id, learner
    if email_key(known[1].email) != email_key(learner.email):
        raise Refused(
            "learner-differs",
            "A learner with this id is known, with another e-mail address.",
            "Check the id; a changed address is changed at the Academy.",
        )
    return known


def change_enrolment(tx: Connection, context: RunContext, act: EnrolmentChange) -> StoredEnrolment:
    """Does an action with an enrolment in an offering of the run's centre.

    Raises:
        NotFound: there is no such enrolment at this centre.
        Refused: somebody changed it meanwhile, its status does not allow the action, or the
            Academy keeps it.
    """
    context.asked = Asked(Kind.ENROLMENT, str(act.action), "", act.number)
    stored, offering = find_enrolment(tx, context.centre.code, act.number)
    about = f"{offering.code}/{stored.record.learner}"
    context.asked = replace(context.asked, external_id=about)
    _check_revision(tx, table, stored.id, act.revision)
    return _move(tx, context, stored, offering, act.action)


def find_enrolment(tx: Connection, centre: str, number: int) -> tuple[StoredEnrolment, Offering]:
    """Raises NotFound when the centre has no enrolment of that number."""
    stored = enrolments.enrolments(tx, [number]).get(number)
    if stored is not None:
        offering = offerings.offerings(tx, [stored.offering_id])[stored.offering_id]
        if offering.centre == centre:
            return stored, offering
    raise no_such_registration()


def no_such_registration() -> NotFound:
    return NotFound("no-such-registration", "There is no such registration.")


def _move(
    tx: Connection,
    context: RunContext,
    stored: StoredEnrolment,
    offering: Offering,
    action: EnrolmentAction,
) -> StoredEnrolment:
    if action is EnrolmentAction.CERTIFY and kept_by_academy(tx, [stored.id]):
        raise NotNow("academy-certifies", ACADEMY_CERTIFIES)
    _check_owner(tx, Kind.ENROLMENT, stored.id, ACADEMY)
    place = _place(tx, context, stored.offering_id, offering)
    status = move_enrolment(stored.record.status, action, place)
    days = context.policy.self_paced_days
    record = replace(stored.record, status=status)
    if days and not is_dated(offering) and stored.record.status not in IN_COURSE:
        record = replace(record, ends_at=None)  # a new place lasts as long as the first one
    record = with_end(record, stored.record, offering, days, context.now())
    after = stored.with_record(record)
    enrolments.change_enrolments(tx, {after.id: after.record})
    _desire(tx, context, after, offering, Action.UPDATE, stored.record)
    return after


def _place(
    tx: Connection, context: RunContext, offering_id: int, offering: Offering
) -> EnrolmentPlace:
    return places(tx, context.policy, {offering_id: offering}, context.now())[offering_id]


def validated(tx: Connection, policy: Policy, records: Mapping[int, Offering]) -> dict[int, bool]:
    """{offering id: whether its end-of-course report was validated here}. The source's word counts
    only where the policy trusts sources to review. A course without an end has a standing
    validation."""
    kept = status_history.kept_statuses(tx, records)
    states = reviews.report_states(tx, records)
    found = {}
    for record_id, offering in records.items():
        if offering.status is OfferingStatus.CLOSED:
            found[record_id] = policy.unreviewed is OnUnreviewed.OFF or record_id in kept
        else:
            validated_here = ReportState.VALIDATED in states.get(record_id, ())
            found[record_id] = is_endless(offering) and validated_here
    return found


def places(
    tx: Connection, policy: Policy, records: Mapping[int, Offering], now: datetime
) -> dict[int, EnrolmentPlace]:
    """{offering id: what the guards of its enrolments look at}"""
    taken = enrolments.seats_taken(tx, records)
    good = validated(tx, policy, records)
    return {
        record_id: EnrolmentPlace(record, taken.get(record_id, 0), now, good[record_id])
        for record_id, record in records.items()
    }


def kept_by_academy(tx: Connection, numbers: Iterable[int]) -> set[int]:
    """Those of the enrolments that an outside Academy keeps: nothing is done with them here."""
    owners = source_links.sources(tx, Kind.ENROLMENT, numbers)
    return {number for number, owner in owners.items() if owner == ACADEMY}


def _desire(
    tx: Connection,
    context: RunContext,
    stored: StoredEnrolment,
    offering: Offering,
    action: Action,
    before: Enrolment | None,
) -> None:
    desire_enrolments(tx, context.centre.code, [stored], {stored.offering_id: offering})
    fields = difference(document(before), document(stored.record)) if before else None
    context.note(
        Kind.ENROLMENT,
        API,
        action,
        record_id=stored.id,
        external_id=f"{offering.code}/{stored.record.learner}",
        fields=fields,
    )


def _check_owner(tx: Connection, kind: Kind, record_id: int, owner: str) -> None:
    _refuse_owner(kind, source_links.sources(tx, kind, [record_id]).get(record_id), owner)


def _refuse_owner(kind: Kind, owner: str | None, other: str) -> None:
    """Refuses a change of what that other system owns."""
    if owner == other:
        raise Refused(
            "owned-elsewhere",
            f"This {kind} comes from another system: {owner}.",
            "Change it there: the next sync brings the change.",
        )


def _check_revision(tx: Connection, of: Any, record_id: int, revision: int | None) -> None:
    if revision is None:
        return
    if tx.scalar(select(of.c.revision).where(of.c.id == record_id)) != revision:
        raise changed_meanwhile()


@dataclass(frozen=True, slots=True)
class ResultEntry:
    """What a person enters for an enrolment. ``fields`` are those that ``ResultSchema`` loads.
    ``revision`` is that of the result which the person saw, 0 where there was none; None: whatever
    it is now."""

    number: int
    fields: Mapping[str, Any]
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class EnteredResult:
    """A result as it is now. ``warnings`` are those of the rules."""

    id: int
    record: Result
    warnings: list[RuleFinding]


def enter_result(
    tx: Connection, context: RunContext, entry: ResultEntry, rules: Rules
) -> EnteredResult:
    """Enters the result of an enrolment, or replaces it.

    Raises:
        NotFound: there is no such enrolment at this centre.
        NotNow: the learner is not in the course.
        Refused: somebody changed it meanwhile, or the centre's LMS keeps it.
    """
    entered = enter_results(tx, context, [entry], rules)[entry.number]
    if isinstance(entered, BridgeError):
        raise entered
    return entered


def enter_results(
    tx: Connection, context: RunContext, entries: Sequence[ResultEntry], rules: Rules
) -> dict[int, EnteredResult | BridgeError]:
    """The same for many at once, ``{number: what became of it}``. One that is refused stops no
    other."""
    numbers = [each.number for each in entries]
    stored = enrolments.enrolments(tx, numbers)
    courses = offerings.offerings(tx, {each.offering_id for each in stored.values()})
    known = results.results_of(tx, numbers)
    ids = [result_id for result_id, _ in known.values()]
    owners = source_links.sources(tx, Kind.RESULT, ids)
    revisions = results.revisions(tx, ids)
    found: dict[int, EnteredResult | BridgeError] = {}
    records: dict[int, Result] = {}
    for entry in entries:
        place = stored.get(entry.number)
        result_id = known[entry.number][0] if entry.number in known else None
        try:
            if place is None or courses[place.offering_id].centre != context.centre.code:
                raise no_such_registration()
            if place.record.status not in IN_COURSE:
                said = f"The learner is {place.record.status}, not in the course."
                raise NotNow("not-enrolled", said)
            if result_id is not None:
                _refuse_owner(Kind.RESULT, owners.get(result_id), context.centre.system)
                if entry.revision not in (None, revisions[result_id]):
                    raise changed_meanwhile()
        except BridgeError as error:
            found[entry.number] = error
        else:
            records[entry.number] = Result(
                place.record.learner, place.record.offering, **entry.fields
            )
    new = [(number, record) for number, record in records.items() if number not in known]
    result_ids = {number: known[number][0] for number in records if number in known}
    results.change_results(tx, {id_: records[number] for number, id_ in result_ids.items()})
    added = results.add_results(tx, new)
    result_ids |= {number: id_ for (number, _), id_ in zip(new, added, strict=True)}
    desire_results(
        tx, context.centre.code, {result_ids[number]: each for number, each in records.items()}
    )
    for number, record in records.items():
        before = known[number][1] if number in known else None
        context.note(
            Kind.RESULT,
            API,
            Action.CREATE if before is None else Action.UPDATE,
            record_id=result_ids[number],
            external_id=f"{record.offering}/{record.learner}",
            fields=difference(document(before), document(record)) if before else None,
        )
        warnings = check_result(record, rules)
        found[number] = EnteredResult(result_ids[number], record, warnings)
    return found
