"""The score climbs back: from the tool to the result, and on into the platform's gradebook."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from lms_bridge.domain.model import ACADEMY, Flow, Kind, Result
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.registrations import PersonId, Status
from lms_bridge.store import enrolments, leases, results, target_links
from lms_bridge.store.lti_tables import launch_origin
from lms_bridge.sync.desired_state import desire_results
from tests.integration.lti_chain.chain import Chain, no_line_item
from tests.integration.lti_platform.test_services import stored_result_of
from tests.integration.lti_platform.waiting import until
from tests.peers.browser import Browser
from tests.peers.platform import AGS, LTI, Platform, running

GRADEBOOK = "lti:2"  # the bridge's tool has the first number


def keep_result(chain: Chain, **values: Any) -> None:
    """What a centre's LMS showed of the learner, as a run takes it in."""
    world = chain.world
    pair = (world.ids["OFF-1"], world.ids["acad-1"])
    record = Result("acad-1", "OFF-1", **values)
    with world.bridge.database.writing() as tx:
        enrolment_id = enrolments.enrolment_ids(tx, [pair])[pair]
        known = results.results_of(tx, [enrolment_id])
        if known:
            id_ = known[enrolment_id][0]
            results.change_results(tx, {id_: record})
        else:
            (id_,) = results.add_results(tx, [(enrolment_id, record)])
        desire_results(tx, "ONE", {id_: record})


def test_a_score_reaches_the_academys_gradebook(either_chain: Chain) -> None:
    chain = either_chain
    claims = chain.launch()
    assert chain.score(claims, 70, 1) == 204
    assert chain.scores() == [("acad-1", 70, "2026-03-01T10:01:00.000Z")]
    sent = chain.academy.scores[0]
    assert (sent["scoreMaximum"], sent["item"]) == (100, 6)
    assert (sent["activityProgress"], sent["gradingProgress"]) == ("Completed", "FullyGraded")
    assert chain.links() == {GRADEBOOK: (True, "")}  # the Academy has it by its gradebook alone
    assert "POST /Items/6/lineitem/scores?type_id=1" in chain.academy.requested
    with chain.world.bridge.database.reading() as tx:
        rows = tx.exec_driver_sql("select system, kind, action, state from item order by id").all()
    assert [tuple(row) for row in rows] == [
        ("centre:ONE", "result", "create", "applied"),
        (GRADEBOOK, "result", "create", "acknowledged"),
    ]


def test_a_zero_score_and_a_regrade_are_sent(chain: Chain) -> None:
    claims = chain.launch()
    for minute, given in ((1, 70), (2, 0), (3, 55.5), (4, 100)):
        assert chain.score(claims, given, minute) == 204
        assert chain.scores()[-1][:2] == ("acad-1", given)
    assert len(chain.scores()) == 4


def test_repeats_and_older_scores_change_nothing(chain: Chain) -> None:
    claims = chain.launch()
    assert chain.score(claims, 70, 5) == 204
    assert chain.score(claims, 70, 5) == 204
    assert chain.score(claims, 10, 4) == 409
    assert chain.scores() == [("acad-1", 70, "2026-03-01T10:05:00.000Z")]
    assert chain.send().status == "done"
    assert len(chain.scores()) == 1


def test_another_value_of_the_same_time_is_dated_later(chain: Chain) -> None:
    chain.launch()
    graded = stored_time()
    for score in (Decimal(50), Decimal(60), Decimal(0)):
        keep_result(chain, score=score, graded_at=graded)
        assert chain.send().status == "done"
    assert chain.scores() == [
        ("acad-1", 50, "2026-03-01T10:00:00.000Z"),
        ("acad-1", 60, "2026-03-01T10:00:01.000Z"),
        ("acad-1", 0, "2026-03-01T10:00:02.000Z"),
    ]


def stored_time() -> datetime:
    return datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_scales_completions_and_withdrawn_scores_are_sent(chain: Chain) -> None:
    chain.launch()
    scale = {"scale_min": Decimal(2), "scale_max": Decimal(6)}
    keep_result(chain, score=Decimal(5), **scale, graded_at=stored_time())
    chain.send()
    sent = chain.academy.scores[-1]
    assert (sent["scoreGiven"], sent["scoreMaximum"]) == (3, 4)
    assert sent["activityProgress"] == "InProgress"
    keep_result(chain, score=None, completed=True, completed_at=stored_time())
    chain.send()
    sent = chain.academy.scores[-1]
    assert "scoreGiven" not in sent
    assert (sent["activityProgress"], sent["gradingProgress"]) == ("Completed", "NotReady")
    keep_result(chain, score=Decimal(1), scale_min=Decimal(1), scale_max=Decimal(1))
    report = chain.send()
    assert report.counts["result.update.failed"] == 1
    assert "scale" in chain.links()[GRADEBOOK][1]


