"""Webhooks are told once of a change of state, within their reach, without personal data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.events import Event
from lms_bridge.domain.model import Kind, Learner
from lms_bridge.lti import registrations
from lms_bridge.lti.approval import add_registration, change_registration
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.store import holds, learners, runs
from lms_bridge.sync.holds import decide_hold
from tests.databases import BOTH
from tests.integration.webhooks.world import Post

ALL = "offerings,enrolments,results"


def _run(
    post: Post, flows: str, status: str, *, code: str = "", centre: str = "ONE", by: str = "clock"
) -> int:
    with post.world.bridge.database.writing() as tx:
        number = runs.start_run(tx, centre, flows, by, post.now)
        runs.finish_run(tx, number, status, {}, post.now, (code, ""))
    post.turn()
    return number


def _arrived(post: Post) -> list[tuple[str, Any]]:
    """(event, its data) of what arrived since the last look."""
    got = [(each.body["type"], each.body["data"]) for each in post.receiver.got]
    assert all(each.good for each in post.receiver.got)
    post.receiver.got.clear()
    return got


def test_a_flow_that_fails_again_and_again_is_told_once_and_once_when_it_is_well(
    post: Post,
) -> None:
    post.add()
    _run(post, ALL, "done")
    assert _arrived(post) == []
    first = _run(post, ALL, "partial", code="no-connection")
    for _ in range(3):
        _run(post, ALL, "failed", code="no-connection")
    flows = ALL.split(",")
    facts = {"centre": "ONE", "run": first, "status": "partial", "code": "no-connection"}
    assert _arrived(post) == [("run.failed", facts | {"flows": flows})]
    well = _run(post, "results", "done")
    assert _arrived(post) == [
        ("run.recovered", {"centre": "ONE", "run": well, "flows": ["results"]})
    ]
    _run(post, "results", "done")
    assert _arrived(post) == []
    again = _run(post, ALL, "failed")
    ((event, data),) = _arrived(post)
    assert (event, data["run"], data["flows"]) == ("run.failed", again, ["results"])


def test_pushes_and_decisions_are_no_runs_that_recover(post: Post) -> None:
    post.add()
    _run(post, "offerings", "failed")
    _arrived(post)
    for by in ("push", "import", "scores", "api"):
        _run(post, "offerings", "done", by=by)
    _run(post, "tokens", "done", by="command")
    assert _arrived(post) == []


@BOTH
def test_a_run_that_was_cut_off_is_told(post: Post) -> None:
    post.add()
    with post.world.bridge.database.writing() as tx:
        number = runs.start_run(tx, "ONE", "results", "clock", post.now)
        runs.end_orphaned_runs(tx, "ONE", post.now)
    post.turn()
    ((event, data),) = _arrived(post)
    assert (event, data["run"], data["status"]) == ("run.failed", number, "cut off")


def test_a_centre_that_falls_silent_is_told_once_and_once_when_it_answers(post: Post) -> None:
    post.add(events=[Event.CENTRE_UNREACHABLE, Event.CENTRE_REACHABLE])
    told = []
    for answered in (True, None, False, None, False, True, True):
        with post.world.bridge.database.writing() as tx:
            number = runs.start_run(tx, "ONE", ALL, "clock", post.now)
            runs.finish_run(tx, number, "done", {}, post.now, answered=answered)
        post.turn()
        told.append([event for event, _ in _arrived(post)])
    silent, well = ["centre.unreachable"], ["centre.reachable"]
    assert told == [[], [], silent, [], [], well, []]


@BOTH
def test_what_is_undone_is_not_told(post: Post) -> None:
    post.add()
    with post.world.bridge.database.writing() as tx:
        _ask(tx, post, [1])
        tx.rollback()
    post.turn()
    assert _arrived(post) == []


def _ask(tx: Any, post: Post, records: list[int]) -> int:
    number, _ = holds.ask(
        tx,
        centre="ONE",
        system="centre:ONE",
        kind=Kind.OFFERING,
        reason=holds.REMOVALS,
        record_ids=records,
        out_of=9,
        run_id=5,
        at=post.now,
    )
    return number


@BOTH
def test_a_hold_is_told_when_it_is_opened_and_when_it_is_decided(post: Post) -> None:
    post.add()
    database = post.world.bridge.database
    for _ in range(2):  # the second run asks the same
        with database.writing() as tx:
            number = _ask(tx, post, [1, 2])
        post.turn()
    facts = {"centre": "ONE", "hold": number, "kind": "offering", "reason": "removals"}
    assert _arrived(post) == [("hold.opened", facts | {"run": 5, "records": 2, "out_of": 9})]
    with database.writing() as tx:
        decide_hold(tx, number, approve=True, by="Given-Name", at=post.now)
    post.turn()
    assert _arrived(post) == [("hold.decided", facts | {"status": "approved"})]


@BOTH
def test_a_hold_that_nobody_has_to_decide_any_more_is_told(post: Post) -> None:
    post.add(events=[Event.HOLD_OPENED, Event.HOLD_DECIDED])
    database = post.world.bridge.database
    with database.writing() as tx:
        first = _ask(tx, post, [1, 2])
    post.turn()
    _arrived(post)
    with database.writing() as tx:
        second = _ask(tx, post, [1, 2, 3])
    post.turn()
    told = [(event, data["hold"], data.get("status")) for event, data in _arrived(post)]
    assert told == [("hold.decided", first, "outdated"), ("hold.opened", second, None)]
    for _ in range(2):
        with database.writing() as tx:
            holds.close(tx, {second: holds.OUTDATED}, post.now)
        post.turn()
    told = [(event, data["hold"], data.get("status")) for event, data in _arrived(post)]
    assert told == [("hold.decided", second, "outdated")]


@BOTH
def test_people_are_told_when_more_of_them_wait(post: Post) -> None:
    post.add(events=[Event.PEOPLE_UNMATCHED])
    database = post.world.bridge.database
    people = [Learner(f"SAMPLE-{number}", "Given", "Family", "") for number in range(3)]
    with database.writing() as tx:
        ids = learners.add_learners(tx, people)
    told = []
    for waiting in (ids[:2], ids[:2], ids):
        row = {"centre": "ONE", "suggestions": [], "reason": "no-account", "since": post.now}
        with database.writing() as tx:
            holds.queue_person(tx, [row | {"learner_id": id_} for id_ in waiting])
        post.turn()
        told.append(_arrived(post))
    first = [("people.unmatched", {"centre": "ONE", "people": 2})]
    assert told == [first, [], [("people.unmatched", {"centre": "ONE", "people": 1})]]


@BOTH
def test_a_connection_is_told_when_it_begins_to_wait(post: Post) -> None:
    post.add(events=[Event.CONNECTION_WAITING])
    database = post.world.bridge.database
    with database.writing() as tx:
        made = add_registration(tx, LtiRegistration(Side.TOOL, centre="ONE"), post.by())
        changed = change_registration(tx, made, replace(made, name="Another"), post.by())
    post.turn()
    facts = {"centre": "ONE", "connection": made.id, "side": "tool"}
    assert _arrived(post) == [("connection.waiting", facts)]
    with database.writing() as tx:
        active = change_registration(tx, changed, replace(changed, status=Status.ACTIVE), post.by())
    post.turn()
    assert _arrived(post) == []
    with database.writing() as tx:
        again = registrations.registered_again(active, active)
        change_registration(tx, active, again, post.by())
    post.turn()
    assert _arrived(post) == [("connection.waiting", facts)]


@pytest.mark.parametrize(
    ("reach", "heard"),
    [
        (DataScope("ONE"), ["ONE"]),
        (DataScope(region="africa"), ["ONE", "TWO"]),
        (DataScope(), ["", "FAR", "ONE", "TWO"]),
    ],
    ids=str,
)
def test_a_webhook_is_told_only_of_its_centres(
    one_post: Post, reach: DataScope, heard: list[str]
) -> None:
    one_post.add(reach)
    for centre in ("ONE", "TWO", "FAR"):
        _run(one_post, "results", "failed", centre=centre)
    with one_post.world.bridge.database.writing() as tx:
        add_registration(tx, LtiRegistration(Side.PLATFORM), one_post.by())
    one_post.turn()
    assert sorted({data["centre"] for _, data in _arrived(one_post)}) == heard
