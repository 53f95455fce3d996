"""A centre's people enter results, in the form and by a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from lms_bridge.domain.model import Kind, Result
from lms_bridge.domain.roles import Role
from lms_bridge.store import enrolments, learners, offerings, source_links
from lms_bridge.store import results as stored
from lms_bridge.store.database import Database
from lms_bridge.store.registration_forms import questions_of
from lms_bridge.store.run_tables import item
from tests.databases import BOTH
from tests.integration.accounts.browser import ORIGIN, hidden, send
from tests.integration.centre_desk.conftest import Browser
from tests.operators import own_field

RESULTS = "/my-centre/AFR/results/AFR-1"
FILE = "/my-centre/AFR/results-file/AFR-1"
QUESTIONS = "/my-centre/AFR/questions/AFR-1"
HEAD = "offering,learner,score,completed\n"


def number_of(database: Database, learner: str) -> int:
    with database.reading() as tx:
        offering_id, _ = offerings.offerings_by_code(tx, ["AFR-1"])["AFR-1"]
        learner_id, _ = learners.learners_by_academy_id(tx, [learner])[learner]
        pair = (offering_id, learner_id)
        return enrolments.enrolment_ids(tx, [pair])[pair]


def result(database: Database, learner: str) -> Result | None:
    number = number_of(database, learner)
    with database.reading() as tx:
        found = stored.results_of(tx, [number])
    return found[number][1] if number in found else None


def shown_form(page: TestResponse) -> dict[str, str]:
    """What the page's form has in its fields."""
    fields = dict(
        re.findall(
            r'name="((?:score|scale_max|completed_at|revision)-\d+)".*?value="(.*?)"', page.text
        )
    )
    for name, options in re.findall(r'name="(completed-\d+)".*?>(.*?)</select>', page.text):
        chosen = re.search(r'value="(\w*)" selected', options)
        fields[name] = chosen[1] if chosen else ""
    return fields


def sent(browser: FlaskClient, page: TestResponse, changes: Mapping[str, str]) -> TestResponse:
    return send(browser, RESULTS, shown_form(page) | dict(changes))


@BOTH
def test_results_are_entered_row_by_row_and_a_second_click_changes_nothing(
    browser: Browser, database: Database
) -> None:
    person = browser(role=Role.INSTRUCTOR)
    page = person.get(RESULTS)
    one, two = number_of(database, "L1"), number_of(database, "L2")
    changes = {f"score-{one}": "64,5", f"completed-{one}": "yes", f"score-{two}": "120"}
    changes[f"completed_at-{one}"] = "2026-03-31"
    answer = sent(person, page, changes)
    assert answer.status_code == 422
    assert "Results kept: 1" in answer.text
    assert f'href="#field-score-{two}"' in answer.text
    assert 'value="120"' in answer.text
    entered = result(database, "L1")
    assert entered is not None
    assert (entered.score, entered.completed) == (Decimal("64.5"), True)
    assert entered.completed_at is not None
    assert entered.completed_at.isoformat() == "2026-03-30T21:00:00+00:00"  # the day in Nairobi
    assert entered.graded_at is not None
    assert result(database, "L2") is None
    del changes[f"score-{two}"]
    assert "Nothing new was kept." in sent(person, page, changes).text
    with database.reading() as tx:
        lines = tx.scalars(select(item.c.external_id).where(item.c.kind == Kind.RESULT)).all()
    assert lines.count("AFR-1/L1") == 1


def test_a_result_that_somebody_changed_meanwhile_is_not_overwritten(
    browser: Browser, database: Database
) -> None:
    person, number = browser(), number_of(database, "L0")
    page = person.get(RESULTS)
    assert "Results kept: 1" in sent(person, page, {f"score-{number}": "80"}).text
    late = sent(person, page, {f"score-{number}": "20"})
    assert "changed since you read it" in late.text
    changed = result(database, "L0")
    assert changed is not None
    assert changed.score == Decimal(80)