def test_a_completion_is_taken_back_by_what_is_fully_graded(chain: Chain) -> None:
    claims = chain.launch()
    chain.score(claims, 70, 1)
    chain.score(claims, None, 2, activityProgress="Started", gradingProgress="NotReady")
    chain.scores()
    result = stored_result_of(chain.world)
    assert result is not None
    assert result.completed
    assert result.score == 70
    chain.score(claims, 20, 3, activityProgress="InProgress")
    chain.scores()
    result = stored_result_of(chain.world)
    assert result is not None
    assert (result.completed, result.completed_at) == (False, None)
    assert result.score == 20
    assert chain.academy.scores[-1]["activityProgress"] == "InProgress"


def test_a_platform_that_was_down_gets_its_scores_later(chain: Chain) -> None:
    claims = chain.launch()
    chain.academy.down = True
    assert chain.score(claims, 70, 1) == 204  # the tool is not kept waiting
    assert chain.scores() == []
    assert chain.links()[GRADEBOOK][0] is False
    with chain.world.bridge.database.reading() as tx:
        (row,) = tx.exec_driver_sql("select status, error from run order by id desc limit 1")
    assert row.status == "partial"
    assert "results sent to Sample Academy (connection 2)" in row.error
    chain.academy.down = False
    until(lambda: chain.send().status == "done")  # once the circuit is closed again
    assert chain.scores() == [("acad-1", 70, chain.scores()[0][2])]
    assert chain.links() == {GRADEBOOK: (True, "")}


def test_an_ungraded_score_does_not_replace_a_waiting_one(chain: Chain) -> None:
    """A course that is opened again shows so before the grade was applied."""
    claims = chain.launch()
    chain.world.settle()  # else the launch's own run may hold the centre
    with chain.world.bridge.database.writing() as tx:
        assert leases.take(tx, "run:ONE", "somebody else", chain.world.lti.now(), 3600)
    chain.world.sender._waits = ()
    progress = {"gradingProgress": "NotReady"}
    assert chain.score(claims, None, 1, activityProgress="Completed", **progress) == 204
    assert chain.score(claims, None, 2, activityProgress="InProgress", **progress) == 204
    with chain.world.bridge.database.reading() as tx:
        (kept,) = tx.exec_driver_sql("select activity from lti_score").scalars()
    assert kept == "Completed"
    assert chain.score(claims, 70, 3) == 204
    assert chain.score(claims, None, 4, activityProgress="Started", **progress) == 204
    chain.world.settle()  # else the last score's own run might find the centre free
    with chain.world.bridge.database.writing() as tx:
        leases.give_back(tx, "run:ONE", "somebody else")
    assert run_of_results(chain).status == "done"
    result = stored_result_of(chain.world)
    assert result is not None
    assert result.completed
    assert result.score == 70
    assert chain.scores() == [("acad-1", 70, "2026-03-01T10:03:00.000Z")]


def run_of_results(chain: Chain, **options: Any) -> Any:
    """A run of results as the clock has it."""
    bridge = chain.world.bridge
    return bridge.runner().run(bridge.request(bridge.centre("ONE"), (Flow.RESULTS,), **options))


def test_a_score_sent_before_a_kill_is_not_taken_for_a_repeat(chain: Chain) -> None:
    """An answer that nobody heard: the next score of the same time must not look like a repeat."""
    chain.launch()
    keep_result(chain, score=Decimal(50), graded_at=stored_time())
    chain.send()
    with chain.world.bridge.database.writing() as tx:
        tx.exec_driver_sql("update link set acknowledged = desired, sending = true")
        (id_,) = [row[0] for row in tx.exec_driver_sql("select record_id from link")]
        target_links.send_again(tx, GRADEBOOK, Kind.RESULT, [id_])
    keep_result(chain, score=Decimal(60), graded_at=stored_time())
    assert chain.send().status == "done"
    assert [given for _, given, _ in chain.scores()] == [50, 60]
    assert chain.links()[GRADEBOOK] == (True, "")


def test_a_person_with_the_longest_id_gets_a_score(either_chain: Chain) -> None:
    """LTI Core 1.3, section 5.3.6.1: up to 255 characters."""
    chain = either_chain
    chain.change_registration(person_id=PersonId.SOURCED_ID)
    longest = "s" * 255

    def named(claims: dict[str, Any]) -> None:
        claims["sub"] = longest
        claims[f"{LTI}lis"] = {"person_sourcedid": "acad-1"}

    claims = chain.launch(change=named)
    assert chain.score(claims, 70, 1) == 204
    assert [each[:2] for each in chain.scores()] == [(longest, 70)]
    assert chain.links() == {GRADEBOOK: (True, "")}
    assert chain.send().status == "done"
    assert len(chain.scores()) == 1


