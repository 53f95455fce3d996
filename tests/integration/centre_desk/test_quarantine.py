"""A centre's people see which of their records cannot be used, and why."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from sqlalchemy import update

from lms_bridge.api.tokens import NewToken, create_token
from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Kind
from lms_bridge.domain.roles import Role
from lms_bridge.store import runs
from lms_bridge.store.database import Database
from lms_bridge.store.tables import quarantine
from tests.databases import BOTH
from tests.integration.accounts.browser import BY, REGIONS, account, signed_in
from tests.integration.centre_desk.conftest import Browser

PAGE = "/my-centre/AFR/quarantine"


def put(database: Database, kind: Kind, name: str, shown: dict[str, object], centre: str) -> None:
    with database.writing() as tx:
        row = {
            "system": f"centre:{centre}",
            "kind": kind,
            "centre": centre,
            "external_id": name,
            "scope": "1",
            "source_hash": b"",
            "code": "invalid-record",
            "run_id": 1,
            "reason": "hours is not a number.",
            "since": utc_now(),
            "shown": {},
            "remedy": "",
        }
        runs.put_in_quarantine(tx, [row])
        of = quarantine.c.external_id == name
        tx.execute(update(quarantine).where(of).values(shown=shown, remedy="Write 40."))


@BOTH
def test_a_record_shows_title_field_value_reason_remedy_and_its_course(
    browser: Browser, database: Database
) -> None:
    shown: dict[str, object] = {
        "title": "Measuring <quality>",
        "address": "https://lms.example.org/course/view.php?id=9",
        "fields": {"hours": "about forty"},
    }
    put(database, Kind.OFFERING, "course 77", shown, "AFR")
    put(database, Kind.OFFERING, "course 78", {**shown, "address": "javascript:x()"}, "AFR")
    put(database, Kind.OFFERING, "foreign", {"title": "Of another"}, "ARB")
    page = browser().get(PAGE).text
    assert "Measuring &lt;quality&gt;" in page
    assert "Hours of work <code>hours</code>" in page
    assert "about forty" in page
    assert "hours is not a number." in page
    assert "Write 40." in page
    assert page.count('href="https://lms.example.org/course/view.php?id=9"') == 1
    assert "javascript:" not in page
    assert "Of another" not in page
    assert "wstoken=0123" not in page


@pytest.mark.parametrize("kind", [Kind.ENROLMENT, Kind.RESULT])
def test_the_value_of_a_persons_record_is_shown_to_those_who_may_read_such_records(
    browser: Browser, desk_app: Flask, database: Database, kind: Kind
) -> None:
    put(database, kind, "reg 5", {"fields": {"learner.email": "ann@@example.org"}}, "AFR")
    assert "ann@@example.org" in browser().get(PAGE).text
    focal = account(database, "focal@example.org", Role.FOCAL_POINT, DataScope(region="africa"))
    operator = signed_in(desk_app, database, focal)
    assert "ann@@example.org" in operator.get("/quarantine").text
    read = {"operations:read", "enrolments:read", "results:read"}
    for scopes, shows in ((read, True), ({"operations:read"}, False)):
        new = NewToken("Sample", [Scope(each) for each in sorted(scopes)], DataScope(centre="AFR"))
        secret = create_token(database, new, REGIONS, by=BY)[1]
        headers = {"Authorization": f"Bearer {secret}"}
        answer = desk_app.test_client().get("/api/v1/quarantine", headers=headers)
        listed = json.loads(answer.text)["items"]
        (found,) = [each for each in listed if each["external_id"] == "reg 5"]
        assert ("ann@@example.org" in answer.text) is shows
        assert (found["fields"] is not None) is shows


def test_many_records_are_read_page_by_page_and_by_the_right_people(
    browser: Browser, database: Database
) -> None:
    for number in range(55):
        put(database, Kind.OFFERING, f"bad-{number}", {}, "AFR")
    coordinator = browser()
    page = coordinator.get(PAGE).text
    assert "bad-54" in page
    assert "bad-3<" not in page
    last = page.partition("before=")[2].partition('"')[0]
    assert "bad-3<" in coordinator.get(PAGE, query_string={"before": last}).text
    assert browser(role=Role.INSTRUCTOR).get(PAGE).status_code == 403
    assert browser("ARB").get(PAGE).status_code == 404
