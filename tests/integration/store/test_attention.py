"""What needs attention: each kind once, in one query, whatever the number of centres."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, update

from lms_bridge.domain.model import Centre, Kind
from lms_bridge.store import attention, centres, links, mail_failures, runs
from lms_bridge.store.api_tables import webhook
from lms_bridge.store.attention import AttentionCounts, Finding, Matter, findings
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import registration
from lms_bridge.store.tables import centre
from lms_bridge.store.waits import waits_of
from tests.integration.web.filling import CENTRES, NOW, fill

LATER = NOW + timedelta(hours=4)


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    with database.writing() as tx:
        _failing_record(tx, "AFR")
        _failing_record(tx, "OFF")  # a paused centre
        row = {"events": [], "created_at": NOW}
        tx.execute(insert(webhook), [row | {"active": False}, row | {"active": True}])
        for requests in (1, 2):
            mail_failures.note_failure(tx, requests, NOW)
        row = {"side": "tool", "centre": "ARB", "created_at": NOW}
        row |= {name: [] for name in ("deployment_ids", "redirect_uris", "scopes")}
        row |= {"custom": {}, "privacy": {}}
        for number, status in enumerate(("pending", "active", "disabled")):
            tx.execute(insert(registration), [row | {"status": status, "client_id": f"{number}"}])
    return database


def _failing_record(tx: Connection, code: str) -> None:
    row = {"system": f"centre:{code}", "kind": Kind.LEARNER, "centre": code, "record_id": 1}
    hashes = {"desired": b"1", "acknowledged": b"", "tolerated": b"", "source_hash": b""}
    links.insert_links(tx, [row | hashes | {"attempts": 2, "error": "Refused."}])


def _found(database: Database, now: Any = LATER) -> dict[Matter, Finding]:
    with database.reading() as tx:
        return {each.matter: each for each in findings(tx, now)}


def test_every_kind_is_found_with_its_centres(filled: Database) -> None:
    found = _found(filled)
    assert {matter: (each.count, each.centres) for matter, each in found.items()} == {
        Matter.CENTRES_FAILING: (2, ("AFR", "EUR")),
        Matter.CENTRES_NEVER_RAN: (1, ("ARB",)),  # its first run is at work
        Matter.RECORDS_FAILING: (1, ("AFR",)),
        Matter.QUARANTINED: (1, ("AFR",)),
        Matter.WEBHOOKS_OFF: (1, ("",)),
        Matter.HOLDS: (1, ("EUR",)),
        Matter.PEOPLE_UNMATCHED: (1, ("AFR",)),
        Matter.CONNECTIONS_WAITING: (1, ("ARB",)),
        Matter.MAIL_FAILING: (3, ()),
    }
    assert found[Matter.HOLDS].since == NOW


def test_a_new_database_needs_no_attention(database: Database) -> None:
    assert _found(database) == {}


def test_a_centre_that_fails_for_some_minutes_is_none_that_fails(filled: Database) -> None:
    assert Matter.CENTRES_FAILING not in _found(filled, NOW + timedelta(minutes=30))


def test_a_paused_centre_needs_no_attention(filled: Database) -> None:
    with filled.writing() as tx:
        tx.execute(update(centre).values(active=False))
    assert set(_found(filled)) == {Matter.WEBHOOKS_OFF, Matter.MAIL_FAILING}


def test_the_number_of_queries_does_not_grow_with_the_centres(filled: Database) -> None:
    seen: list[str] = []
    event.listen(filled.engine, "before_cursor_execute", lambda *facts: seen.append(facts[2]))
    _found(filled)
    few = len(seen)
    with filled.writing() as tx:
        for number in range(40):
            centres.add(tx, replace(CENTRES[0], code=f"MORE{number}"), b"")
    seen.clear()
    assert _found(filled)[Matter.CENTRES_NEVER_RAN].count == 41
    assert len(seen) == few


def test_what_a_run_says_waits_is_what_needs_attention(filled: Database) -> None:
    """One failing record, one person and so on are counted alike by runs, `status` and /health."""
    found = _found(filled)
    with filled.reading() as tx:
        known = [each.code for each in centres.all_centres(tx) if each.active]
        waits = [each for code in known for each in waits_of(tx, code, list(Kind), [])]
    number = Counter[str]()
    for each in waits:
        number[each.what] += 1 if each.what == "held" else each.number
    assert number == {
        "failed": found[Matter.RECORDS_FAILING].count,
        "unmatched": found[Matter.PEOPLE_UNMATCHED].count,
        "quarantined": found[Matter.QUARANTINED].count,
        "held": found[Matter.HOLDS].count,
    }
    shown = AttentionCounts(filled).counts(LATER)
    assert {str(matter): each.count for matter, each in found.items()} == dict(shown)


def test_counts_are_kept_for_some_seconds(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "KEPT_SECONDS", 600)
    counts = AttentionCounts(filled)
    assert counts.counts(LATER)[Matter.HOLDS] == 1
    filled.close()
    monkeypatch.setattr(filled, "reading", None)  # nobody asks it again
    assert counts.counts(LATER)[Matter.HOLDS] == 1


# ---- how the flows of a centre go ------------------------------------------------------------


def _run(database: Database, flows: str, status: str, hours: int, **more: str) -> None:
    with database.writing() as tx:
        if not centres.find(tx, "KE"):
            centres.add(tx, Centre("KE", "Sample", "africa", "moodle"), b"")
        at = NOW + timedelta(hours=hours)
        number = runs.start_run(tx, "KE", flows, more.get("trigger", "clock"), at)
        runs.finish_run(tx, number, status, {}, at, (more.get("code", ""), ""))


ALL = "offerings,enrolments,results"


def _fails(database: Database, hours: int) -> Any:
    found = _found(database, NOW + timedelta(hours=hours)).get(Matter.CENTRES_FAILING)
    return found and found.since


def test_a_nightly_failure_is_not_hidden_by_good_runs_of_other_flows(database: Database) -> None:
    _run(database, ALL, "failed", 0)
    _run(database, "enrolments", "done", 1)
    assert _fails(database, 3) == NOW
    _run(database, "offerings", "done", 4)
    assert _fails(database, 5) == NOW  # results
    _run(database, "results", "done", 5)
    assert _fails(database, 9) is None


def test_a_failure_counts_from_the_first_of_a_row(database: Database) -> None:
    _run(database, "results", "done", 0)
    _run(database, "results", "failed", 1)
    _run(database, "results", "failed", 6)
    assert _fails(database, 7) == NOW + timedelta(hours=1)


@pytest.mark.parametrize("status", ["partial", "held"])
def test_a_step_that_failed_counts_whatever_the_run_is_called(
    sqlite_database: Database, status: str
) -> None:
    _run(sqlite_database, "results", status, 0, code="moodle-refused")
    assert _fails(sqlite_database, 4) == NOW
    _run(sqlite_database, "results", status, 5)
    assert _fails(sqlite_database, 9) is None


@pytest.mark.parametrize("trigger", ["push", "import", "scores", "api"])
def test_what_does_not_read_the_centre_does_not_make_it_well(
    sqlite_database: Database, trigger: str
) -> None:
    _run(sqlite_database, "offerings", "failed", 0)
    _run(sqlite_database, "offerings", "done", 1, trigger=trigger)
    assert _fails(sqlite_database, 4) == NOW
