"""A coordinator's pages about offerings: make, change, outline, acts, report."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.model import Offering, OfferingStatus
from lms_bridge.domain.roles import Role
from lms_bridge.store import offerings, reviews
from lms_bridge.store.database import Database
from lms_bridge.store.review_tables import status_change
from lms_bridge.store.run_tables import item, run
from lms_bridge.store.tables import enrolment, link, offering
from lms_bridge.sync.context import FILES
from tests import databases
from tests.integration.accounts.browser import account, hidden, send, signed_in
from tests.integration.centre_desk.conftest import Browser
from tests.integration.web.test_languages import english_words

HOME = "/my-centre/AFR/offerings"
ONE = f"{HOME}/AFR-1"
COURSE = {
    "title": "Sample course of measurement",
    "modality": "blended",
    "level": "advanced",
    "time_zone": "Africa/Nairobi",
    "starts_at": "2041-03-04",
    "starts_at_time": "09:00",
    "ends_at": "2041-03-08",
    "registration": "application",
    "seats": "20",
    "price": "150.00",
    "currency": "usd",
    "payment_methods": "Bank transfer; in two parts\nCash",
    "languages": "en\nfr",
    "topics": "Spectrum",
    "location": "Nairobi",
    "meetings": "2041-03-04 09:00/2041-03-04 12:30 Room 4",
}


def stored(database: Database, code: str = "AFR-1") -> Offering:
    with database.reading() as tx:
        return offerings.offerings_by_code(tx, [code])[code][1]


def filled(page: TestResponse) -> dict[str, str]:
    """The fields of the page's form as a browser would send them."""
    form = page.text.partition('<form class="fill"')[2].partition("</form>")[0]
    found = dict(re.findall(r'<input[^>]* name="(\w+)"[^>]* value="([^"]*)"', form))
    found |= dict(re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>([^<]*)</textarea>', form))
    for name, options in re.findall(
        r'<select[^>]* name="(\w+)"[^>]*>(.*?)</select>', form, re.DOTALL
    ):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return {name: html.unescape(value) for name, value in found.items()}


def made(browser: FlaskClient, more: Mapping[str, str] | None = None) -> str:
    """The code of a new offering."""
    page = browser.get(f"{HOME}/new")
    answer = send(browser, f"{HOME}/new", {**filled(page), **COURSE, **(more or {})})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].partition("/offerings/")[2].partition("?")[0]


@pytest.fixture
def reviewer(desk_app: Flask, database: Database) -> FlaskClient:
    person = account(database, "rev@example.org", Role.REVIEWER, DataScope(region="africa"))
    return signed_in(desk_app, database, person)


@databases.BOTH
def test_a_new_course_is_planned_with_all_its_fields(browser: Browser, database: Database) -> None:
    coordinator = browser()
    code = made(coordinator)
    record = stored(database, code)
    assert record.status is OfferingStatus.PLANNED
    assert record.starts_at == datetime(2041, 3, 4, 6, 0, tzinfo=UTC)
    assert record.ends_at == datetime(2041, 3, 8, 20, 59, 59, tzinfo=UTC)
    assert (record.price, record.currency, record.seats) == (Decimal(150), "USD", 20)
    assert record.payment_methods == ("Bank transfer; in two parts", "Cash")
    assert record.languages == ("en", "fr")
    assert record.meetings[0].place == "Room 4"
    page = coordinator.get(f"{HOME}/{code}").text
    assert "Write the outline, and send it for review." in page
    assert "/catalogue/" not in page.partition("<main")[2]
    assert code in coordinator.get("/my-centre/AFR/schedule?when=all").text
    with database.reading() as tx:
        lines = tx.execute(
            select(run.c.requested_by, item.c.action)
            .join(item, item.c.run_id == run.c.id)
            .where(item.c.external_id.like("page-%"))
        ).all()
    assert [(by.startswith("account "), action) for by, action in lines] == [(True, "create")]


