"""Three hundred unmatched people: pages, decisions about many at once, and the table both ways."""

from __future__ import annotations

import csv
import io
import re
from html import unescape

from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Kind, Learner, centre_system
from lms_bridge.domain.roles import Role
from lms_bridge.store import holds, learners, links
from lms_bridge.store.api_tables import run_request
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import link, unmatched
from tests.databases import BOTH
from tests.integration.accounts.browser import ORIGIN, account, send, signed_in
from tests.operators import own_field

MANY = 300


def wait(database: Database, centre: str = "AFR", many: int = MANY) -> list[int]:
    """So many people wait at a centre; name and address of every second one agree."""
    people = [Learner(f"W{n}", "Waits", f"Number {n}", f"w{n}@example.org") for n in range(many)]
    with database.writing() as tx:
        ids = learners.add_learners(tx, people)
        rows = [
            {
                "centre": centre,
                "learner_id": id_,
                "suggestions": [
                    [str(9000 + n), f"same-email, {'same' if n % 2 else 'other'} name"]
                ],
                "reason": "same-email",
                "since": utc_now(),
            }
            for n, id_ in enumerate(ids)
        ]
        holds.queue_person(tx, rows)
    return ids


def waiting(database: Database) -> int:
    with database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(unmatched)) or 0


def ticks(page: str) -> list[str]:
    return re.findall(r'name="person" value="([^"]+)"', page)


def table(browser: FlaskClient, path: str = "/people.csv") -> list[dict[str, str]]:
    text = browser.get(path).get_data().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def upload(browser: FlaskClient, text: str) -> TestResponse:
    file = (io.BytesIO(text.encode()), "people.csv")
    form = {**own_field(browser), "file": file}
    return browser.post("/people/file", data=form, headers={"Origin": ORIGIN})


