"""Certificates of a whole course, released at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from lms_bridge.domain.errors import NotFound, NotNow, Refused
from lms_bridge.domain.lifecycle import EnrolmentAction
from lms_bridge.domain.model import EnrolmentStatus
from lms_bridge.store import enrolments, results
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.enrolment_actions import EnrolmentChange, change_enrolment
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


_S = EnrolmentStatus
_UNDER_WAY = frozenset({_S.ENROLLED, _S.STARTED, _S.NOT_COMPLETED})


def certify(
    tx: Connection, context: RunContext, code: str, learners: Collection[str] = ()
) -> list[CertificateRow]:
    """Releases the certificates of those who completed an offering, or of the named learners alone.
    A completion that the LMS reported counts. Asked for twice, it changes nothing more. One refused
    row stops no other.

    Raises:
        NotFound: the centre has no such offering.
    """
    record_id, _ = find_offering(tx, context.centre.code, code)
    stored = enrolments.enrolments_in(tx, [record_id], shown=True)
    completed = {
        number for number, (_, result) in results.results_of(tx, stored).items() if result.completed
    }
    by_learner = {each.record.learner: each for each in stored.values()}
    named = sorted(learners) or [
        name for name, each in sorted(by_learner.items()) if _is_due(each, completed)
    ]
    return list(_rows(tx, context, named, by_learner, completed))


def _is_due(each: StoredEnrolment, completed: Collection[int]) -> bool:
    status = each.record.status
    return status in (_S.COMPLETED, _S.CERTIFIED) or (status in _UNDER_WAY and each.id in completed)


def _rows(
    tx: Connection,
    context: RunContext,
    named: Collection[str],
    by_learner: dict[str, StoredEnrolment],
    completed: Collection[int],
) -> Iterator[CertificateRow]:
    for name in named:
        each = by_learner.get(name)
        if each is None:
            message = "The learner is not registered in the offering."
            yield CertificateRow(
                name, 0, CertificateOutcome.REFUSED, "no-such-registration", message
            )
        elif each.record.status is _S.CERTIFIED:
            yield CertificateRow(name, each.id, CertificateOutcome.ALREADY)
        else:
            yield _release(tx, context, each, reported=each.id in completed)


def _release(
    tx: Connection, context: RunContext, each: StoredEnrolment, *, reported: bool
) -> CertificateRow:
    learner, number = each.record.learner, each.id
    try:
        with context.savepoint(tx):
            if reported and each.record.status in _UNDER_WAY:
                change_enrolment(tx, context, EnrolmentChange(number, EnrolmentAction.COMPLETE))
            change_enrolment(tx, context, EnrolmentChange(number, EnrolmentAction.CERTIFY))
    except (NotFound, NotNow, Refused) as error:
        return CertificateRow(
            learner, number, CertificateOutcome.REFUSED, error.code, error.message
        )
    return CertificateRow(learner, number, CertificateOutcome.CERTIFIED)