def test_the_same_new_form_twice_makes_one_course(browser: Browser, database: Database) -> None:
    coordinator = browser()
    form = {**filled(coordinator.get(f"{HOME}/new")), **COURSE}
    first, second = (send(coordinator, f"{HOME}/new", form) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    changed = send(coordinator, f"{HOME}/new", {**form, "title": "Another title"})
    assert changed.status_code == 409  # by the browser's back button
    assert 'value="Another title"' in changed.text
    with database.reading() as tx:
        titles = [each.title for each in offerings.offerings_of(tx, "AFR").values()]
    assert titles.count(COURSE["title"]) == 1
    assert "Another title" not in titles


def test_an_id_of_the_centres_own_schedule_is_its_own_once(
    browser: Browser, database: Database
) -> None:
    coordinator = browser()
    made(coordinator, {"id": "SPM-1"})
    form = {**filled(coordinator.get(f"{HOME}/new")), **COURSE, "id": "SPM-1", "title": "Other"}
    answer = send(coordinator, f"{HOME}/new", form)
    assert answer.status_code == 422
    assert '<a href="#field-id">Id: Another course has this id.</a>' in answer.text
    foreign = send(coordinator, f"{HOME}/new", {**form, "id": "ARB-1"})
    assert foreign.status_code == 422
    assert stored(database, "ARB-1").title != "Other"


def test_each_error_links_to_its_field_and_nothing_typed_is_lost(
    browser: Browser, database: Database
) -> None:
    coordinator = browser()
    wrong = {
        **COURSE,
        "title": "",
        "time_zone": "Africa/Nairobi",
        "price": "1.200,00",
        "currency": "XYZ",
        "seats": "many",
        "languages": "no language!",
        "meetings": "some day",
        "description": 'Kept "as it is" <b>',
    }
    answer = send(coordinator, f"{HOME}/new", {**filled(coordinator.get(f"{HOME}/new")), **wrong})
    assert answer.status_code == 422
    for name in ("title", "price", "currency", "seats", "languages", "meetings"):
        assert f'href="#field-{name}"' in answer.text, name
        assert f'id="field-{name}"' in answer.text, name
    again = filled(answer)
    assert {name: again[name] for name in wrong} == wrong
    late = {**again, **COURSE, "ends_at": "2041-03-01"}
    answer = send(coordinator, f"{HOME}/new", late)
    assert '<a href="#field-ends_at">Ends: This is before the beginning.</a>' in answer.text
    assert made(coordinator, {**late, **COURSE})


BAD = {
    "title": ["", "a" * 3_000],
    "course_code": ["a" * 3_000],
    "modality": ["by_pigeon"],
    "level": ["x"],
    "languages": ["no language!"],
    "topics": ["a" * 3_000, "\n".join(map(str, range(3_000)))],
    "hours": ["many", "-1", "1e999"],
    "time_zone": ["", "Mars/Base"],
    "starts_at": ["31/02/2041", "9999-99-99"],
    "ends_at": ["x"],
    "location": ["a" * 3_000],
    "meetings": ["some day", "2041-03-02 12:00/2041-03-02 09:00"],
    "registration": ["maybe"],
    "registration_opens": ["x"],
    "registration_closes": ["x"],
    "seats": ["many", "2.5", "-3", "99999999999"],
    "price": ["1.200,00", "-5", "free"],
    "currency": ["XYZ"],
    "payment_methods": ["a" * 3_000],
    "description": ["a" * 200_000],
    "audience": ["a" * 200_000],
    "requirements": ["a" * 200_000],
    "objectives": ["a" * 200_000],
    "coordinators": ["a" * 3_000],
    "organisers": ["a" * 3_000],
    "address": ["javascript:alert(1)", "https://me:secret@example.org", "a" * 3_000],
    "lms_course": ["a" * 3_000],
}


@pytest.mark.parametrize("name", BAD)
def test_each_error_names_its_field_and_says_what_is_wrong(browser: Browser, name: str) -> None:
    coordinator = browser()
    empty = filled(coordinator.get(f"{HOME}/new"))
    for value in BAD[name]:
        answer = send(coordinator, f"{HOME}/new", {**empty, **COURSE, name: value})
        assert answer.status_code == 422, value[:40]
        found = re.search(rf'<a href="#field-{name}">[A-Z][^<]*: [A-Z][^<]+</a>', answer.text)
        assert found, value[:40]
        assert "This cannot be used." not in answer.text, value[:40]


def test_what_nobody_touched_keeps_its_value(browser: Browser, database: Database) -> None:
    coordinator = browser()
    code = made(coordinator)
    with database.writing() as tx:
        record_id, record = offerings.offerings_by_code(tx, [code])[code]
        odd = replace(
            record,
            topics=("One; two",),
            registration_opens=datetime(2040, 1, 1, 5, 30, 7, tzinfo=UTC),
            translations={"fr": {"title": "Cours"}},
        )
        offerings.change_offerings(tx, {record_id: odd})
    page = coordinator.get(f"{HOME}/{code}/edit")
    form = {**filled(page), "title": "A better title"}
    assert send(coordinator, f"{HOME}/{code}/edit", form).status_code == 303
    assert stored(database, code) == replace(odd, title="A better title")
    moved = {**filled(coordinator.get(f"{HOME}/{code}/edit")), "time_zone": "Africa/Lagos"}
    assert send(coordinator, f"{HOME}/{code}/edit", moved).status_code == 303
    assert stored(database, code).starts_at == datetime(2041, 3, 4, 8, 0, tzinfo=UTC)


def test_two_people_at_one_course_lose_nothing(browser: Browser, database: Database) -> None:
    one = browser()
    code = made(one)
    path = f"{HOME}/{code}/edit"
    mine = {**filled(one.get(path)), "title": "My title", "location": "My place"}
    theirs = {**filled(one.get(path)), "location": "Their place", "price": "99"}
    sent = send(one, path, theirs)
    assert sent.status_code == 303, sent.text.partition("<main")[2][:3000]
    answer = send(one, path, mine)
    assert answer.status_code == 409
    assert "Somebody else changed this course meanwhile" in answer.text
    assert '<ins dir="auto">Their place</ins>' in answer.text
    form = filled(answer)
    assert (form["title"], form["location"], form["price"]) == ("My title", "My place", "99")
    assert send(one, path, form).status_code == 303
    record = stored(database, code)
    assert (record.title, record.location, record.price) == ("My title", "My place", Decimal(99))
    assert send(one, path, form).headers["Location"].endswith("done=same")


@databases.BOTH
def test_the_lms_keeps_its_fields_and_the_centre_fills_the_others(
    browser: Browser, database: Database
) -> None:
    coordinator = browser()
    code = made(coordinator)
    with database.writing() as tx:
        tx.execute(link.update().where(link.c.system == FILES).values(system="centre:AFR"))
    path = f"{HOME}/{code}/edit"
    assert (
        f'leaves empty is filled here: <a href="{path}">' in coordinator.get(f"{HOME}/{code}").text
    )
    page = coordinator.get(path)
    assert "Change its fields there" in page.text
    assert 'name="title"' not in page.text
    assert 'name="requirements"' in page.text
    before = stored(database, code)
    form = {**filled(page), "requirements": "A first degree", "title": "Stolen"}
    assert send(coordinator, path, form).status_code == 303
    assert stored(database, code) == replace(before, requirements="A first degree")


def test_fewer_seats_than_people_who_have_one_are_shown(
    browser: Browser, database: Database
) -> None:
    coordinator = browser()
    with database.writing() as tx:
        tx.execute(offering.update().where(offering.c.code == "AFR-1").values(seats=0))
    assert "More people have a seat (" in coordinator.get(ONE).text
    assert "Plus de personnes ont une place (" in coordinator.get(f"{ONE}?lang=fr").text


@databases.BOTH
def test_an_outline_is_kept_as_a_draft_then_sent_and_sent_anew_after_an_objection(
    browser: Browser, reviewer: FlaskClient, database: Database
) -> None:
    coordinator = browser()
    code = made(coordinator)
    path = f"{HOME}/{code}/outline"
    page = coordinator.get(path)
    assert "Factual accuracy" in page.text
    draft = {**filled(page), "mandate": "A task of the ITU", "instructors": "Sample One\nTwo"}
    answer = send(coordinator, path, {**draft, "action": "keep"})
    assert answer.headers["Location"].endswith("done=draft")
    stale = send(coordinator, path, {**draft, "mandate": "Another", "action": "keep"})
    assert stale.status_code == 409
    assert "A task of the ITU" in stale.text
    assert ">Another</textarea>" in stale.text
    form = filled(coordinator.get(path)) | {"action": "submit"}
    for _ in range(2):
        assert send(coordinator, path, form).headers["Location"].endswith("done=submit")
    assert stored(database, code).status is OfferingStatus.SUBMITTED
    review = f"/reviews/of/{code}"
    objection = {"version": hidden(reviewer.get(review), "version"), "action": "object"}
    objection |= {"reason": "Say who teaches", "point": "accuracy", "comment_accuracy": "Who?"}
    assert send(reviewer, review, objection).status_code == 303
    for where in (f"{HOME}/{code}", path):
        shown = coordinator.get(where).text
        assert "The outline came back with an objection." in shown
        assert "Say who teaches" in shown
        assert "Who?" in shown
    again = filled(coordinator.get(path)) | {"grading": "A test", "action": "submit"}
    assert send(coordinator, path, again).status_code == 303
    with database.reading() as tx:
        record_id = offerings.offerings_by_code(tx, [code])[code][0]
        assert [each.action for each in reviews.changes_of(tx, record_id)] == [
            "submit",
            "object",
            "submit",
        ]
        assert reviews.outline_of(tx, record_id).instructors == ("Sample One", "Two")


def test_a_broken_rule_stops_the_outline_and_the_draft_is_not_lost(
    browser: Browser, database: Database
) -> None:
    coordinator = browser()
    code = made(coordinator, {"ends_at": "2041-03-04"})
    path = f"{HOME}/{code}/outline"
    page = coordinator.get(path)
    assert "lasts at least 2 days" in page.text
    answer = send(coordinator, path, {**filled(page), "mandate": "Why", "action": "submit"})
    assert answer.status_code == 409
    assert ">Why</textarea>" in answer.text
    assert stored(database, code).status is OfferingStatus.PLANNED


def test_a_course_is_cancelled_with_a_reason_once(browser: Browser, database: Database) -> None:
    coordinator = browser()
    path = f"{ONE}/act?action=cancel"
    page = coordinator.get(path)
    assert "This cannot be taken back" in page.text
    form = filled(page)
    refused = send(coordinator, path, form)
    assert refused.status_code == 409
    assert "Say why" in refused.text
    for _ in range(2):
        answer = send(coordinator, path, {**form, "reason": "Too few people"})
        assert answer.headers["Location"].endswith("done=cancel")
    assert stored(database).status is OfferingStatus.CANCELLED
    with database.reading() as tx:
        assert tx.execute(select(status_change.c.reason)).all() == [("Too few people",)]
        left = set(
            tx.scalars(
                select(enrolment.c.status)
                .join(offering, offering.c.id == enrolment.c.offering_id)
                .where(offering.c.code == "AFR-1")
            )
        )
    assert left <= {"cancelled", "completed", "certified", "not_completed", "withdrawn", "rejected"}
    assert "Too few people" in coordinator.get(ONE).text


def test_nobody_publishes_by_a_form_without_the_right_to(
    browser: Browser, database: Database
) -> None:
    coordinator = browser()
    code = made(coordinator)
    assert "action=publish" not in coordinator.get(f"{HOME}/{code}").text
    answer = send(coordinator, f"{HOME}/{code}/act", {"action": "publish", "revision": "1"})
    assert answer.status_code == 403


def test_the_text_of_the_second_of_two_coordinators_stays_on_the_page(
    browser: Browser, database: Database
) -> None:
    coordinator = browser()
    code = made(coordinator)
    path = f"{HOME}/{code}/outline"
    form = {**filled(coordinator.get(path)), "action": "submit"}
    assert send(coordinator, path, {**form, "mandate": "A task of the ITU"}).status_code == 303
    late = send(coordinator, path, {**form, "mandate": "Another reason"})
    assert late.status_code == 409
    assert ">Another reason</textarea>" in late.text
    assert "It was not sent" not in coordinator.get(path).text
    with database.writing() as tx:
        tx.execute(offering.update().where(offering.c.code == "AFR-1").values(status="delivered"))
    path = f"{ONE}/report"
    form = {**filled(coordinator.get(path)), "summary": "Three days of measuring"}
    assert send(coordinator, path, form).status_code == 303
    late = send(coordinator, path, {**form, "summary": "Another summary"})
    assert late.status_code == 409
    assert ">Another summary</textarea>" in late.text


def test_a_report_is_sent_back_and_sent_again(
    browser: Browser, reviewer: FlaskClient, database: Database
) -> None:
    coordinator = browser()
    with database.writing() as tx:
        tx.execute(offering.update().where(offering.c.code == "AFR-1").values(status="delivered"))
    path = f"{ONE}/report"
    page = coordinator.get(path)
    assert "<dt>Registered</dt>" in page.text
    empty = send(coordinator, path, filled(page))
    assert empty.status_code == 409
    assert "The report says nothing about the training." in empty.text
    assert '<a href="#field-summary">' in empty.text
    form = {**filled(page), "summary": "Three days of measuring"}
    for _ in range(2):
        assert send(coordinator, path, form).headers["Location"].endswith("done=report")
    review = "/reviews/of/AFR-1"
    back = {"version": hidden(reviewer.get(review), "version"), "action": "object"}
    assert send(reviewer, review, {**back, "reason": "Too short"}).status_code == 303
    page = coordinator.get(path)
    assert "Too short" in page.text
    assert filled(page)["summary"] == "Three days of measuring"
    again = {**filled(page), "evaluation": "Good"}
    assert send(coordinator, path, again).status_code == 303
    with database.reading() as tx:
        record_id = offerings.offerings_by_code(tx, ["AFR-1"])["AFR-1"][0]
        assert [str(each.state) for each in reviews.reports_of(tx, record_id)] == [
            "returned",
            "waiting",
        ]


@pytest.mark.parametrize("rest", ["", "/edit", "/outline", "/act", "/report"])
def test_the_course_of_another_centre_does_not_exist(browser: Browser, rest: str) -> None:
    coordinator = browser()
    for path in (f"{HOME}/ARB-1{rest}", f"/my-centre/ARB/offerings/ARB-1{rest}"):
        assert coordinator.get(path).status_code == 404
        if rest:
            assert send(coordinator, path).status_code == 404


def test_an_instructor_reads_and_changes_nothing(browser: Browser) -> None:
    instructor = browser(role=Role.INSTRUCTOR)
    page = instructor.get(ONE)
    assert page.status_code == 200
    assert "/edit" not in page.text
    for rest in ("edit", "act", "outline", "report"):
        assert send(instructor, f"{ONE}/{rest}").status_code == 403
    assert send(instructor, f"{HOME}/new", COURSE).status_code == 403


@pytest.mark.parametrize("language", ["ar", "ru", "zh"])
def test_the_pages_of_a_course_are_wholly_in_the_readers_language(
    browser: Browser, database: Database, language: str
) -> None:
    coordinator, headers = browser(), {"Accept-Language": language}
    allowed = {"bridge", "lms_bridge", "Sample", "Centre", "Nairobi", "Amina", "Africa", "Room"}
    paths = [f"{HOME}/new", ONE, *(f"{ONE}/{each}" for each in ("edit", "outline", "report"))]
    paths += [f"{ONE}/act?action={each}" for each in ("cancel", "postpone", "publish", "")]
    for path in paths:
        page = coordinator.get(path, headers=headers)
        assert page.status_code == 200, path
        assert f'<html lang="{language}"' in page.text
        body = re.sub(r"<textarea.*?</textarea>", "", page.text, flags=re.DOTALL)
        assert english_words(body) - allowed == set(), path