@BOTH
def test_three_hundred_people_are_gone_through_page_by_page(
    either: FlaskClient, database: Database
) -> None:
    wait(database)
    seen: list[str] = []
    path = "/people?centre=AFR"
    while path:
        page = either.get(path).text
        seen += re.findall(r"<bdi>([LW]\d+)</bdi>", page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = unescape(following[1]) if following else ""
    assert len(seen) == len(set(seen)) == MANY + 1
    page = either.get("/people?agreeing=1").text
    assert len(ticks(page)) == 50
    assert "Tick all where name and address agree: 150" in page
    assert "Nobody waits to be matched" in either.get("/people?centre=EUR").text


@BOTH
def test_ticked_people_are_accepted_each_with_an_outcome_of_their_own(
    either: FlaskClient, database: Database
) -> None:
    first, *_ = wait(database, many=8)
    with database.writing() as tx:  # another learner has the account of the second one already
        row = {"system": centre_system("AFR"), "kind": Kind.LEARNER, "centre": "AFR"}
        empty = dict.fromkeys(("source_hash", "desired", "acknowledged", "tolerated"), b"")
        links.insert_links(tx, [{**row, **empty, "record_id": first, "external_id": "9001"}])
    chosen = ticks(either.get("/people").text)
    assert len(chosen) == 4
    chosen[2] = chosen[2].replace(":9005", ":4711")  # the suggestion was another one
    answer = send(either, "/people/accept", {"person": chosen})  # type: ignore[dict-item]  # several of one name
    assert answer.status_code == 200
    page = answer.text
    assert "<dt>Matched with an account</dt><dd>2</dd>" in page
    assert "linked to another learner already" in page
    assert "The suggestion has changed" in page
    assert waiting(database) == 1 + 8 - 2
    with database.reading() as tx:
        found = tx.scalars(select(item.c.fields).where(item.c.action == "match")).all()
        assert [each["account"] for each in found] == [[None, "9003"], [None, "9007"]]
        assert tx.scalars(select(run_request.c.centre)).all() == ["AFR"]
    # Sent twice: those who wait no more are told, and nothing happens again.
    assert '<th scope="col">Row</th>' not in answer.text
    again = send(either, "/people/accept", {"person": chosen}).text  # type: ignore[dict-item]  # several of one name
    assert "<dt>Matched with an account</dt><dd>0</dd>" in again
    assert again.count("waits at this centre any more") == 2
    assert send(either, "/people/accept").status_code == 422


def test_all_who_agree_are_accepted_at_once(client: FlaskClient, sqlite_database: Database) -> None:
    wait(sqlite_database)
    shown = client.get("/people?all=1").text
    chosen = ticks(shown)
    assert len(chosen) == shown.count(" checked>") - 1 == 150  # and the filter's own box
    page = send(client, "/people/accept", {"person": chosen}).text  # type: ignore[dict-item]  # several of one name
    assert "<dt>Matched with an account</dt><dd>150</dd>" in page
    assert "Nothing" not in page
    assert waiting(sqlite_database) == 151


@BOTH
def test_a_table_is_downloaded_filled_compared_and_applied_once(
    either: FlaskClient, database: Database
) -> None:
    wait(database, many=6)
    rows = table(either)
    assert len(rows) == 7
    assert rows[1]["suggested"] == "9000 (same-email, other name)"
    assert "@" not in either.get("/people.csv").text
    given = [
        ("AFR", "W0", "9000"),  # suggested
        ("AFR", "W1", "NEW"),
        ("AFR", "W2", ""),  # no decision
        ("AFR", "W3", "1234"),  # nobody suggested it
        ("AFR", "W0", "9000"),  # once more
        ("EUR", "W4", "9004"),  # does not wait there
        ("AFR", "<b>x</b>", "9005"),
    ]
    text = "".join(f"{','.join(row)}\r\n" for row in [("Centre", "learner", "account"), *given])
    assert upload(either, text).headers["Location"] == "/people/file"
    page = either.get("/people/file").text
    assert "<dt>Matched with an account</dt><dd>1</dd>" in page
    assert "<dt>A new account is made</dt><dd>1</dd>" in page
    assert "<dt>Refused</dt><dd>4</dd>" in page
    assert len(re.findall(r'class="(?:break )?refused"', page)) == 4
    assert "<b>x</b>" not in page
    assert waiting(database) == 7  # nothing was applied yet
    number = re.search(r'name="upload" value="(\d+)"', page)
    assert number is not None
    done = send(either, "/people/file/apply", {"upload": number[1]})
    assert "<dt>Refused</dt><dd>4</dd>" in done.text
    with database.reading() as tx:
        created = tx.scalars(select(unmatched.c.learner_id).where(unmatched.c.to_create)).all()
        assert len(created) == 1
        assert tx.scalar(select(link.c.id).where(link.c.external_id == "9000")) is None
    again = send(either, "/people/file/apply", {"upload": number[1]})
    assert again.headers["Location"] == "/people?done=file-gone"
    assert "decided about already" in either.get(again.headers["Location"]).text


def test_a_file_that_is_no_such_table_changes_nothing(
    client: FlaskClient, sqlite_database: Database
) -> None:
    for text, words in (
        ("centre,learner\r\nAFR,L1\r\n", "No column account"),
        ("", "no header"),
        ("\x00\x01\x02" * 50, "NUL"),
        ("centre,learner,account\r\n" + "AFR,L1,x\r\n" * 5_001, "more than 5,000 rows"),
    ):
        answer = upload(client, text)
        assert answer.status_code == 400, words
        assert words in answer.text
    assert waiting(sqlite_database) == 1
    formula = "centre,learner,account\r\nAFR,L1,'=4711\r\n"
    upload(client, formula)
    assert "none of those that were suggested" in client.get("/people/file").text
    send(client, "/people/file/discard")
    assert 'type="file"' in client.get("/people/file").text


def test_a_coordinator_decides_about_nobody_elses_people(
    client: FlaskClient, sqlite_database: Database
) -> None:
    wait(sqlite_database, "ARB", 4)
    wait_page = client.get("/people").text
    person = account(sqlite_database, role=Role.COORDINATOR, reach=DataScope(centre="AFR"))
    browser = signed_in(client.application, sqlite_database, person)
    assert ticks(wait_page)
    assert ticks(browser.get("/people").text) == []
    assert send(browser, "/people/accept", {"all": "1"}).status_code == 403
    assert [row["learner"] for row in table(browser)] == ["L1"]
    assert waiting(sqlite_database) == 5
