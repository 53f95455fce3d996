"""Holds with their staged totals, conflicts with both sides, quarantine with its values."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, select, update

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.model import ACADEMY, Enrolment, EnrolmentStatus, Kind, Learner
from lms_bridge.store import enrolments, holds, learners, links, offerings, runs
from lms_bridge.store.database import Database
from lms_bridge.store.tables import hold
from tests.databases import BOTH
from tests.integration.accounts.browser import account, send, signed_in
from tests.integration.web.filling import HOSTILE, NOW


def numbers(database: Database, *codes: str) -> list[int]:
    with database.reading() as tx:
        found = offerings.offerings_by_code(tx, codes)
    return [found[code][0] for code in codes]


def hold_enrolments(database: Database) -> int:
    """Of forty enrolments in one course and ten in another, thirty and five vanished."""
    first, second = numbers(database, "EUR-1", "EUR-2")
    people = [Learner(f"H{n}", "Given", "Family", f"h{n}@example.org") for n in range(50)]
    with database.writing() as tx:
        ids = learners.add_learners(tx, people)
        rows = [
            (id_, first if n < 40 else second, Enrolment(f"H{n}", "", EnrolmentStatus.ENROLLED))
            for n, id_ in enumerate(ids)
        ]
        places = enrolments.add_enrolments(tx, rows)
        empty = dict.fromkeys(("desired", "acknowledged", "tolerated"), b"")
        of = {"system": ACADEMY, "kind": Kind.ENROLMENT, "centre": "EUR", "source_hash": b"x"}
        links.insert_links(
            tx,
            [
                {**of, **empty, "record_id": id_, "external_id": f"E{n}"}
                for n, id_ in enumerate(places)
            ],
        )
        number, _ = holds.ask(
            tx,
            centre="EUR",
            system=ACADEMY,
            kind=Kind.ENROLMENT,
            reason=holds.REMOVALS,
            record_ids=[*places[:30], *places[40:45]],
            out_of=50,
            run_id=1,
            at=NOW,
        )
    return number


@BOTH
def test_a_hold_says_how_many_of_how_many_in_each_course(
    either: FlaskClient, database: Database
) -> None:
    number = hold_enrolments(database)
    assert "Removals: Enrolments, 35 of 50" in either.get("/holds").text
    page = either.get(f"/holds/{number}").text
    rows = re.findall(r"<code>(EUR-\d)</code>.*?>(\d+)</td>.*?>(\d+)</td>", page)
    assert rows == [("EUR-1", "30", "40"), ("EUR-2", "5", "10")]
    assert page.count("H1 in EUR-1") == 1
    assert "More records that are not shown here: 15" in page
    assert "Given" not in page
    page = either.get(f"/holds/{number}?lang=ar").text
    assert '<html lang="ar" dir="rtl">' in page
    assert "Carry out" not in page


def test_a_decided_hold_names_who_decided_and_not_the_number_of_an_account(
    client: FlaskClient, sqlite_database: Database
) -> None:
    """Also where the account is gone."""
    number = hold_enrolments(sqlite_database)
    who = account(sqlite_database, role=None, name="Sample <Zahra>")
    for by, shown in ((who.audit_name, "Sample &lt;Zahra&gt;"), ("account 99", "الحساب 99")):
        with sqlite_database.writing() as tx:
            decided = {"status": "approved", "decided_by": by, "decided_at": NOW}
            tx.execute(update(hold).where(hold.c.id == number).values(decided))
        for path in ("/holds?decided=1&", f"/holds/{number}?"):
            assert f"<bdi>{shown}</bdi>" in client.get(f"{path}lang=ar").text, path


def test_a_hold_of_another_centre_looks_as_if_there_were_none(
    client: FlaskClient, sqlite_database: Database
) -> None:
    number = hold_enrolments(sqlite_database)
    someone = account(sqlite_database, reach=DataScope(centre="AFR"))
    browser = signed_in(client.application, sqlite_database, someone)
    pages = {each: browser.get(f"/holds/{each}") for each in (number, number + 1)}
    assert {page.status_code for page in pages.values()} == {404}
    for each, page in pages.items():
        assert f"There is no hold {each}." in page.text
        assert "EUR" not in page.text


@BOTH
def test_holds_that_wait_and_decided_ones_are_listed_from_the_last_number_on(
    either: FlaskClient, database: Database
) -> None:
    row: dict[str, Any] = {"centre": "EUR", "system": ACADEMY, "kind": "enrolment"}
    row |= {"reason": "removals", "record_ids": [1, 2], "out_of": 9, "run_id": 1}
    with database.writing() as tx:
        for number in range(120):
            status = "pending" if number % 2 else "approved"
            tx.execute(insert(hold).values(**row, status=status, created_at=NOW))
        ids = list(tx.scalars(select(hold.c.id).where(hold.c.status == "pending")))
    seen: list[int] = []
    path = "/holds"
    while path:
        page = either.get(path).text
        seen += [int(each) for each in re.findall(r'href="/holds/(\d+)"', page)]
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = unescape(following[1]) if following else ""
    assert seen == sorted(ids, reverse=True)
    assert either.get("/holds?decided=1").text.count('href="/holds/') == 50
    for odd in ("before=x", "before=-1", "before=" + "9" * 40, "decided=2"):
        assert either.get(f"/holds?{odd}").status_code == 200


@BOTH
@pytest.mark.parametrize(
    ("state", "words"),
    [("source wins", "sends its own version again"), ("kept", "until the source changes")],
)
def test_a_conflict_shows_both_sides_and_what_the_policy_does(
    either: FlaskClient, database: Database, state: str, words: str
) -> None:
    (number,) = numbers(database, "EUR-1")
    of = {"run_id": 1, "centre": "EUR", "system": ACADEMY, "external_id": ""}
    with database.writing() as tx:
        rows: list[dict[str, Any]] = [
            {"kind": Kind.OFFERING, "record_id": number, "fields": {"title": ["Ours", HOSTILE]}},
            {"kind": Kind.LEARNER, "record_id": 1, "fields": {"email": None}},
        ]
        of |= {"code": "", "message": ""}
        common = {**of, "action": "conflict", "state": state, "at": NOW - timedelta(hours=3)}
        runs.add_items(tx, [{**common, **row} for row in rows])
    page = either.get("/conflicts").text
    assert "<ins><bdi>Ours</bdi></ins>" in page
    assert "&lt;script&gt;" in page
    assert "personal, so its values are not shown" in page
    assert words in page
    assert "EUR-1" in either.get("/conflicts?centre=EUR").text
    assert "There is no conflict" in either.get("/conflicts?centre=AFR").text
    assert "There is no conflict" in either.get("/conflicts?before=1").text


@BOTH
def test_open_conflicts_stand_first_and_settled_ones_say_who_decided_what(
    either: FlaskClient, database: Database
) -> None:
    first, second = numbers(database, "EUR-1", "EUR-2")
    of: dict[str, Any] = {"system": ACADEMY, "external_id": "", "code": "", "message": ""}
    of |= {"kind": "offering", "action": "conflict", "run_id": 1, "centre": "EUR"}
    found = []
    with database.writing() as tx:
        for title, state, at in (("First", "held", 5), ("Second", "held", 4), ("Third", "kept", 3)):
            record = second if title == "Second" else first
            line = {"record_id": record, "state": state, "fields": {"title": ["Ours", title]}}
            runs.add_items(tx, [{**of, **line, "at": NOW - timedelta(hours=at)}])
            if state == "held":
                number, _ = holds.ask(
                    tx,
                    centre="EUR",
                    system=ACADEMY,
                    kind=Kind.OFFERING,
                    reason=holds.CONFLICT,
                    record_ids=[record],
                    out_of=9,
                    run_id=1,
                    at=NOW,
                )
                holds.name_hold(tx, 1, ACADEMY, Kind.OFFERING, number)
                found.append(number)
    send(either, f"/holds/{found[1]}/decision", {"decision": "keep"})
    page = either.get("/conflicts").text
    assert "Open: 1" in page
    assert page.index("First") < page.index("Third") < page.index("Second")
    settled = either.get("/conflicts?state=settled").text
    assert "First" not in settled
    assert re.search(r"Second.*until the source changes.*Sample Operator", settled, re.DOTALL)
    assert "By the policy of the centre" in settled
    waits = either.get("/conflicts?state=open&centre=EUR").text
    assert ("First" in waits, "Second" in waits) == (True, False)
    assert f'href="/holds/{found[0]}"' in waits
    assert "No conflict waits" in either.get("/conflicts?state=open&centre=AFR").text


def test_many_holds_are_decided_at_once_and_each_says_what_became_of_it(
    either: FlaskClient, database: Database
) -> None:
    row: dict[str, Any] = {"centre": "EUR", "system": ACADEMY, "kind": "enrolment"}
    row |= {"reason": "removals", "record_ids": [1], "out_of": 9, "run_id": 1, "created_at": NOW}
    with database.writing() as tx:
        tx.execute(insert(hold), [{**row, "status": "pending"} for _ in range(70)])
    page = either.get("/holds?centre=EUR").text
    assert "Tick all that match: 71" in page
    assert "checked" not in page
    page = either.get("/holds?centre=EUR&all=1").text
    chosen = re.findall(r'name="hold" value="(\d+)" checked', page)
    assert len(chosen) == 71
    send(either, f"/holds/{chosen[5]}/decision", {"decision": "carry out"})
    form: Any = {"decision": "keep", "hold": chosen}
    answer = send(either, "/holds/decisions", form).text
    assert "Done: 70" in answer
    assert "Not done: 1" in answer
    assert answer.count("Somebody else decided this before you") == 1
    again = send(either, "/holds/decisions", form).text  # sent twice: nothing is doubled
    assert "Done: 0" in again
    with database.reading() as tx:
        found = tx.scalars(select(hold.c.status).where(hold.c.id.in_(map(int, chosen)))).all()
    assert sorted(found) == ["approved"] + ["rejected"] * 70
    assert (
        send(either, "/holds/decisions", {"decision": "keep", "hold": "99999"}).status_code == 404
    )


@BOTH
def test_quarantine_shows_the_title_the_value_and_the_course(
    either: FlaskClient, database: Database
) -> None:
    (known,) = numbers(database, "EUR-1")
    row: dict[str, Any] = {
        "system": "centre:EUR",
        "kind": Kind.OFFERING,
        "centre": "EUR",
        "scope": "1",
        "source_hash": b"",
        "code": "invalid-record",
        "reason": "hours is not a number.",
        "since": NOW,
        "run_id": 1,
    }
    shown = {"title": HOSTILE, "fields": {"hours": "x" * 5_000}}
    with database.writing() as tx:
        runs.put_in_quarantine(
            tx,
            [
                {
                    **row,
                    "external_id": "7",
                    "shown": {**shown, "address": "https://lms.example.org/course/7"},
                    "remedy": "Write a number.",
                },
                {**row, "external_id": "8", "shown": {"address": "javascript:x()"}, "remedy": ""},
                {**row, "external_id": "9", "shown": {}, "remedy": ""},
            ],
        )
        empty = dict.fromkeys(("source_hash", "desired", "acknowledged", "tolerated"), b"")
        of = {"system": "centre:EUR", "kind": Kind.OFFERING, "centre": "EUR", "external_id": "9"}
        links.insert_links(tx, [{**of, **empty, "record_id": known}])
    page = either.get("/quarantine?centre=EUR").text
    assert "&lt;script&gt;" in page
    assert "x" * 300 + " …" in page
    assert "x" * 301 not in page
    assert "Write a number." in page
    assert 'href="https://lms.example.org/course/7"' in page
    assert "javascript:" not in page
    assert "Spectrum management 1" in page  # the last good version of the third
    assert page.count("Correct it where it comes from") == 2
