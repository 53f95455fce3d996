"""The lives of offerings and enrolments: whatever people try, the rules hold."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lms_bridge.domain.errors import NotNow, Refused
from lms_bridge.domain.lifecycle import (
    ENROLMENT_MOVES,
    OFFERING_MOVES,
    TAKES_A_SEAT,
    EnrolmentAction,
    EnrolmentPlace,
    OfferingAction,
    by_clock,
    enrolment_actions,
    move_enrolment,
    move_offering,
    next_step,
    possible_enrolment_actions,
)
from lms_bridge.domain.model import (
    EnrolmentStatus,
    Modality,
    Offering,
    OfferingStatus,
    RegistrationType,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SAMPLE = Offering(
    "SAMPLE-1",
    "SAMPLE",
    "C1",
    "Sample course",
    modality=Modality.INSTRUCTOR_LED,
    status=OfferingStatus.PLANNED,
    starts_at=NOW + 30 * DAY,
    ends_at=NOW + 40 * DAY,
)
WORDS = re.findall(r"``(\w+)``", next_step.__doc__ or "")


@given(st.sampled_from(OfferingStatus), st.sampled_from(OfferingAction))
def test_an_action_follows_the_table_or_lists_the_possible_ones(
    status: OfferingStatus, action: OfferingAction
) -> None:
    before = replace(SAMPLE, status=status)
    after = OFFERING_MOVES[action].get(status)
    if action is OfferingAction.CONCLUDE:
        after = None  # time ends a course that has an end
    if after is not None:
        assert move_offering(before, action, NOW) == replace(before, status=after)
        return
    with pytest.raises(NotNow) as raised:
        move_offering(before, action, NOW)
    assert raised.value.code == "offering-not-now"
    allowed = {each for each, moves in OFFERING_MOVES.items() if status in moves}
    assert set(raised.value.allowed) == allowed - {OfferingAction.CONCLUDE}


def test_a_closed_or_cancelled_offering_stays_so() -> None:
    ended = {OfferingStatus.CLOSED, OfferingStatus.CANCELLED}
    assert not any(ended & moves.keys() for moves in OFFERING_MOVES.values())
    assert not enrolment_actions(EnrolmentStatus.CERTIFIED)
    assert not enrolment_actions(EnrolmentStatus.REJECTED)


class OfferingLife(RuleBasedStateMachine):
    """One offering among people who try everything, and the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.offering, self.now = SAMPLE, NOW
        self.deadline: datetime | None = None
        self.seen = {SAMPLE.status}

    @rule(action=st.sampled_from(OfferingAction))
    def act(self, action: OfferingAction) -> None:
        try:
            self.offering = move_offering(self.offering, action, self.now)
        except NotNow:
            return
        self.seen.add(self.offering.status)
        submitted = self.offering.status is OfferingStatus.SUBMITTED
        self.deadline = self.now + 10 * DAY if submitted else None

    @rule(days=st.integers(0, 30))
    def wait(self, days: int) -> None:
        self.now += days * DAY
        status = by_clock(self.offering, self.deadline, self.now)
        self.offering = replace(self.offering, status=status)
        self.seen.add(status)
        if status is OfferingStatus.DELIVERED:
            self.seen.add(OfferingStatus.RUNNING)  # it may have run through between two looks
        assert by_clock(self.offering, self.deadline, self.now) is status

    @invariant()
    def nothing_is_skipped(self) -> None:
        status = self.offering.status
        for later, earlier in (
            (OfferingStatus.REVIEWED, OfferingStatus.SUBMITTED),
            (OfferingStatus.PUBLISHED, OfferingStatus.REVIEWED),
            (OfferingStatus.RUNNING, OfferingStatus.PUBLISHED),
            (OfferingStatus.DELIVERED, OfferingStatus.RUNNING),
            (OfferingStatus.REPORTED, OfferingStatus.DELIVERED),
            (OfferingStatus.CLOSED, OfferingStatus.REPORTED),
        ):
            assert status is not later or earlier in self.seen
        if status is OfferingStatus.RUNNING:
            assert self.now >= (self.offering.starts_at or self.now)
        if status is OfferingStatus.SUBMITTED and self.deadline is not None:
            assert by_clock(self.offering, self.deadline, self.deadline) is OfferingStatus.REVIEWED