# ---- columns -----------------------------------------------------------------------------


def test_a_line_item_is_created_once_and_remembered(either_chain: Chain) -> None:
    chain = either_chain
    first, second = chain.launch(change=no_line_item), None
    other = Browser()
    page = chain.click("acad-2", change=no_line_item, browser=other)
    second = chain.arrive(page, other)
    chain.score(first, 70, 1)
    chain.score(second, 80, 1)
    assert sorted(each[:2] for each in chain.scores()) == [("acad-1", 70), ("acad-2", 80)]
    (item,) = chain.academy.line_items.values()
    assert (item["resourceId"], item["tag"]) == ("OFF-1", "lms-bridge")
    assert item["label"] == "Spectre & réglementation"
    assert {row.line_item for row in chain.launch_origins()} == {item["id"]}
    looks = chain.academy.count("GET /Items")
    chain.launch(change=no_line_item)  # what was made is not forgotten
    chain.score(first, 75, 2)
    assert chain.scores()[-1][:2] == ("acad-1", 75)
    assert chain.academy.count("GET /Items") == looks
    other.close()


def test_a_deleted_line_item_is_replaced(chain: Chain) -> None:
    claims = chain.launch()
    chain.academy.gone = {6}
    chain.academy.line_items["a"] = {
        "id": f"{chain.academy.address}/Items/99/lineitem",
        "label": "",
    }
    chain.score(claims, 70, 1)
    assert [(each["item"], each["scoreGiven"]) for each in _all(chain)] == [(7, 70)]
    assert len(chain.academy.line_items) == 2
    chain.score(claims, 80, 2)
    assert [(each["item"], each["scoreGiven"]) for each in _all(chain)] == [(7, 70), (7, 80)]


def _all(chain: Chain) -> list[dict[str, Any]]:
    chain.scores()
    return chain.academy.scores


def test_the_line_item_of_a_later_launch_takes_over(chain: Chain) -> None:
    claims = chain.launch()
    chain.score(claims, 70, 1)
    chain.scores()

    def moved(given: dict[str, Any]) -> None:
        endpoint = given[f"{AGS}claim/endpoint"]
        endpoint["lineitem"] = f"{chain.academy.address}/Items/8/lineitem?type_id=1"

    chain.launch(change=moved)
    assert [(each["item"], each["scoreGiven"]) for each in _all(chain)] == [(6, 70), (8, 70)]


def test_a_launch_after_the_result_sends_it(chain: Chain) -> None:
    keep_result(chain, score=Decimal(50), graded_at=stored_time())
    assert chain.links().keys() == {ACADEMY}
    chain.launch()
    assert chain.scores() == [("acad-1", 50, "2026-03-01T10:00:00.000Z")]


def test_a_platform_without_line_items_gets_no_score(chain: Chain) -> None:
    def change(given: dict[str, Any]) -> None:
        no_line_item(given)
        given[f"{AGS}claim/endpoint"]["scope"] = [lti.SCORE]

    claims = chain.launch(change=change)
    chain.score(claims, 70, 1)
    assert chain.scores() == []
    assert "lets the bridge make none" in chain.links()[GRADEBOOK][1]


def test_a_platform_without_the_score_scope_gets_no_score(chain: Chain) -> None:
    def change(given: dict[str, Any]) -> None:
        given[f"{AGS}claim/endpoint"]["scope"] = [lti.LINE_ITEM]

    claims = chain.launch(change=change)
    chain.score(claims, 70, 1)
    assert chain.scores() == []
    assert chain.links().keys() == {ACADEMY}  # it goes by the Academy's own connector


def test_a_refused_service_token_is_reported_and_retried(chain: Chain) -> None:
    claims = chain.launch()
    chain.academy.refuses_tokens = True
    chain.score(claims, 70, 1)
    assert chain.scores() == []
    report = chain.send()
    assert [error.code for _, error in report.errors] == ["service-denied"]
    chain.academy.refuses_tokens = False
    assert chain.send().status == "done"
    assert chain.scores()[-1][:2] == ("acad-1", 70)


def test_resending_includes_gradebooks(chain: Chain) -> None:
    claims = chain.launch()
    chain.score(claims, 70, 1)
    chain.scores()
    (id_,) = {row.record_id for row in chain.result_links()}
    with chain.world.bridge.database.writing() as tx:
        assert GRADEBOOK in target_links.systems_of(tx, "ONE", Kind.RESULT, [id_])
        assert GRADEBOOK not in target_links.systems_of(tx, "TWO", Kind.RESULT, [id_])
        for system in target_links.systems_of(tx, "ONE", Kind.RESULT, [id_]):
            target_links.send_again(tx, system, Kind.RESULT, [id_])
    chain.send()
    assert chain.scores() == [
        ("acad-1", 70, "2026-03-01T10:01:00.000Z"),
        ("acad-1", 70, "2026-03-01T10:01:01.000Z"),
    ]


