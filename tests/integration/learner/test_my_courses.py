"""A learner's own pages: what they show, and that they are nobody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from lms_bridge.accounts import service
from lms_bridge.audit import Subject
from lms_bridge.console.session import by_command
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import EnrolmentStatus
from lms_bridge.store.database import Database
from lms_bridge.store.registration_forms import answers_of, set_questions
from lms_bridge.store.tables import enrolment, learner, offering
from lms_bridge.web.access import is_public, need_of
from lms_bridge.web.languages import LANGUAGES
from tests.integration.accounts.browser import account, send, signed_in
from tests.integration.audited import acts, all_that_is_kept
from tests.integration.learner.conftest import Browser
from tests.integration.web.test_languages import english_words

FREE, APPLICATION = "ARB-1", "AFR-1"


def number_of(database: Database, academy_id: str, code: str) -> int:
    with database.reading() as tx:
        found = tx.scalar(
            select(enrolment.c.id)
            .join(learner, learner.c.id == enrolment.c.learner_id)
            .join(offering, offering.c.id == enrolment.c.offering_id)
            .where(learner.c.academy_id == academy_id, offering.c.code == code)
        )
    assert found is not None
    return int(found)


def status_of(database: Database, number: int) -> str:
    with database.reading() as tx:
        return str(tx.scalar(select(enrolment.c.status).where(enrolment.c.id == number)))


def test_the_page_shows_each_course_with_its_status_next_step_and_result(
    browser_of: Browser,
) -> None:
    page = browser_of("L0").get("/my").text
    assert "Sample Centre Nairobi" in page
    assert "Enrolled" in page
    assert "This course has not begun yet." in page
    assert "71 / 100" in page
    assert "Result:" not in browser_of("L1").get("/my").text


def test_a_learner_without_courses_is_led_to_the_catalogue(app: Flask, database: Database) -> None:
    browser = signed_in(app, database, account(database, role=None))
    page = browser.get("/my")
    assert "Register for a course: then it appears here." in page.text
    assert 'href="/catalogue"' in page.text


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_a_learners_pages_are_wholly_in_their_language(
    browser_of: Browser, database: Database, language: str
) -> None:
    browser = browser_of("L0")
    number = number_of(database, "L0", APPLICATION)
    paths = ("/my", "/my/calendar", f"/my/courses/{number}/withdraw", f"/offerings/{FREE}/register")
    for path in paths:
        page = browser.get(path, headers={"Accept-Language": language})
        assert page.status_code == 200
        assert f'<html lang="{language}"' in page.text
        if language in ("ar", "ru", "zh"):
            words = english_words(page.text)
            assert words <= {"bridge", "lms_bridge", "Given", "Family", "Sample", "Centre"}, path


def learner_rules(app: Flask) -> Iterator[tuple[str, str]]:
    """(method, path with the number of a registration) of each page about one registration."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("my.") and "number" in rule.arguments:
            path = re.sub(r"<[^>]*>", "{}", rule.rule)
            yield from ((each, path) for each in sorted((rule.methods or set()) & {"GET", "POST"}))


def test_another_learners_registration_looks_as_if_it_did_not_exist(
    app: Flask, browser_of: Browser, database: Database
) -> None:
    browser, mine = browser_of("L0"), number_of(database, "L0", APPLICATION)
    others = number_of(database, "L1", APPLICATION)
    rules = list(learner_rules(app))
    assert len(rules) >= 3
    for method, path in rules:
        for number in (others, 999_999):
            asked = path.format(number)
            answer = browser.get(asked) if method == "GET" else send(browser, asked)
            assert answer.status_code == 404, (method, path)
        if method == "GET":
            assert browser.get(path.format(mine)).status_code == 200
    assert status_of(database, others) == EnrolmentStatus.ENROLLED


def test_a_learner_without_an_account_opens_no_page_of_a_role(
    app: Flask, browser_of: Browser
) -> None:
    browser, tried = browser_of("L0"), 0
    for rule in app.url_map.iter_rules():
        if is_public(rule.endpoint) or need_of(app, rule.endpoint) is None:
            continue
        path = app.url_map.bind("localhost").build(
            rule.endpoint, dict.fromkeys(rule.arguments, 1), method=next(iter(rule.methods or ()))
        )
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        answer = browser.get(path) if method == "GET" else send(browser, path)
        assert answer.status_code == 403, (method, path)
        tried += 1
    assert tried > 20


