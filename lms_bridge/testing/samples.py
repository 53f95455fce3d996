"""Sample records, and what of them may stand in no error and no log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from lms_bridge.domain.desired_state import (
    GONE,
    enrolment_document,
    learner_document,
    offering_document,
    result_document,
)
from lms_bridge.domain.model import (
    Enrolment,
    EnrolmentStatus,
    Learner,
    Meeting,
    Modality,
    Offering,
    Result,
)
from lms_bridge.domain.ports import Action, WriteRequest

CENTRE = "SAMPLE"
REFUSED = "SAMPLE-refused"
"""The code of the offering, or the id of the learner, that ``Fault.ROW`` is about."""
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def learner(name: str) -> Learner:
    """A person whose names and address are found again wherever they leak to."""
    return Learner(
        academy_id=name,
        given_name=f"Given{name}",
        family_name="Leakage-Sample",
        email=f"{name.lower()}@leak.example.org",
        language="fr",
        country="SN",
    )


PRIVATE = ("leak.example.org", "Leakage-Sample")
"""Parts of every sample person's data."""


def learner_fields(name: str) -> Mapping[str, str]:
    """The same person in the fields of ``LearnerSchema``."""
    person = learner(name)
    return {
        "id": person.academy_id,
        "given_name": person.given_name,
        "family_name": person.family_name,
        "email": person.email,
        "language": person.language,
        "country": person.country,
    }


def offering(code: str, title: str = 'Spectrum; monitoring, "basics"\nFrançais') -> Offering:
    """An offering whose every field is worth writing; texts are hard on naive formats."""
    return Offering(
        code=code,
        centre=CENTRE,
        course_code="SPM-1",
        title=title.replace("\n", " "),
        modality=Modality.BLENDED,
        starts_at=START,
        ends_at=START + timedelta(days=11),
        time_zone="Africa/Nairobi",
        hours=Decimal("24.5"),
        price=Decimal(150),
        currency="USD",
        topics=("Spectrum management", "Policy; regulation"),
        languages=("en", "ar"),
        description="=1+1 is no formula here",
        meetings=(Meeting(START, START + timedelta(hours=2), "Room 4; first floor"),),
    )


def offering_request(key: int, record: Offering, *, is_retry: bool = False) -> WriteRequest:
    return WriteRequest(key, Action.CREATE, "", offering_document(record), is_retry=is_retry)


def removal_request(key: int, code: str) -> WriteRequest:
    return WriteRequest(key, Action.REMOVE, code, {**GONE, "code": code}, ("state",))


def result_request(
    key: int, offering_id: str, name: str, score: str, *, is_retry: bool = False
) -> WriteRequest:
    record = Result(name, offering_id, Decimal(score), completed=True, graded_at=START)
    desired = {**result_document(record), "offering": offering_id, "account": name}
    return WriteRequest(key, Action.CREATE, "", desired, is_retry=is_retry)


def learner_request(key: int, name: str, *, is_retry: bool = False) -> WriteRequest:
    return WriteRequest(key, Action.CREATE, "", learner_document(learner(name)), is_retry=is_retry)


def enrolment_request(
    key: int,
    offering_id: str,
    account: str,
    *,
    action: Action = Action.CREATE,
    is_retry: bool = False,
) -> WriteRequest:
    """A request to enrol at once and without an end, or to take somebody out."""
    if action is Action.REMOVE:
        document = dict(GONE)
    else:
        record = Enrolment(account, offering_id, EnrolmentStatus.ENROLLED)
        document = enrolment_document(record, Offering(offering_id, CENTRE, "", "A course"))
    external_id = "" if action is Action.CREATE else f"{offering_id}/{account}"
    desired = {**document, "offering": offering_id, "account": account}
    return WriteRequest(key, action, external_id, desired, ("state",), is_retry)
