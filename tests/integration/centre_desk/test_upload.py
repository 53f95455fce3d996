"""A coordinator sends a file, reads what it would change, and applies it."""

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from lms_bridge.domain.clock import utc_now
from lms_bridge.store import offerings
from lms_bridge.store.account_tables import schedule_upload
from lms_bridge.store.database import Database
from lms_bridge.store.uploads import MOST_BYTES
from tests.integration.accounts.browser import ORIGIN, hidden, send
from tests.integration.centre_desk.conftest import Browser
from tests.integration.server.world import served
from tests.operators import own_field

UPLOAD = "/my-centre/AFR/upload"
HEAD = "id,title,modality,level,starts_at,ends_at,registration,languages\n"
GOOD = "S1,Sample course,blended,advanced,2041-03-01,2041-03-05,direct,en\n"
BAD = "S2,Broken course,by_pigeon,advanced,2041-02-31,2041-03-05,direct,en\n"


def send_file(
    browser: FlaskClient, text: str | bytes, name: str = "plan.csv", path: str = UPLOAD
) -> TestResponse:
    octets = text.encode() if isinstance(text, str) else text
    form = {**own_field(browser), "file": FileStorage(BytesIO(octets), name)}
    boundary, body = encode_multipart(form)
    headers = {"Origin": ORIGIN, "Content-Type": f"multipart/form-data; boundary={boundary}"}
    return browser.post(path, data=body, headers=headers)


def apply(browser: FlaskClient, page: TestResponse) -> TestResponse:
    form = {name: hidden(page, name) for name in ("upload", "state")}
    return send(browser, f"{UPLOAD}/apply", form)


def titles(database: Database) -> set[str]:
    """Of the courses that came by files."""
    with database.reading() as tx:
        return {
            each.title
            for each in offerings.offerings_of(tx, "AFR").values()
            if each.code != "AFR-1"
        }


@pytest.mark.parametrize(("form", "name"), [("csv", "plan.csv"), ("ics", "plan.ics")])
def test_the_schedule_comes_as_a_file_that_can_be_sent_back(
    browser: Browser, database: Database, form: str, name: str
) -> None:
    coordinator = browser()
    apply_file(coordinator, HEAD + GOOD)
    page = coordinator.get(UPLOAD).text
    assert f"/my-centre/AFR/schedule?format={form}" in page
    file = coordinator.get(f"/my-centre/AFR/schedule?format={form}")
    assert "attachment" in file.headers["Content-Disposition"]
    assert b"Sample course" in file.data
    changed = file.data.replace(b"Sample course", b"Another course")
    assert send_file(coordinator, changed, name).status_code == 303
    apply(coordinator, coordinator.get(UPLOAD))
    assert titles(database) == {"Another course"}


def test_the_example_is_a_table_that_changes_nothing(browser: Browser) -> None:
    coordinator = browser()
    example = coordinator.get("/my-centre/AFR/schedule?format=example")
    assert "SAMPLE" in example.text
    assert browser("EUR").get("/my-centre/AFR/schedule?format=csv").status_code == 404


def apply_file(browser: FlaskClient, text: str) -> None:
    assert send_file(browser, text).status_code == 303
    apply(browser, browser.get(UPLOAD))


def test_a_file_is_compared_before_it_is_applied(browser: Browser, database: Database) -> None:
    coordinator = browser()
    assert send_file(coordinator, HEAD + GOOD).status_code == 303
    page = coordinator.get(UPLOAD)
    assert '<ins dir="auto">Sample course</ins>' in page.text
    assert '<ins dir="auto">1 Mar 2041</ins>' in page.text
    assert '<ins dir="auto">5 Mar 2041</ins>' in page.text
    assert "—</ins>" not in page.text
    assert titles(database) == set()
    answer = apply(coordinator, page)
    assert answer.headers["Location"].endswith("/schedule?done=applied")
    assert titles(database) == {"Sample course"}
    assert "The file is applied" in coordinator.get(answer.headers["Location"]).text
    send_file(coordinator, HEAD + GOOD.replace("2041-03-01", "2041-03-01 09:00"))
    assert "1 Mar 2041, 09:00 Africa/Nairobi</ins>" in coordinator.get(UPLOAD).text
    send_file(coordinator, HEAD + GOOD.replace("Sample", "Renamed"))
    page = coordinator.get(UPLOAD)
    assert '<del dir="auto">Sample course</del> → <ins dir="auto">Renamed course</ins>' in page.text
    assert page.text.count("<del") == 1
    send_file(coordinator, HEAD + GOOD)
    assert "changes nothing" in coordinator.get(UPLOAD).text