def registered(browser: FlaskClient, code: str, **form: str) -> str:
    """Where a form that registers leads."""
    answer = send(browser, f"/offerings/{code}/register", form)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_a_learner_registers_once_however_often_the_form_is_sent(
    browser_of: Browser, database: Database
) -> None:
    browser = browser_of("L0")
    assert "You are enrolled at once." in browser.get(f"/offerings/{FREE}/register").text
    assert registered(browser, FREE) == "/my?done=registered"
    assert registered(browser, FREE) == "/my?done=already"
    assert status_of(database, number_of(database, "L0", FREE)) == EnrolmentStatus.ENROLLED
    assert "You are registered for this course:" in browser.get(f"/offerings/{FREE}/register").text
    page = browser.get("/my?done=registered").text
    assert "You are registered. The course is in the list below." in page
    assert "https://lms.example.org/course/1" in page


def test_a_withdrawal_is_confirmed_first_and_happens_once(
    browser_of: Browser, database: Database
) -> None:
    browser, number = browser_of("L0"), number_of(database, "L0", APPLICATION)
    page = browser.get(f"/my/courses/{number}/withdraw")
    assert "Keep my place" in page.text
    assert "Whether you get money back" in page.text
    assert status_of(database, number) == EnrolmentStatus.ENROLLED
    answer = send(browser, f"/my/courses/{number}/withdraw")
    assert answer.headers["Location"] == "/my?done=withdrawn"
    assert status_of(database, number) == EnrolmentStatus.WITHDRAWN
    again = send(browser, f"/my/courses/{number}/withdraw")
    assert "There is nothing to withdraw from any more." in again.text
    assert registered(browser, APPLICATION) == "/my?done=applied"
    assert status_of(database, number) == EnrolmentStatus.APPLIED


def test_the_organisers_questions_are_asked_and_the_answers_kept(
    browser_of: Browser, database: Database
) -> None:
    browser = browser_of("L2")
    with database.writing() as tx:
        record_id = tx.scalar(select(offering.c.id).where(offering.c.code == FREE))
        assert record_id is not None
        set_questions(tx, record_id, ["Why <this> course?", "Your employer?"])
    page = browser.get(f"/offerings/{FREE}/register").text
    assert "Why &lt;this&gt; course?" in page
    answer = send(browser, f"/offerings/{FREE}/register", {"answer-0": "Because of work"})
    assert answer.status_code == 422
    assert "Because of work" in answer.text
    assert '<a href="#answer-1">' in answer.text
    assert '<a href="#answer-0">' not in answer.text
    nothing = send(browser, f"/offerings/{FREE}/register", {"answer-0": "  "}).text
    for number in range(2):
        assert f'<a href="#answer-{number}">' in nothing
        assert "<bdi>Your employer?</bdi> – Please answer each question." in nothing
        assert f'aria-describedby="problem-answer-{number}"' in nothing
    given = {"answer-0": "Because of work", "answer-1": "<b>A sample</b>"}
    assert registered(browser, FREE, **given) == "/my?done=registered"
    number = number_of(database, "L2", FREE)
    with database.reading() as tx:
        kept = answers_of(tx, [number])[number]
    assert [each["answer"] for each in kept] == ["Because of work", "<b>A sample</b>"]


def test_a_closed_window_takes_no_registration(browser_of: Browser, database: Database) -> None:
    browser = browser_of("L0")
    with database.writing() as tx:
        closes = utc_now() - timedelta(minutes=1)
        tx.execute(
            update(offering).where(offering.c.code == FREE).values(registration_closes=closes)
        )
    page = send(browser, f"/offerings/{FREE}/register")
    assert page.status_code == 200
    assert "This course takes no registrations now." in page.text
    with database.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(enrolment)) == 3


def test_a_new_person_with_an_account_becomes_a_learner_once(
    app: Flask, database: Database
) -> None:
    browser = signed_in(app, database, account(database, role=None))
    page = send(browser, f"/offerings/{FREE}/register", {"given_name": "Amina"})
    assert page.status_code == 422
    assert 'value="Amina"' in page.text
    person = {"given_name": "Amina", "family_name": "Sample", "country": "ke"}
    assert registered(browser, FREE, **person) == "/my?done=registered"
    assert registered(browser, "EUR-30") == "/my?done=registered"
    with database.reading() as tx:
        mine = tx.execute(select(learner).where(learner.c.email == "amina@example.org")).all()
    assert [(each.given_name, each.country) for each in mine] == [("Amina", "KE")]
    assert browser.get("/my").text.count("<h3") == 2


def test_a_form_of_another_site_or_session_registers_nobody(
    browser_of: Browser, database: Database
) -> None:
    browser = browser_of("L0")
    answer = browser.post(
        f"/offerings/{FREE}/register", headers={"Origin": "https://evil.example.org"}
    )
    assert answer.status_code == 403
    answer = browser.post(f"/offerings/{FREE}/register", headers={"Origin": "http://localhost"})
    assert answer.status_code == 303  # the form opens again: it may be of another tab
    with database.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(enrolment)) == 3