TestOfferingLife = OfferingLife.TestCase


def test_silence_until_the_deadline_is_no_objection() -> None:
    submitted = move_offering(SAMPLE, OfferingAction.SUBMIT, NOW)
    assert by_clock(submitted, NOW + DAY, NOW) is OfferingStatus.SUBMITTED
    assert by_clock(submitted, NOW + DAY, NOW + DAY) is OfferingStatus.REVIEWED
    assert by_clock(submitted, None, NOW + 999 * DAY) is OfferingStatus.SUBMITTED


def test_an_offering_that_is_over_is_not_published() -> None:
    reviewed = replace(SAMPLE, status=OfferingStatus.REVIEWED, ends_at=NOW)
    with pytest.raises(NotNow) as raised:
        move_offering(reviewed, OfferingAction.PUBLISH, NOW)
    assert raised.value.code == "offering-is-over"
    self_paced = replace(reviewed, modality=Modality.SELF_PACED)
    published = move_offering(self_paced, OfferingAction.PUBLISH, NOW)
    assert published.status is OfferingStatus.PUBLISHED


class EnrolmentLives(RuleBasedStateMachine):
    """Some learners in one offering, free or paid, direct or by application, with few seats."""

    @initialize(
        price=st.sampled_from([None, Decimal(0), Decimal(150)]),
        registration=st.sampled_from(RegistrationType),
        seats=st.none() | st.integers(0, 2),
    )
    def begin(
        self, price: Decimal | None, registration: RegistrationType, seats: int | None
    ) -> None:
        self.offering = replace(
            SAMPLE,
            status=OfferingStatus.PUBLISHED,
            price=price,
            registration=registration,
            seats=seats if registration is RegistrationType.APPLICATION else None,
        )
        self.now = NOW
        self.learners: dict[int, EnrolmentStatus | None] = dict.fromkeys(range(4))
        self.done: dict[int, set[EnrolmentAction]] = {each: set() for each in range(4)}

    @rule(learner=st.integers(0, 3), action=st.sampled_from(EnrolmentAction))
    def act(self, learner: int, action: EnrolmentAction) -> None:
        taken = sum(status in TAKES_A_SEAT for status in self.learners.values())
        before = self.learners[learner]
        refusal: Refused | None = None
        try:
            after = move_enrolment(before, action, EnrolmentPlace(self.offering, taken, self.now))
        except Refused as error:
            refusal = error
        if isinstance(refusal, NotNow):
            if refusal.code == "enrolment-not-now":
                assert before not in ENROLMENT_MOVES[action]
            place = EnrolmentPlace(self.offering, taken, self.now)
            assert refusal.allowed == possible_enrolment_actions(before, place)
        elif refusal is not None and not isinstance(refusal, NotNow):
            assert refusal.code in {"wrong-registration", "offering-is-free"}
        if refusal is not None:
            return
        self.learners[learner] = after
        if action in (EnrolmentAction.REGISTER, EnrolmentAction.APPLY):
            self.done[learner] = set()  # who comes back begins anew
            assert self.now < (self.offering.starts_at or self.now)
        self.done[learner].add(action)

    @rule(days=st.integers(1, 20))
    def wait(self, days: int) -> None:
        self.now += days * DAY
        status = by_clock(self.offering, None, self.now)
        self.offering = replace(self.offering, status=status)

    @rule(status=st.sampled_from([OfferingStatus.CLOSED, OfferingStatus.PUBLISHED]))
    def end(self, status: OfferingStatus) -> None:
        self.offering = replace(self.offering, status=status)

    @invariant()
    def the_rules_hold(self) -> None:
        for learner, status in self.learners.items():
            done = self.done[learner]
            if status in TAKES_A_SEAT and self.offering.registration is not RegistrationType.DIRECT:
                assert EnrolmentAction.SELECT in done
            launchable = status in (EnrolmentStatus.ENROLLED, EnrolmentStatus.STARTED)
            if launchable and self.offering.price:
                assert EnrolmentAction.CONFIRM_PAYMENT in done
            if status is EnrolmentStatus.CERTIFIED:
                assert {EnrolmentAction.COMPLETE, EnrolmentAction.CERTIFY} <= done
            if not self.offering.price:
                assert status not in (EnrolmentStatus.REGISTERED, EnrolmentStatus.SELECTED)
        if self.offering.seats is not None:
            seated = sum(status in TAKES_A_SEAT for status in self.learners.values())
            assert seated <= self.offering.seats