def test_a_refused_cell_shows_its_value_the_reason_and_what_would_do(browser: Browser) -> None:
    coordinator = browser()
    send_file(coordinator, HEAD + GOOD + BAD)
    page = coordinator.get(UPLOAD).text
    red = re.search(r'<td data-label="Changes" class="refused">.*?</td>', page, re.DOTALL)
    assert red is not None
    assert '<del dir="auto">by_pigeon</del>' in red[0]
    assert "face_to_face" in red[0]
    assert '<del dir="auto">2041-02-31</del>' in red[0]
    assert "Refused</dt><dd>1<" in page


def test_good_rows_are_applied_beside_refused_ones(browser: Browser, database: Database) -> None:
    coordinator = browser()
    send_file(coordinator, HEAD + GOOD + BAD)
    apply(coordinator, coordinator.get(UPLOAD))
    assert titles(database) == {"Sample course"}


def test_a_file_larger_than_other_forms_arrives_at_the_own_server(
    browser: Browser, desk_app: Flask, database: Database
) -> None:
    person = browser()
    text = HEAD + GOOD + ("\n" * 100_000)
    form = {**own_field(person), "file": FileStorage(BytesIO(text.encode()), "plan.csv")}
    boundary, body = encode_multipart(form)
    cookie = person.get_cookie("lms_bridge_session")
    assert cookie is not None
    lines = [
        f"POST {UPLOAD} HTTP/1.1",
        f"Host: {urlsplit(ORIGIN).netloc}",
        f"Origin: {ORIGIN}",
        f"Cookie: {cookie.key}={cookie.value}",
        f"Content-Type: multipart/form-data; boundary={boundary}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    with served(instead=desk_app) as world:
        answer = world.ask("\r\n".join([*lines, "", ""]).encode() + body)
    assert answer.startswith(b"HTTP/1.1 303 ")
    assert b"Sample course" in person.get(UPLOAD).get_data()


def test_a_second_click_changes_nothing(browser: Browser, database: Database) -> None:
    coordinator = browser()
    send_file(coordinator, HEAD + GOOD)
    page = coordinator.get(UPLOAD)
    apply(coordinator, page)
    answer = apply(coordinator, page)
    assert answer.headers["Location"].endswith("done=gone")
    assert "applied already" in coordinator.get(answer.headers["Location"]).text
    assert titles(database) == {"Sample course"}


def test_a_schedule_that_changed_meanwhile_is_compared_again(
    browser: Browser, database: Database
) -> None:
    coordinator = browser()
    send_file(coordinator, HEAD + GOOD)
    page = coordinator.get(UPLOAD)
    with database.writing() as tx:
        record_id, record = offerings.offerings_by_code(tx, ["AFR-1"])["AFR-1"]
        offerings.change_offerings(tx, {record_id: record})
    answer = apply(coordinator, page)
    assert answer.status_code == 409
    assert "changed since you read it" in answer.text
    assert titles(database) == set()
    assert apply(coordinator, answer).status_code == 303
    assert titles(database) == {"Sample course"}


def test_a_newer_file_in_another_tab_is_not_applied_by_the_older_form(
    browser: Browser, database: Database
) -> None:
    coordinator = browser()
    send_file(coordinator, HEAD + GOOD)
    older = coordinator.get(UPLOAD)
    send_file(coordinator, HEAD + GOOD.replace("S1", "S9"))
    assert apply(coordinator, older).headers["Location"].endswith("done=gone")
    assert titles(database) == set()


def test_a_calendar_is_read_as_well(browser: Browser, database: Database) -> None:
    coordinator = browser()
    event = "BEGIN:VEVENT\r\nUID:C1\r\nDTSTAMP:20400101T000000Z\r\nSUMMARY:Sample day\r\n"
    event += "DTSTART:20410301T080000Z\r\nDTEND:20410305T160000Z\r\nEND:VEVENT\r\n"
    calendar = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{event}END:VCALENDAR\r\n"
    assert send_file(coordinator, calendar, "plan.ics").status_code == 303
    apply(coordinator, coordinator.get(UPLOAD))
    assert titles(database) == {"Sample day"}


@pytest.mark.parametrize(
    ("name", "octets", "words"),
    [
        ("plan.xlsx", b"PK\x03\x04", "workbook"),
        ("plan.exe", b"MZ", "does not say"),
        ("plan.csv", b"", "empty"),
        ("plan.csv", b"id,name\n1,x\n", "unknown columns"),
        ("plan.json", b"{", "JSON"),
    ],
)
def test_a_wrong_file_is_refused_with_a_clear_message(
    browser: Browser, name: str, octets: bytes, words: str
) -> None:
    answer = send_file(browser(), octets, name)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert words in answer.text


def test_half_a_character_in_a_refused_cell_can_be_shown(browser: Browser) -> None:
    """Programs that cut a text after so many characters leave such halves."""
    reader = browser()
    rows = (
        rb'[{"id": "S1", "title": "Networks \ud83d"}, {"id": "S\uDE00", "title": "\ud83d\ude00"}]'
    )
    assert send_file(reader, rows, "plan.json").status_code == 303
    page = reader.get(UPLOAD)
    assert page.status_code == 200
    assert "Networks \ufffd" in page.text
    assert "\U0001f600" in page.text


def test_a_form_without_a_file_is_answered(browser: Browser) -> None:
    answer = send(browser(), UPLOAD)
    assert answer.status_code == 400
    assert "No file was chosen" in answer.text


def test_a_huge_file_is_refused(browser: Browser, database: Database) -> None:
    answer = send_file(browser(), b"x" * (MOST_BYTES + 100_000))
    assert answer.status_code == 400
    assert "too large for this page" in answer.text


def test_nobody_applies_the_file_of_another_session(browser: Browser, database: Database) -> None:
    coordinator, other = browser(), browser("ARB")
    send_file(coordinator, HEAD + GOOD)
    form = {name: hidden(coordinator.get(UPLOAD), name) for name in ("upload", "state")}
    answer = send(other, "/my-centre/ARB/upload/apply", form)
    assert answer.headers["Location"].endswith("done=gone")
    assert send(other, f"{UPLOAD}/apply", form).status_code == 404
    assert titles(database) == set()


def test_a_file_is_kept_for_an_hour_only(browser: Browser, database: Database) -> None:
    coordinator = browser()
    send_file(coordinator, HEAD + GOOD)
    with database.writing() as tx:
        tx.execute(update(schedule_upload).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert 'type="file"' in coordinator.get(UPLOAD).text


def test_a_file_may_be_put_away(browser: Browser) -> None:
    coordinator = browser()
    send_file(coordinator, HEAD + GOOD)
    assert send(coordinator, f"{UPLOAD}/discard").status_code == 303
    assert 'type="file"' in coordinator.get(UPLOAD).text


def test_the_name_of_a_file_shows_no_other_name_than_it_has(browser: Browser) -> None:
    coordinator = browser()
    hidden_in = "plan\u202egnp\u200b \x9b\x85of\ttoday.csv"
    assert send_file(coordinator, HEAD + GOOD, hidden_in).status_code == 303
    assert "<bdi>plangnp of today.csv</bdi>" in coordinator.get(UPLOAD).text