def test_whoever_is_not_signed_in_comes_back_to_the_form(app: Flask) -> None:
    browser = app.test_client()
    assert browser.get(f"/offerings/{FREE}/register").status_code == 401
    wanted = browser.get_cookie("lms_bridge_wanted")
    assert wanted is not None
    assert wanted.value == f"/offerings/{FREE}/register"


def test_a_calendar_has_an_address_that_can_be_ended(
    app: Flask, browser_of: Browser, database: Database
) -> None:
    browser, stranger = browser_of("L0"), app.test_client()
    assert "There is no address yet." in browser.get("/my/calendar").text
    page = send(browser, "/my/calendar").text
    found = re.search(r'<code id="address" dir="ltr">http://[^/]+(/calendar/[^<]+\.ics)<', page)
    assert found is not None
    shown = stranger.get(found[1])
    assert shown.content_type.startswith("text/calendar")
    assert "no-store" in shown.headers["Cache-Control"]
    assert shown.text.count("BEGIN:VEVENT") == 1
    assert "BEGIN:VEVENT" in shown.text
    again = send(browser, "/my/calendar").text  # a double click, or the page was loaded again
    assert "was sent twice" in again
    assert stranger.get(found[1]).status_code == 200
    page = browser.get("/my/calendar").text
    assert found[1] not in page
    known = re.search(r'name="known" value="([^"]+)"', page)
    assert known is not None
    assert "Your address." in send(browser, "/my/calendar", {"known": unescape(known[1])}).text
    assert stranger.get(found[1]).status_code == 404
    for _ in range(2):  # the second click ends nothing more
        assert send(browser, "/my/calendar/end").status_code == 303
    assert "There is no address yet." in browser.get("/my/calendar").text
    assert stranger.get("/calendar/guess.ics").status_code == 404
    done = [act.action for act in acts(database, Subject.ACCOUNT) if "calendar" in act.action]
    assert done == ["calendar", "calendar", "end calendar"]
    assert "/calendar/" not in all_that_is_kept(database)


@pytest.mark.parametrize("parted", [False, True])
def test_the_address_of_a_calendar_ends_with_the_account_of_its_learner(
    app: Flask, browser_of: Browser, database: Database, parted: bool
) -> None:
    page = send(browser_of("L0"), "/my/calendar").text
    found = re.search(r"(/calendar/[^<]+\.ics)<", page)
    assert found is not None
    by = by_command()
    whose = account(database, role=None)
    with database.writing() as tx:
        mine = tx.scalar(select(learner.c.id).where(learner.c.academy_id == "L0"))
        assert mine is not None
        service.link_learner(tx, whose, mine, by)
        whose = service.find_account(tx, whose.number)
    if parted:
        with database.writing() as tx:
            service.part_learner(tx, whose, by)
    else:
        service.disable_account(database, whose.number, by=by)
    assert app.test_client().get(found[1]).status_code == 404
    assert "end calendar" in [act.action for act in acts(database, Subject.ACCOUNT)]


def test_times_are_in_the_zone_that_the_account_names(app: Flask, database: Database) -> None:
    browser = signed_in(app, database, account(database, role=None))
    form = {"name": "Amina", "language": "en", "time_zone": "Asia/Tokyo"}
    assert send(browser, "/account", form).status_code == 303
    assert 'value="Asia/Tokyo"' in browser.get("/account").text
    wrong = send(browser, "/account", {**form, "time_zone": "../etc/passwd"})
    assert wrong.status_code == 400
    assert "There is no such time zone." in wrong.text


def test_an_outside_academy_registers_on_its_own_page(
    make_app: object, database: Database, database_address: str, app: Flask
) -> None:
    assert callable(make_app)
    academy = {"ACADEMY__CONNECTOR": "files"}
    page = "https://academy.example.org/register?course={code}"
    led = make_app(database_address, ACADEMY__REGISTRATION_PAGE=page, **academy)
    shown = led.test_client().get(f"/catalogue/{FREE}").text
    assert 'href="https://academy.example.org/register?course=ARB-1"' in shown
    unled = make_app(database_address, **academy)
    browser = signed_in(unled, database, account(database, role=None))
    told = browser.get(f"/offerings/{FREE}/register").text
    assert "Registration is on the Academy's own site." in told
    send(browser, f"/offerings/{FREE}/register", {"given_name": "A", "family_name": "B"})
    with database.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(enrolment)) == 3