def test_a_refused_person_stops_nobody_else(chain: Chain) -> None:
    other = Browser()
    second = chain.arrive(chain.click("acad-2", browser=other), other)
    first = chain.launch()
    with chain.world.bridge.database.writing() as tx:
        tx.exec_driver_sql(
            "update lti_launch_origin set subject = 'nobody' where subject = 'acad-1'"
        )
    chain.score(first, 70, 1)
    chain.scores()
    chain.score(second, 80, 1)
    assert [each[:2] for each in chain.scores()] == [("acad-2", 80)]
    errors = [row.error for row in chain.result_links() if row.system == GRADEBOOK]
    assert sorted("does not find where a score belongs" in error for error in errors) == [
        False,
        True,
    ]
    other.close()


# ---- several platforms -------------------------------------------------------------------


def test_a_platform_that_is_down_does_not_stop_another(chain: Chain) -> None:
    with running(Platform(client_id="client-2")) as second:
        chain.add_platform(second, name="Second", client_id="client-2")
        claims = chain.launch()
        other = Browser()
        chain.arrive(chain.click(platform=second, browser=other), other)
        chain.academy.down = True
        chain.score(claims, 70, 1)
        assert chain.scores(second) == [("acad-1", 70, "2026-03-01T10:01:00.000Z")]
        assert chain.scores() == []
        assert chain.links() == {GRADEBOOK: (False, ""), "lti:3": (True, "")}
        other.close()


def test_a_centres_platform_and_the_academys_connector_both_get_scores(chain: Chain) -> None:
    """Only the Academy's own gradebook takes the place of its connector."""
    chain.change_registration(centre="ONE", person_id="sourced_id")

    def change(given: dict[str, Any]) -> None:
        given["https://purl.imsglobal.org/spec/lti/claim/lis"] = {"person_sourcedid": "acad-1"}

    chain.score(chain.launch("77", change=change), 70, 1)
    assert [each[:2] for each in chain.scores()] == [("77", 70)]
    assert chain.links().keys() == {ACADEMY, GRADEBOOK}


def test_a_result_that_the_academy_has_stays_up_to_date_there(chain: Chain) -> None:
    keep_result(chain, score=Decimal(50), graded_at=stored_time())
    with chain.world.bridge.database.writing() as tx:
        tx.exec_driver_sql("update link set acknowledged = desired, external_id = 'known'")
    claims = chain.launch()
    chain.scores()
    chain.score(claims, 70, 1)
    chain.scores()
    desired = [row.desired for row in chain.result_links()]
    assert len(set(desired)) == 1
    assert chain.links().keys() == {ACADEMY, GRADEBOOK}


def test_a_disabled_platform_gets_no_score(chain: Chain) -> None:
    claims = chain.launch()
    chain.change_registration(status=Status.DISABLED)
    chain.score(claims, 70, 1)
    assert chain.scores() == []
    assert chain.links().keys() == {ACADEMY}


def test_a_dry_run_shows_it_and_sends_nothing(chain: Chain) -> None:
    claims = chain.launch()
    chain.world.settle()  # else the launch's own run may hold the centre
    with chain.world.bridge.database.writing() as tx:
        assert leases.take(tx, "run:ONE", "somebody else", chain.world.lti.now(), 3600)
    chain.world.sender._waits = ()
    chain.score(claims, 70, 1)
    chain.scores()
    report = run_of_results(chain, dry=True)
    reported = [(each["system"], each["action"], each["state"]) for each in report.changes]
    assert reported == [
        ("centre:ONE", "create", "applied"),
        (GRADEBOOK, "create", "would be sent"),
    ]
    assert chain.scores() == []
    assert stored_result_of(chain.world) is None
    with chain.world.bridge.database.reading() as tx:
        assert tx.scalars(select(launch_origin.c.scored_at)).all() == [None]


@pytest.mark.parametrize("at_once", [20])
def test_many_scores_at_once_make_one_run_or_two(chain: Chain, at_once: int) -> None:
    claims = chain.launch()
    for minute in range(at_once):
        assert chain.score(claims, minute, minute) == 204
    assert chain.scores()[-1][:2] == ("acad-1", at_once - 1)
    with chain.world.bridge.database.reading() as tx:
        runs = tx.exec_driver_sql("select count(*) from run").scalar_one()
    assert runs <= at_once
