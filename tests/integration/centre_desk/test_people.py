"""A coordinator chooses applicants, confirms payments, and reads who is in a course."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Enrolment, EnrolmentStatus, Learner
from lms_bridge.domain.roles import Role
from lms_bridge.store import enrolments, learners, leases, offerings
from lms_bridge.store.database import Database
from lms_bridge.store.registration_forms import keep_answers
from lms_bridge.store.run_tables import item, run
from lms_bridge.store.tables import enrolment
from lms_bridge.sync.run import RUN_LEASE
from tests.databases import BOTH
from tests.integration.accounts.browser import ORIGIN
from tests.integration.centre_desk.conftest import Browser
from tests.operators import own_field

PEOPLE = "/my-centre/AFR/people/AFR-1"
A, P = EnrolmentStatus.APPLIED, EnrolmentStatus.SELECTED


def register(
    database: Database, status: EnrolmentStatus, many: int, seats: int | None = None
) -> list[int]:
    """Numbers of new registrations in AFR-1, which has so many seats; three people are in it."""
    with database.writing() as tx:
        offering_id, record = offerings.offerings_by_code(tx, ["AFR-1"])["AFR-1"]
        offerings.change_offerings(tx, {offering_id: replace(record, seats=seats)})
        first = tx.scalar(select(func.count()).select_from(enrolment)) or 0
        people = [
            Learner(f"N{each}", f"Sample{each}", "Applicant", f"n{each}@example.org")
            for each in range(first, first + many)
        ]
        rows = [
            (id_, offering_id, Enrolment(person.academy_id, "AFR-1", status))
            for id_, person in zip(learners.add_learners(tx, people), people, strict=True)
        ]
        return enrolments.add_enrolments(tx, rows)


def act(browser: FlaskClient, action: str, chosen: list[str], group: str) -> TestResponse:
    form = {**own_field(browser), "action": action, "group": group, "chosen": chosen}
    return browser.post(PEOPLE, data=form, headers={"Origin": ORIGIN})


def boxes(page: TestResponse) -> list[str]:
    return re.findall(r'name="chosen" value="([\d.]+)"', page.text)


def statuses(database: Database, numbers: list[int]) -> list[EnrolmentStatus]:
    with database.reading() as tx:
        found = enrolments.enrolments(tx, numbers)
    return [found[number].record.status for number in numbers]


@BOTH
def test_applicants_are_chosen_in_bulk_and_each_has_an_outcome(
    browser: Browser, database: Database
) -> None:
    numbers = register(database, A, 4, seats=5)
    with database.writing() as tx:
        keep_answers(tx, numbers[0], {"Why?": "To <learn>"})
    coordinator = browser()
    page = coordinator.get(PEOPLE, query_string={"group": "applicants", "all": "1"})
    assert "To &lt;learn&gt;" in page.text
    assert "Seats left: 2 of 5" in page.text
    assert page.text.count(" checked") == 4
    chosen = boxes(page)
    answer = act(coordinator, "select", chosen[:3], "applicants")
    assert statuses(database, numbers) == [P, P, A, A]  # a paid course; two seats were left
    assert "Done: 2" in answer.text
    assert "Not done: 1" in answer.text
    assert "All seats of the offering are taken: 5." in answer.text
    again = act(coordinator, "select", chosen[:2], "applicants")
    assert "Was so already: 2" in again.text
    answer = act(coordinator, "reject", chosen[2:], "applicants")
    assert statuses(database, numbers)[2:] == [EnrolmentStatus.REJECTED] * 2
    late = act(coordinator, "select", chosen[3:], "applicants")  # of a page that is older
    assert "Not done: 1" in late.text
    assert "changed since you read it" in late.text
    assert statuses(database, numbers[3:]) == [EnrolmentStatus.REJECTED]
    with database.reading() as tx:
        lines = tx.execute(
            select(item.c.state, run.c.requested_by)
            .join(run, run.c.id == item.c.run_id)
            .where(item.c.record_id == numbers[3])
        ).all()
    assert [row.state for row in lines] == ["applied", "refused"]
    assert all(row.requested_by for row in lines)


def test_payments_are_confirmed_and_the_places_say_what_they_wait_for(
    browser: Browser, database: Database
) -> None:
    numbers = register(database, EnrolmentStatus.INVOICED, 2)
    coordinator = browser()
    page = coordinator.get(PEOPLE, query_string={"group": "payments"})
    assert page.text.count("Waits for the payment.") == 2
    act(coordinator, "confirm_payment", boxes(page)[:1], "payments")
    assert statuses(database, numbers) == [EnrolmentStatus.ENROLLED, EnrolmentStatus.INVOICED]
    page = coordinator.get(PEOPLE)
    assert "The next run sends it to your LMS." in page.text
    assert "It is not certain which account at your LMS is theirs." in page.text


def test_many_people_are_found_by_words_and_read_page_by_page(
    browser: Browser, database: Database
) -> None:
    register(database, A, 120)
    coordinator = browser()
    page = coordinator.get(PEOPLE, query_string={"group": "applicants"})
    assert "Tick all that match: 120" in page.text
    everybody = coordinator.get(PEOPLE, query_string={"group": "applicants", "all": "many"})
    assert everybody.text.count(" checked") == len(boxes(everybody)) == 120
    seen = boxes(page)
    while more := re.search(r'<a rel="next" href="([^"]+)"', page.text):
        page = coordinator.get(more[1].replace("&amp;", "&"))
        seen += boxes(page)
    assert len(set(seen)) == len(seen) == 120
    found = coordinator.get(PEOPLE, query_string={"text": "sample7 n7@"})
    assert found.text.count('<th scope="row"') == 1
    table = coordinator.get(PEOPLE, query_string={"format": "csv", "group": "applicants"})
    assert table.mimetype == "text/csv"
    assert len(table.text.splitlines()) == 121
    assert "Nobody fits." in coordinator.get(PEOPLE, query_string={"text": "zzz"}).text


@pytest.mark.parametrize("chosen", [[], ["x"], ["999999.1"], ["1.1", "1.1"]])
def test_a_form_that_names_nobody_of_the_course_changes_nothing(
    browser: Browser, database: Database, chosen: list[str]
) -> None:
    (number,) = register(database, A, 1)
    answer = act(browser(), "select", chosen, "applicants")
    assert answer.status_code in (200, 422)
    assert "Done: 1" not in answer.text
    assert statuses(database, [number]) == [A]


def test_while_the_centre_is_synced_nothing_is_lost(browser: Browser, database: Database) -> None:
    numbers = register(database, A, 2)
    with database.writing() as tx:
        leases.take(tx, f"{RUN_LEASE}AFR", "another process", utc_now(), 60)
    answer = act(browser(), "select", [f"{numbers[1]}.1"], "applicants")
    assert answer.status_code == 503
    assert "being synced" in answer.text
    assert re.findall(r'value="(\d+).1" checked', answer.text) == [str(numbers[1])]
    assert statuses(database, numbers) == [A, A]


def test_an_instructor_reads_the_roster_and_decides_nothing(
    browser: Browser, database: Database
) -> None:
    (number,) = register(database, A, 1)
    instructor = browser(role=Role.INSTRUCTOR)
    page = instructor.get(PEOPLE, query_string={"group": "applicants"})
    assert "Applicant" in page.text
    assert 'href="/my-centre"' in page.text
    assert boxes(page) == []
    assert act(instructor, "select", [f"{number}.1"], "applicants").status_code == 403
    foreign = browser("ARB")
    assert foreign.get(PEOPLE).status_code == 404
    assert foreign.get("/my-centre/ARB/people/AFR-1").status_code == 404
    assert browser("ARB", Role.INSTRUCTOR).get("/my-centre/ARB/results/AFR-1").status_code == 404
