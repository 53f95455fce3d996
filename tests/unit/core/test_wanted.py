"""What each target is to hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

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
    Offering,
    OfferingStatus,
    Result,
)

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
OFFERING = Offering("SAMPLE-a", "SAMPLE", "C1", "Spectrum", starts_at=START)
ENROLMENT = Enrolment("SAMPLE-1", "SAMPLE-a", EnrolmentStatus.ENROLLED)
SHOWN = {"published", "running", "delivered", "reported", "closed", "postponed"}
PLACES = {"enrolled", "started", "completed", "not_completed", "certified"}


@pytest.mark.parametrize("status", list(OfferingStatus))
def test_the_public_sees_what_is_published(status: OfferingStatus) -> None:
    made = offering_document(replace(OFFERING, status=status))
    if status in SHOWN:
        assert (made["state"], made["status"], made["code"]) == ("active", status, "SAMPLE-a")
        assert "listed" not in made
    else:
        assert made == GONE


def test_an_unlisted_offering_is_removed() -> None:
    assert offering_document(replace(OFFERING, listed=False)) == GONE


@pytest.mark.parametrize("status", list(EnrolmentStatus))
def test_only_some_statuses_have_a_place_in_the_course(status: EnrolmentStatus) -> None:
    made = enrolment_document(replace(ENROLMENT, status=status), OFFERING)
    if status in PLACES:
        assert made == {
            "state": "active",
            "starts_at": "2026-03-02T06:00:00Z",
            "ends_at": None,
            "group": "",
        }
    else:
        assert made == GONE


def test_an_enrolment_has_its_own_times_and_its_edition() -> None:
    later = datetime(2026, 3, 9, 6, tzinfo=UTC)
    made = enrolment_document(
        replace(ENROLMENT, starts_at=later, ends_at=later), replace(OFFERING, lms_course="SPM")
    )
    assert made == {
        "state": "active",
        "starts_at": "2026-03-09T06:00:00Z",
        "ends_at": "2026-03-09T06:00:00Z",
        "group": "SAMPLE-a",
    }
    assert enrolment_document(ENROLMENT, replace(OFFERING, starts_at=None))["starts_at"] is None


def test_gone_cannot_be_changed_by_a_reader() -> None:
    offering_document(replace(OFFERING, listed=False))["state"] = "spoilt"
    enrolment_document(replace(ENROLMENT, status=EnrolmentStatus.WITHDRAWN), OFFERING)["x"] = 1
    assert GONE == {"state": "removed"}


def test_people_and_results_are_sent_whole() -> None:
    person = learner_document(Learner("SAMPLE-1", "Ana", "Person", "ana@example.org"))
    assert person["state"] == "active"
    assert person["academy_id"] == "SAMPLE-1"
    zero = result_document(Result("SAMPLE-1", "SAMPLE-a", Decimal("0.0")))
    none = result_document(Result("SAMPLE-1", "SAMPLE-a"))
    assert (zero["score"], none["score"]) == ("0", None)