def test_results_that_the_lms_sends_are_read_only(browser: Browser, database: Database) -> None:
    number = number_of(database, "L0")
    with database.writing() as tx:
        result_id = stored.results_of(tx, [number])[number][0]
        shown: dict[str, object] = {
            "system": "centre:AFR",
            "kind": Kind.RESULT,
            "centre": "AFR",
            "scope": "1",
        }
        shown |= {"record_id": result_id, "external_id": "1/2", "source_hash": b"x" * 16}
        source_links.showed(tx, [shown])
    person = browser()
    page = person.get(RESULTS)
    assert "Your LMS sends this result." in page.text
    assert f"score-{number}" not in page.text
    answer = sent(person, page, {f"score-{number}": "1", f"revision-{number}": "1"})
    assert "comes from another system" in answer.text
    kept = result(database, "L0")
    assert kept is not None
    assert kept.score == Decimal(71)
    same = person.get(RESULTS, query_string={"format": "csv"}).text
    assert "AFR-1,L0,71," in same
    unchanged = sent_file(person, same).text
    assert "Refused</dt><dd>0<" in unchanged
    assert "everything in it is known already" in unchanged
    text = HEAD + "AFR-1,L0,1,yes\n"
    assert "Your LMS sends this result." in sent_file(person, text).text


def sent_file(browser: FlaskClient, text: str, **more: str) -> TestResponse:
    file = {} if more else {"file": FileStorage(BytesIO(text.encode()), "results.csv")}
    boundary, body = encode_multipart({**own_field(browser), **file, **more})
    headers = {"Origin": ORIGIN, "Content-Type": f"multipart/form-data; boundary={boundary}"}
    return browser.post(FILE, data=body, headers=headers)


def test_a_file_of_results_is_compared_and_then_applied(
    browser: Browser, database: Database
) -> None:
    person = browser()
    assert "AFR-1,L1," in person.get(RESULTS, query_string={"format": "csv"}).text
    page = sent_file(
        person,
        HEAD + "AFR-1,L0,90,yes\nAFR-1,L1,55,\nAFR-1,L2,999,\nAFR-1,NOBODY,5,\nEUR-1,L2,5,\n",
    )
    assert "Changed</dt><dd>2<" in page.text
    assert "Refused</dt><dd>3<" in page.text
    assert result(database, "L1") is None
    form = {name: hidden(page, name) for name in ("rows", "state")}
    assert "Results kept: 2" in sent_file(person, "", **form).text
    assert (result(database, "L1") or Result("", "")).score == Decimal(55)
    again = sent_file(person, "", **form)
    assert again.status_code == 409
    assert "Changed</dt><dd>0<" in again.text
    for bad in ("", "no header\n1\n"):
        assert sent_file(person, bad).status_code == 422
    assert sent_file(person, "", rows="%%%", state="x").status_code == 422


def test_questions_of_the_organiser_are_set_on_a_page(browser: Browser, database: Database) -> None:
    coordinator = browser()
    form = {"questions": "Why you?\n\n  Which <course>? \n", "before": ""}
    assert send(coordinator, QUESTIONS, form).status_code == 303
    assert send(coordinator, QUESTIONS, form).status_code == 303  # once more
    with database.reading() as tx:
        number = offerings.offerings_by_code(tx, ["AFR-1"])["AFR-1"][0]
        assert questions_of(tx, number) == ("Why you?", "Which <course>?")
    other = {"questions": "Another one?", "before": ""}
    late = send(coordinator, QUESTIONS, other)
    assert late.status_code == 422
    assert "changed since you read it" in late.text
    assert "Another one?" in late.text
    many = send(coordinator, QUESTIONS, {"questions": "?\n" * 21, "before": ""})
    assert re.search(r'href="#field-questions"><[^<]*more than 20 questions', many.text)
    assert re.search(r'<textarea id="field-questions"[^>]* aria-invalid', many.text)
    assert send(browser(role=Role.INSTRUCTOR), QUESTIONS, form).status_code == 403
