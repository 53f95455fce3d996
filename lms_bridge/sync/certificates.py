"""Certificates of a whole course, released at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.errors import NotFound, NotNow, Refused
from lms_bridge.domain.lifecycle import COMPLETED, ENROLMENT_MOVES, EnrolmentAction
from lms_bridge.domain.model import EnrolmentStatus, Kind
from lms_bridge.store import enrolments, results
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.sync.context import API, Asked, RunContext
from lms_bridge.sync.enrolment_actions import (
    ACADEMY_CERTIFIES,
    EnrolmentChange,
    change_enrolment,
    kept_by_academy,
)
from lms_bridge.sync.offering_actions import find_offering


class CertificateOutcome(StrEnum):
    CERTIFIED = "certified"
    ALREADY = "already_certified"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """What became of one learner. ``number`` is that of the registration; 0: there is none."""

    learner: str
    number: int
    outcome: CertificateOutcome
    code: str = ""
    message: str = ""


_MAY_COMPLETE = ENROLMENT_MOVES[EnrolmentAction.COMPLETE].keys()


AT_ONCE = 100
"""Certificates of one transaction, so that others need not wait long to write."""


def certify(context: RunContext, code: str, learners: Collection[str] = ()) -> list[CertificateRow]:
    """Releases the certificates of those who completed an offering, or of the named learners alone.
    A completion that the LMS reported counts. One refused row stops no other.

    It goes part by part. If it breaks off, the parts before stay, and it can be asked for again:
    who has a certificate is listed as such.

    Raises:
        NotFound: the centre has no such offering.
    """
    context.asked = Asked(Kind.OFFERING, "certify", code)
    with context.database.reading() as tx:
        record_id, _ = find_offering(tx, context.centre.code, code)
        stored = enrolments.enrolments_in(tx, [record_id], shown=True)
        completed = _completed(tx, stored)
        numbers = {each.record.learner: number for number, each in stored.items()}
        due = (name for name, number in numbers.items() if _is_due(stored[number], completed))
        named = sorted(set(learners) or due)
    rows: list[CertificateRow] = []
    for part in chunks(named, AT_ONCE):
        with context.writing() as tx:
            mine = [numbers[name] for name in part if name in numbers]
            known = enrolments.enrolments(tx, mine)  # somebody may have changed them meanwhile
            by_learner = {each.record.learner: each for each in known.values()}
            rows += _rows(tx, context, part, by_learner, _completed(tx, known))
    counted = Counter(str(each.outcome) for each in rows)
    with context.writing():  # each certificate has a line of its own; this one says who asked
        context.note(
            *(Kind.OFFERING, API, "certify"),
            record_id=record_id,
            external_id=code,
            fields={outcome: (None, number) for outcome, number in counted.items()},
        )
    return rows


def _completed(tx: Connection, stored: Collection[int]) -> set[int]:
    """Numbers of the registrations whose learners completed, as their results say."""
    return {
        number for number, (_, result) in results.results_of(tx, stored).items() if result.completed
    }


def _is_due(each: StoredEnrolment, completed: Collection[int]) -> bool:
    status = each.record.status
    return status in COMPLETED or (status in _MAY_COMPLETE and each.id in completed)


def _rows(
    tx: Connection,
    context: RunContext,
    named: Collection[str],
    by_learner: dict[str, StoredEnrolment],
    completed: Collection[int],
) -> Iterator[CertificateRow]:
    elsewhere = kept_by_academy(tx, [each.id for each in by_learner.values()])
    for name in named:
        each = by_learner.get(name)
        if each is None:
            message = "The learner is not registered in the offering."
            yield CertificateRow(
                name, 0, CertificateOutcome.REFUSED, "no-such-registration", message
            )
        elif each.record.status is EnrolmentStatus.CERTIFIED:
            yield CertificateRow(name, each.id, CertificateOutcome.ALREADY)
        elif each.id in elsewhere:
            yield CertificateRow(
                name, each.id, CertificateOutcome.REFUSED, "academy-certifies", ACADEMY_CERTIFIES
            )
        else:
            yield _release(tx, context, each, reported=each.id in completed)


def _release(
    tx: Connection, context: RunContext, each: StoredEnrolment, *, reported: bool
) -> CertificateRow:
    learner, number = each.record.learner, each.id
    try:
        with context.savepoint(tx):
            if reported and each.record.status in _MAY_COMPLETE:
                change_enrolment(tx, context, EnrolmentChange(number, EnrolmentAction.COMPLETE))
            change_enrolment(tx, context, EnrolmentChange(number, EnrolmentAction.CERTIFY))
    except (NotFound, NotNow, Refused) as error:
        context.note_refusal(error)
        return CertificateRow(
            learner, number, CertificateOutcome.REFUSED, error.code, error.message
        )
    return CertificateRow(learner, number, CertificateOutcome.CERTIFIED)
