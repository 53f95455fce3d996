"""What operators decide on their pages, by the forms that these pages show."""

from __future__ import annotations

import re

from flask.testing import FlaskClient
from sqlalchemy import select

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.roles import Role
from lms_bridge.store.api_tables import run_request
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import centre, hold, unmatched
from tests.integration.accounts.browser import account, send, signed_in


def actions(page: str) -> list[str]:
    return re.findall(r'<form method="post" action="([^"]+)"', page)


def test_a_hold_is_carried_out_or_kept_once(either: FlaskClient, database: Database) -> None:
    assert 'href="/holds/1"' in either.get("/holds").text
    (action,) = [each for each in actions(either.get("/holds/1").text) if "/holds/" in each]
    assert send(either, action, {"decision": "perhaps"}).status_code == 400
    answer = send(either, action, {"decision": "keep"})
    assert answer.status_code == 303
    page = either.get(answer.headers["Location"]).text
    assert "The next run carries it out" in page
    assert "/holds/1" not in page
    assert "Sample Operator" in either.get("/holds?decided=1").text
    with database.reading() as tx:
        row = tx.execute(select(hold)).one()
    assert (row.status, row.decided_by) == ("rejected", "Sample Operator")
    # Two people on one hold, or the back button: the second decision changes nothing.
    again = send(either, action, {"decision": "carry out"})
    assert again.status_code == 409
    assert "Somebody else decided this before you" in again.text
    assert "Sample Operator" in again.text
    assert action not in again.text
    with database.reading() as tx:
        assert tx.execute(select(hold)).one() == row
    assert send(either, "/holds/99999/decision", {"decision": "keep"}).status_code == 404


def test_a_person_is_matched_with_a_suggested_account_alone(
    either: FlaskClient, database: Database
) -> None:
    page = either.get("/people").text
    (action,) = [each for each in actions(page) if each.endswith("/match")]
    assert "It is 4711" in page
    assert send(either, action, {"account": "9999"}).status_code == 400
    answer = send(either, action, {"account": "4711"})
    assert answer.status_code == 303
    assert "Your decision is kept" in either.get(answer.headers["Location"]).text
    assert send(either, action, {"account": "4711"}).status_code == 404
    # The second of two people reads what the first one decided.
    late = send(either, action, {"account": "", "centre": "AFR", "learner": "L1"})
    assert late.status_code == 409
    assert re.search(r"decided this before you.*L1.*4711.*Sample Operator", late.text)
    unknown = send(either, action, {"account": "", "centre": "NONE", "learner": "L1"})
    assert unknown.status_code == 404
    with database.reading() as tx:
        assert tx.execute(select(unmatched)).all() == []
        assert tx.scalars(select(run_request.c.centre)).all() == ["AFR"]
        audited = tx.execute(
            select(item.c.action, item.c.fields).order_by(item.c.id.desc())
        ).first()
    assert audited is not None
    assert (audited.action, audited.fields["account"]) == ("match", [None, "4711"])


def test_a_centre_is_run_paused_and_resumed(client: FlaskClient, sqlite_database: Database) -> None:
    answer = send(client, "/centres/AFR/run")
    assert answer.status_code == 303
    assert "A run is requested" in client.get(answer.headers["Location"]).text
    with sqlite_database.reading() as tx:
        row = tx.execute(select(run_request).where(run_request.c.centre == "AFR")).one()
    assert row.flows == "offerings,enrolments,results"
    assert (row.requested_by, row.by_person) == ("Sample Operator", True)
    answer = send(client, "/centres/AFR/active", {"active": "no"})
    page = client.get(answer.headers["Location"]).text
    assert "The centre is paused" in page
    assert "Sync now" not in page
    refused = send(client, "/centres/AFR/run")
    assert refused.status_code == 400
    assert "Resume it first" in refused.text
    send(client, "/centres/AFR/active", {"active": "yes"})
    with sqlite_database.reading() as tx:
        assert tx.scalar(select(centre.c.active).where(centre.c.code == "AFR"))
    assert send(client, "/centres/NOWHERE/run").status_code == 404


def test_who_may_only_read_sees_no_button(client: FlaskClient, sqlite_database: Database) -> None:
    person = account(
        sqlite_database, role=Role.COORDINATOR, reach=DataScope(centre="AFR"), name="Sample"
    )
    browser = signed_in(client.application, sqlite_database, person)
    for path in ("/people", "/centres/AFR"):
        page = browser.get(path)
        assert page.status_code == 200
        assert "/match" not in page.text
        assert "/run" not in "".join(actions(page.text))
    assert send(browser, "/centres/AFR/run").status_code == 403
