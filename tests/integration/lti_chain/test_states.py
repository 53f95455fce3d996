"""Who may go in, and what the others are told: every state of enrolments and offerings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from lms_bridge.domain.model import Enrolment, EnrolmentStatus, Modality, Offering, OfferingStatus
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform.enrolment_access import check_enrolment_open
from lms_bridge.settings import LtiSettings
from tests.integration.lti_chain.chain import Chain, ago

E, S = EnrolmentStatus, OfferingStatus
OPEN = "open"
OF_ENROLMENTS = {
    E.REGISTERED: "place-registered",
    E.APPLIED: "place-applied",
    E.SELECTED: "place-registered",
    E.REJECTED: "place-rejected",
    E.INVOICED: "place-registered",
    E.ENROLLED: OPEN,
    E.STARTED: OPEN,
    E.COMPLETED: OPEN,
    E.NOT_COMPLETED: OPEN,
    E.CERTIFIED: OPEN,
    E.WITHDRAWN: "place-withdrawn",
    E.CANCELLED: "place-cancelled",
}
UNPAID = (E.REGISTERED, E.SELECTED, E.INVOICED)
OF_OFFERINGS = {
    S.PLANNED: "offering-hidden",
    S.SUBMITTED: "offering-planned",
    S.REVIEWED: "offering-planned",
    S.PUBLISHED: OPEN,
    S.RUNNING: OPEN,
    S.DELIVERED: OPEN,
    S.REPORTED: OPEN,
    S.CLOSED: OPEN,
    S.POSTPONED: "offering-postponed",
    S.CANCELLED: "offering-cancelled",
}


def outcome(chain: Chain, **options: Any) -> str:
    """The code of the page, or ``open`` where the learner was sent on."""
    page = chain.click(**options)
    if page.status == 303:
        return OPEN
    assert page.status == 403
    assert "Spectre &amp; réglementation" in page.text  # the page names the offering
    return page.code


def test_every_status_is_in_the_tables() -> None:
    assert set(OF_ENROLMENTS) == set(E)
    assert set(OF_OFFERINGS) == set(S)


def test_every_enrolment_status_opens_or_refuses_a_launch(chain: Chain) -> None:
    for price in (None, Decimal(0), Decimal(150)):
        chain.set_offering(price=price)
        for status, expected in OF_ENROLMENTS.items():
            chain.set_enrolment(status=status)
            paid = bool(price) and status in UNPAID
            assert outcome(chain) == ("place-unpaid" if paid else expected), (price, status)
    assert outcome(chain, learner="acad-5") == "not-enrolled"


def test_every_offering_status_opens_or_refuses_a_launch(chain: Chain) -> None:
    for status, expected in OF_OFFERINGS.items():
        chain.set_offering(status=status)
        assert outcome(chain) == expected, status
        of_strangers = {OPEN: "not-enrolled", "offering-hidden": "offering-planned"}
        stranger = of_strangers.get(expected, expected)
        assert outcome(chain, learner="acad-5") == stranger, status


@pytest.mark.parametrize(
    ("offering", "enrolment", "expected"),
    [
        ({}, {}, OPEN),
        ({"starts_at": ago(hours=-1)}, {}, "not-begun"),
        ({"starts_at": ago(hours=-1)}, {"starts_at": ago(hours=1)}, OPEN),
        ({"starts_at": ago(hours=1)}, {"starts_at": ago(hours=-1)}, "not-begun"),
        ({"ends_at": ago(days=29)}, {}, OPEN),
        ({"ends_at": ago(days=31)}, {}, "course-over"),
        ({"ends_at": ago(days=31), "modality": Modality.SELF_PACED}, {}, OPEN),
        ({"ends_at": ago(days=31)}, {"ends_at": ago(hours=-1)}, OPEN),
        ({"ends_at": ago(days=-9)}, {"ends_at": ago(hours=1)}, "course-over"),
        ({"starts_at": None, "ends_at": None}, {}, OPEN),
    ],
)
def test_a_launch_is_refused_before_and_after_its_times(
    chain: Chain, offering: dict[str, Any], enrolment: dict[str, Any], expected: str
) -> None:
    if offering:
        chain.set_offering(**offering)
    if enrolment:
        chain.set_enrolment(**enrolment)
    assert outcome(chain) == expected


def test_times_are_shown_in_utc_and_in_the_offerings_zone(chain: Chain) -> None:
    starts = datetime(2199, 3, 2, 5, 30, tzinfo=UTC)
    chain.set_offering(starts_at=starts, time_zone="Africa/Nairobi")
    page = chain.click()
    assert "2 mars 2199, 05:30 UTC" in page.text
    assert "2 mars 2199, 08:30" in page.text
    assert "Africa/Nairobi" in page.text
    chain.set_offering(starts_at=None, ends_at=ago(days=400), time_zone="UTC")
    page = chain.click()
    assert page.text.count("<time") == 1


def test_a_launch_is_refused_when_its_place_was_lost_meanwhile(chain: Chain) -> None:
    """The state counts when the tool is told, not when the learner clicked."""
    page = chain.click()
    chain.set_enrolment(status=E.WITHDRAWN)
    answer = chain.browser.post(f"{chain.world.address}/lti/authentication", chain.request_of(page))
    assert (answer.status, answer.code) == (403, "place-withdrawn")
    assert "frame-ancestors *" in answer.headers["Content-Security-Policy"]
    chain.set_enrolment(status=E.ENROLLED)
    chain.arrive(page)  # a refusal uses nothing up


def test_the_settings_widen_the_times_of_a_launch() -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    settings = LtiSettings(open_before_hours=2, open_after_days=1)
    offering = Offering("A", "ONE", "C", "Title", starts_at=now + timedelta(hours=2))
    enrolment = Enrolment("acad-1", "A", E.ENROLLED)
    check_enrolment_open(enrolment, offering, now, settings)
    later = replace(offering, starts_at=now + timedelta(hours=2, seconds=1))
    with pytest.raises(LtiRefused) as refused:
        check_enrolment_open(enrolment, later, now, settings)
    assert refused.value.opens == now + timedelta(seconds=1)
    over = replace(offering, starts_at=None, ends_at=now - timedelta(days=1))
    with pytest.raises(LtiRefused) as refused:
        check_enrolment_open(enrolment, over, now, settings)
    assert (refused.value.code, refused.value.closed) == ("course-over", now)
