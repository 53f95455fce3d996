"""What is wrong now, how each flow of a centre goes, and what an operator does about it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import insert, select, update

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Kind
from lms_bridge.domain.roles import Role
from lms_bridge.lti import registrations
from lms_bridge.lti.refusals import Refusal, RefusalLog
from lms_bridge.lti.registrations import LtiRegistration, Side
from lms_bridge.store import attention, links, runs
from lms_bridge.store.api_tables import run_request, webhook
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import flow_state, lease
from lms_bridge.store.tables import enrolment, link
from tests.integration.accounts.browser import account, send, signed_in
from tests.integration.web.filling import NOW


def failing_record(database: Database, code: str = "AFR", record: int = 1) -> None:
    row = {"system": f"centre:{code}", "kind": Kind.LEARNER, "centre": code, "record_id": record}
    hashes = {"desired": b"1", "acknowledged": b"", "tolerated": b"", "source_hash": b""}
    later = {"attempts": 2, "error": "Refused.", "next_attempt": NOW + timedelta(days=1)}
    with database.writing() as tx:
        links.insert_links(tx, [row | hashes | later])


def counted(page: str) -> str:
    found = re.search(r'Operations <span class="count">(\d+)</span>', page)
    return found[1] if found else ""


def test_operations_says_what_is_wrong_as_status_does(
    either: FlaskClient, database: Database
) -> None:
    failing_record(database)
    page = either.get("/operations").text
    assert "Something is wrong: 1 centre never ran, 1 record waits after a failure" in page
    assert "lms-bridge resend --centre AFR --list" in page
    assert '<a href="/quarantine">1 record is in quarantine</a>' in page
    assert '<a href="/centres/AFR"><bdi>AFR</bdi></a>' in page
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
    assert "none among its last 3,000" in row
    assert '<th scope="row">offerings</th>' not in page


def listed(client: FlaskClient, query: str) -> list[str]:
    page = client.get(f"/runs?{query}")
    assert page.status_code == 200
    return re.findall(r'href="/runs/(\d+)"', page.text)


def test_runs_are_filtered_by_flow_state_course_and_learner(
    either: FlaskClient, database: Database
) -> None:
    assert listed(either, "flow=results") == ["62", "61"]
    assert listed(either, "flow=offerings&status=partial&centre=AFR") == ["61"]
    assert listed(either, "course=AFR-1") == ["61"]
    assert listed(either, "course=EUR-1") == []
    assert listed(either, "course=%20") == listed(either, "")  # a blank is no filter
    assert listed(either, "learner=L0") == ["61"]
    assert listed(either, "learner=L0&course=AFR-1") == ["61"]  # by the result of the two
    assert listed(either, "learner=L2&course=AFR-1") == []
    for nobody in ("learner=nobody", "flow=%3Cb%3E", "status=x", "flow=offer"):
        assert listed(either, nobody) == [], nobody
    with database.reading() as tx:
        place = tx.scalar(select(enrolment.c.id).order_by(enrolment.c.id.desc()).limit(1))
    with database.writing() as tx:
        number = runs.start_run(tx, "AFR", "enrolments", "clock", NOW)
        facts = {"system": "centre:AFR", "kind": Kind.ENROLMENT, "record_id": place, "at": NOW}
        facts |= {"external_id": "", "action": "create", "state": "failed", "fields": None}
        runs.add_items(tx, [{**facts, "run_id": number, "code": "x", "message": "No."}])
    assert listed(either, "learner=L2&course=AFR-1") == [str(number)]


def test_a_run_is_shown_in_words_and_live_while_it_goes_on(client: FlaskClient) -> None:
    page = client.get("/runs/61").text
    assert "offerings: 1 sent, 1 failed; people: 1 sent" in page
    assert "<bdi>L0 in AFR-1" in page
    assert "hx-get" not in page
    page = client.get("/runs/62").text
    assert 'hx-get="/runs/62" hx-trigger="every 5s"' in page
    assert "htmx" not in client.get("/runs/62?still=1").text
    assert 'hx-get="/runs?live=1" hx-trigger="every 10s"' in client.get("/runs?live=1").text
    assert "htmx" not in client.get("/runs").text


def test_the_items_of_a_run_are_paged_and_filtered_and_links_keep_the_filters(
    either: FlaskClient, database: Database
) -> None:
    with database.writing() as tx:
        number = runs.start_run(tx, "AFR", "enrolments", "clock", NOW)
        same: dict[str, Any] = {
            "system": "academy",
            "record_id": None,
            "action": "create",
            "fields": None,
        }
        same |= {"kind": Kind.LEARNER, "at": NOW, "run_id": number, "message": ""}
        rows = [
            same | {"external_id": f"who-{n:03}", "state": "failed" if n > 300 else "done"}
            for n in range(600)
        ]
        runs.add_items(tx, [row | {"code": "x" * (row["state"] == "failed")} for row in rows])
        runs.finish_run(tx, number, "done", {"learner.create.failed": 299}, NOW)

    def opened(path: str) -> tuple[list[str], dict[str, str]]:
        page = either.get(path.replace("&amp;", "&")).text
        links = dict(re.findall(r'rel="(prev|next)" href="([^"]+)"', page))
        return re.findall(r"who-(\d+)", page), links

    first, links = opened(f"/runs/{number}?state=failed&kind=learner")
    assert (first[0], first[-1], set(links)) == ("301", "500", {"next"})
    last, links = opened(links["next"])
    assert (last[0], last[-1], set(links)) == ("501", "599", {"prev"})
    assert "state=failed" in links["prev"]
    assert opened(links["prev"])[0] == first
    assert len(opened(f"/runs/{number}")[0]) == 200
    for nothing in ("course=nothing", "learner=who-", "state=%00x", "kind=%3Cb%3E"):
        assert opened(f"/runs/{number}?{nothing}") == ([], {}), nothing


def test_the_audit_is_filtered_and_paged_by_number(either: FlaskClient, database: Database) -> None:
    for number in range(30):
        send(either, "/centres/AFR/active", {"active": "no" if number % 2 else "yes"})
        send(either, "/centres/ARB/active", {"active": "yes" if number % 2 else "no"})
    page = either.get("/audit").text
    assert page.count('data-label="When"') == 50
    assert "centre: pause" in page
    assert "Sample Operator" in page
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older is not None
    rest = either.get(older[1].replace("&amp;", "&")).text
    assert 0 < rest.count('data-label="When"') < 50
    assert either.get("/audit?object=ARB").text.count('data-label="Which"') == 30
    for none in ("who=nobody", "subject=token", "since=9999-12-31&until=2000-01-01"):
        assert "There is none." in either.get(f"/audit?{none}").text
    for odd in ("since=x", "until=0000-00-00", "before=x", "subject=%3Cscript%3E"):
        assert either.get(f"/audit?{odd}").status_code == 200
    assert "There is none." not in either.get(f"/audit?since={NOW:%Y-%m-%d}").text


def test_retry_makes_what_waits_due_and_asks_for_a_run_of_its_flow(
    either: FlaskClient, database: Database
) -> None:
    failing_record(database)
    failing_record(database, "ARB")
    answer = send(either, "/centres/AFR/retry")
    assert answer.status_code == 303
    assert "are sent again" in either.get(answer.headers["Location"]).text
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


def test_one_menu_leads_to_all_work_and_counts_what_waits(
    either: FlaskClient, database: Database
) -> None:
    page = either.get("/holds").text
    menu = page.partition("<header>")[2].partition("</header>")[0]
    entries = dict(re.findall(r'href="(/[^"]*)"[^>]*>([^<]+)', menu))
    for path in (
        *("/operations", "/centres", "/runs", "/holds", "/people", "/quarantine", "/conflicts"),
        *("/figures", "/connections", "/connections/refused", "/tokens", "/webhooks", "/accounts"),
        "/audit",
    ):
        assert path in entries
        assert either.get(path).status_code == 200, path
    for path in ("/holds", "/people", "/quarantine"):
        assert re.search(rf'href="{path}"[^>]*>\w+ <span class="count">1</span>', menu)
    with database.writing() as tx:
        number = registrations.add(tx, LtiRegistration(Side.TOOL, "Sample tool", "AFR")).id
    refused = RefusalLog(database, days=30, kept=5, now=utc_now)
    refused.add(Refusal(number, "launch", "nonce-used", "r1", NOW, times=3))
    refused.close()
    assert ">Sample tool</bdi></a>: 3, " in either.get("/connections/refused").text