TestEnrolmentLives = EnrolmentLives.TestCase


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": OfferingStatus.REVIEWED}, "registration-not-open"),
        ({"listed": False}, "registration-not-open"),
        ({"registration_opens": NOW + DAY}, "registration-not-open"),
        ({"registration_closes": NOW}, "registration-closed"),
        ({"starts_at": NOW}, "registration-closed"),
        ({"registration": RegistrationType.APPLICATION}, "wrong-registration"),
    ],
)
def test_registration_is_refused_outside_its_conditions(
    changes: dict[str, object], code: str
) -> None:
    offering = replace(SAMPLE, status=OfferingStatus.PUBLISHED)
    place = EnrolmentPlace(replace(offering, **changes), 0, NOW)  # type: ignore[arg-type]  # any fields
    with pytest.raises(Refused) as raised:
        move_enrolment(None, EnrolmentAction.REGISTER, place)
    assert raised.value.code == code


@pytest.mark.parametrize(("seats", "taken", "free"), [(2, 1, True), (2, 2, False), (0, 0, False)])
def test_nobody_is_selected_beyond_the_seats(seats: int, taken: int, free: bool) -> None:
    place = EnrolmentPlace(replace(SAMPLE, seats=seats), taken, NOW)
    if free:
        after = move_enrolment(EnrolmentStatus.APPLIED, EnrolmentAction.SELECT, place)
        assert after is EnrolmentStatus.ENROLLED
        return
    with pytest.raises(NotNow) as raised:
        move_enrolment(EnrolmentStatus.APPLIED, EnrolmentAction.SELECT, place)
    assert raised.value.code == "no-seat-left"
    assert raised.value.allowed == ("reject", "withdraw", "cancel")


def test_there_is_nothing_to_pay_for_a_free_place() -> None:
    for price in (None, Decimal(0)):
        place = EnrolmentPlace(replace(SAMPLE, price=price), 0, NOW)
        with pytest.raises(Refused) as raised:
            move_enrolment(EnrolmentStatus.SELECTED, EnrolmentAction.INVOICE, place)
        assert raised.value.code == "offering-is-free"


def test_a_certificate_waits_for_the_report() -> None:
    def certify(status: OfferingStatus) -> EnrolmentStatus:
        place = EnrolmentPlace(replace(SAMPLE, status=status), 0, NOW)
        return move_enrolment(EnrolmentStatus.COMPLETED, EnrolmentAction.CERTIFY, place)

    with pytest.raises(NotNow) as raised:
        certify(OfferingStatus.REPORTED)
    assert raised.value.code == "report-not-validated"
    assert certify(OfferingStatus.CLOSED) is EnrolmentStatus.CERTIFIED


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({}, "wait_for_start"),
        ({"starts_at": NOW, "ends_at": NOW + timedelta(days=9)}, "learn"),
        ({"starts_at": NOW - timedelta(days=9), "ends_at": NOW - timedelta(days=1)}, "learn"),
        ({"starts_at": None, "ends_at": None}, "wait_for_start"),
        ({"starts_at": None, "ends_at": None, "modality": Modality.SELF_PACED}, "learn"),
        ({"starts_at": NOW, "status": OfferingStatus.POSTPONED}, "wait_for_start"),
        ({"status": OfferingStatus.RUNNING}, "learn"),
    ],
)
def test_an_enrolled_learner_waits_or_learns(changes: dict[str, Any], reported: str) -> None:
    """Most centres' LMSs say of a course that it is published, and never that it has begun."""
    offering = replace(SAMPLE, **{"status": OfferingStatus.PUBLISHED, **changes})
    assert next_step(EnrolmentStatus.ENROLLED, offering, NOW) == reported


@given(st.sampled_from(EnrolmentStatus), st.sampled_from(OfferingStatus))
def test_every_status_has_its_next_step(status: EnrolmentStatus, of: OfferingStatus) -> None:
    reported = next_step(status, replace(SAMPLE, status=of), NOW)
    assert reported in WORDS
    assert (reported == "pay") == (status is EnrolmentStatus.INVOICED)
    if not enrolment_actions(status):
        assert reported == "none"
