"""What a coordinator sees first, and the schedule as a table and as a calendar."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import update

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Centre, Modality
from lms_bridge.domain.roles import Role
from lms_bridge.store import centres
from lms_bridge.store.database import Database
from lms_bridge.store.tables import offering
from tests.integration.centre_desk.conftest import Browser
from tests.integration.web.test_languages import english_words


def beside(page: str, relation: str) -> str:
    (address,) = re.findall(rf'rel="{relation}" href="([^"]+)"', page)
    return unescape(address)


def codes_on(page: str) -> list[str]:
    return re.findall(r'href="/my-centre/EUR/offerings/(EUR[^"?/]+)"', page)


def test_who_works_for_one_centre_comes_to_its_desk(browser: Browser) -> None:
    answer = browser().get("/my-centre")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/my-centre/AFR")


def test_the_desk_shows_what_waits_and_the_next_courses(browser: Browser) -> None:
    page = browser().get("/my-centre/AFR").text
    assert "Applicants to choose from" in page
    assert "Records in quarantine</a></dt><dd>1<" in page
    assert "People to be matched</a></dt><dd>1<" in page
    assert "AFR-1" in page
    assert "ARB-1" not in page


def test_an_instructor_sees_no_counts_of_operations(browser: Browser) -> None:
    page = browser(role=Role.INSTRUCTOR).get("/my-centre/AFR").text
    assert "Reports due" in page
    assert "quarantine" not in page


def test_the_schedule_is_filtered_and_paged(browser: Browser) -> None:
    coordinator = browser("EUR")
    first = coordinator.get("/my-centre/EUR/schedule").text
    second = coordinator.get(beside(first, "next")).text
    assert set(codes_on(first)).isdisjoint(codes_on(second))
    assert codes_on(coordinator.get(beside(second, "prev")).text) == codes_on(first)
    assert "EUR-OVER" not in first
    past = coordinator.get("/my-centre/EUR/schedule?when=past").text
    assert "EUR-OVER" in past
    found = coordinator.get("/my-centre/EUR/schedule?text=management+17&when=all").text
    assert "Courses found: 1" in found
    assert "EUR-17" in found
    odd = coordinator.get("/my-centre/EUR/schedule?status=x&when=x&after=99999999999").text
    assert codes_on(odd) == codes_on(first)
    assert "No course fits." in coordinator.get("/my-centre/EUR/schedule?text=nothing+such").text


def test_the_schedule_of_a_new_centre_says_how_the_first_course_comes(
    browser: Browser, database: Database
) -> None:
    with database.writing() as tx:
        centres.add(tx, Centre("NEW", "New centre", "africa", "files", sample=True), b"")
    page = browser("NEW").get("/my-centre/NEW/schedule").text
    assert "Coordinators make courses here, or send a file." in page
    assert "No course fits." not in page


def test_every_course_that_the_schedule_links_has_a_page(
    browser: Browser, database: Database
) -> None:
    with database.writing() as tx:
        tx.execute(offering.update().where(offering.c.code == "AFR-1").values(status="planned"))
    coordinator = browser()
    for path in ("", "/schedule?when=all", "/calendar?month=2040-03"):
        page = coordinator.get(f"/my-centre/AFR{path}").text
        addresses = set(re.findall(r'href="(/my-centre/AFR/offerings/[^"?]+)"', page))
        assert "/my-centre/AFR/offerings/AFR-1" in addresses
        for address in addresses:
            assert coordinator.get(address).status_code == 200


def test_the_calendar_shows_a_course_on_each_of_its_days(browser: Browser) -> None:
    page = browser().get("/my-centre/AFR/calendar?month=2040-03").text
    assert page.count("/offerings/AFR-1") == 11  # 2 to 12 March
    assert 'class="begins"' in page
    assert "No course" in browser("ARB").get("/my-centre/ARB/calendar?month=2040-04").text


@pytest.mark.parametrize("month", ["x", "0000-00", "9999-12", "2040-13", ""])
def test_a_month_that_is_none_shows_this_month(browser: Browser, month: str) -> None:
    assert browser().get(f"/my-centre/AFR/calendar?month={month}").status_code == 200


@pytest.mark.parametrize("path", ["", "/schedule", "/calendar"])
def test_another_centres_desk_looks_as_if_it_did_not_exist(browser: Browser, path: str) -> None:
    assert browser().get(f"/my-centre/EUR{path}").status_code == 404


@pytest.mark.parametrize("language", ["ar", "ru", "zh"])
@pytest.mark.parametrize("path", ["", "/schedule", "/calendar?month=2040-03", "/upload"])
def test_the_pages_are_wholly_in_the_readers_language(
    browser: Browser, path: str, language: str
) -> None:
    page = browser().get(f"/my-centre/AFR{path}", headers={"Accept-Language": language}).text
    assert f'<html lang="{language}"' in page
    allowed = {"bridge", "lms_bridge", "Sample", "Centre", "Nairobi", "Amina", "iCalendar"}
    assert english_words(page) - allowed == set()


def test_a_course_that_stays_open_is_a_current_one_after_its_first_day(
    browser: Browser, database: Database
) -> None:
    begun = utc_now() - timedelta(days=80)
    with database.writing() as tx:
        tx.execute(update(offering).where(offering.c.code == "ARB-1").values(starts_at=begun))
    coordinator = browser("ARB")
    shown = coordinator.get("/my-centre/ARB/schedule").text
    assert "/offerings/ARB-1" in shown
    assert "Any start, from" in shown
    assert "/offerings/ARB-1" not in coordinator.get("/my-centre/ARB/schedule?when=past").text
    with database.writing() as tx:  # a course with dates that names no end is over after its day
        has_dates = {"modality": Modality.FACE_TO_FACE}
        tx.execute(update(offering).where(offering.c.code == "ARB-1").values(has_dates))
    assert "/offerings/ARB-1" in coordinator.get("/my-centre/ARB/schedule?when=past").text


def test_an_empty_month_leads_to_the_next_one_with_courses(browser: Browser) -> None:
    coordinator = browser("EUR")
    empty = coordinator.get("/my-centre/EUR/calendar?month=2001-01").text
    later = re.search(r'href="([^"]+)">The next month with courses: ([^<]+)<', empty)
    assert later is not None
    page = coordinator.get(unescape(later[1])).text
    assert later[2] in page
    assert codes_on(page)
    assert "The next month" not in coordinator.get("/my-centre/EUR/calendar?month=2190-01").text
