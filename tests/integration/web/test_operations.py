"""What is wrong now, how each flow of a centre goes, and what an operator does about it."""

from __future__ import annotations

import re
from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import insert, select, update

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.model import Kind
from lms_bridge.domain.roles import Role
from lms_bridge.store import attention, links, runs
from lms_bridge.store.api_tables import run_request, webhook
from lms_bridge.store.database import Database
from lms_bridge.store.tables import flow_state, lease, link
from tests.integration.accounts.browser import account, send, signed_in
from tests.integration.web.filling import NOW


def failing_record(database: Database, code: str = "AFR", record: int = 1) -> None:
    row = {"system": f"centre:{code}", "kind": Kind.LEARNER, "centre": code, "record_id": record}
    hashes = {"desired": b"1", "acknowledged": b"", "tolerated": b"", "source_hash": b""}
    later = {"attempts": 2, "error": "Refused.", "next_attempt": NOW + timedelta(days=1)}
    with database.writing() as tx:
        links.insert_links(tx, [row | hashes | later])


def counted(page: str) -> str:
    found = re.search(r'Operations <span class="badge failed">(\d+)</span>', page)
    return found[1] if found else ""


def test_operations_says_what_is_wrong_as_status_does(
    either: FlaskClient, database: Database
) -> None:
    failing_record(database)
    page = either.get("/operations").text
    assert "Something is wrong: 1 centre never ran, 1 record waits after a failure" in page
    assert "lms-bridge resend --centre AFR --list" in page
    assert '<a href="/quarantine">1 record is in quarantine</a>' in page
    assert '<a href="/centres/AFR">AFR</a>' in page
    with database.writing() as tx:
        tx.execute(update(lease).values(expires_at=NOW - timedelta(hours=1)))
    assert "no clock is running" in either.get("/operations").text


def test_an_empty_bridge_says_that_nothing_is_wrong(
    empty: FlaskClient, sqlite_database: Database
) -> None:
    with sqlite_database.writing() as tx:
        row = {"name": "clock", "holder": "x", "expires_at": NOW + timedelta(days=1)}
        tx.execute(insert(lease).values(row))
    page = empty.get("/operations").text
    assert "Nothing is wrong." in page
    assert counted(page) == ""


def test_the_menu_counts_what_the_reader_may_see(
    client: FlaskClient, sqlite_database: Database
) -> None:
    with sqlite_database.writing() as tx:
        tx.execute(insert(webhook).values(events=[], created_at=NOW, active=False))
    assert counted(client.get("/runs").text) == "5"
    person = account(sqlite_database, role=Role.COORDINATOR, reach=DataScope(centre="AFR"))
    own = signed_in(client.application, sqlite_database, person)
    page = own.get("/operations").text
    assert counted(page) == "2"
    assert "webhook is switched off" not in page
    assert "hold waits" not in page


def test_sets_of_centres_are_counted_apart_and_kept_in_bounds(
    client: FlaskClient, sqlite_database: Database
) -> None:
    counts = attention.AttentionCounts(sqlite_database)
    assert counts.counts(NOW, ["EUR"])["holds"] == 1
    assert counts.counts(NOW, ["AFR"])["holds"] == 0
    for number in range(attention.MOST_KEPT + 5):
        counts.counts(NOW, [f"C{number}"])
    assert counts.counts(NOW)["holds"] == 1
    assert len(counts._kept) <= attention.MOST_KEPT


def test_a_centre_shows_when_each_flow_last_went_well(
    either: FlaskClient, database: Database
) -> None:
    with database.writing() as tx:
        at = NOW - timedelta(hours=5)
        number = runs.start_run(tx, "ARB", "enrolments", "clock", at)
        runs.finish_run(tx, number, "done", {}, at)
        number = runs.start_run(tx, "ARB", "enrolments,results", "clock", NOW)
        runs.finish_run(tx, number, "failed", {}, NOW, ("connect", "No answer."))
    page = either.get("/centres/ARB").text
    row = page.partition('<th scope="row">enrolments</th>')[2].partition("</tr>")[0]
    assert "Failed" in row
    assert f"{at:%H:%M} UTC" in row
    row = page.partition('<th scope="row">results</th>')[2].partition("</tr>")[0]
    assert "none within 31 days" in row
    assert '<th scope="row">offerings</th>' not in page


def test_retry_makes_what_waits_due_and_asks_for_a_run_of_its_flow(
    either: FlaskClient, database: Database
) -> None:
    failing_record(database)
    failing_record(database, "ARB")
    answer = send(either, "/centres/AFR/retry")
    assert answer.status_code == 303
    assert "is sent again" in either.get(answer.headers["Location"]).text
    with database.reading() as tx:
        rows = tx.execute(select(link.c.centre, link.c.attempts).where(link.c.error != ""))
        waiting = {row.centre: row.attempts for row in rows}
        assert waiting == {"AFR": 0, "ARB": 2}
        asked = tx.execute(select(run_request)).one()
    assert (asked.centre, asked.flows) == ("AFR", "enrolments")
    # Pressed once more: nothing is doubled.
    answer = send(either, "/centres/AFR/retry")
    assert "Nothing waits after a failure" in either.get(answer.headers["Location"]).text
    assert send(either, "/centres/OFF/retry").status_code == 400
    assert send(either, "/centres/NOWHERE/retry").status_code == 404


def test_who_fails_is_found_retried_and_fine_again(
    client: FlaskClient, sqlite_database: Database
) -> None:
    with sqlite_database.writing() as tx:
        long_ago = NOW - timedelta(days=1)
        tx.execute(
            update(flow_state).where(flow_state.c.centre == "AFR").values(failing_since=long_ago)
        )
    page = client.get("/operations").text
    assert "centre fails for more than 3 hours" in page
    with sqlite_database.writing() as tx:
        number = runs.start_run(tx, "AFR", "offerings,enrolments,results", "request", NOW)
        runs.finish_run(tx, number, "done", {}, NOW)
    assert "more than 3 hours" not in client.get("/operations").text
