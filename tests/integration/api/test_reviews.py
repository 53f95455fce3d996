"""The life of an offering reaches its end for every source: outline, review, report, papers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from lms_bridge.admin.pauses import set_active
from lms_bridge.audit import PAGE, Actor
from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotNow, StopRun
from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import (
    ACADEMY,
    EnrolmentStatus,
    Flow,
    Kind,
    Modality,
    Offering,
    OfferingStatus,
    Result,
)
from lms_bridge.store import (
    leases,
    offerings,
    results,
    run_requests,
    source_links,
    status_history,
)
from lms_bridge.store.api_tables import outbox_notice, webhook
from lms_bridge.store.run_tables import item
from lms_bridge.store.status_history import KeptStatus
from lms_bridge.sync import certificates, enrolment_actions
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.offering_actions import OfferingChange, advance_by_time, change_offering
from lms_bridge.sync.run import RUN_LEASE, RunRequest
from tests.integration.api.world import DAY, NOW, World, enrol, offering, open_world

CODE = "ONE-planned"


@pytest.fixture
def either(database_address: str) -> Iterator[World]:
    made = open_world(database_address)
    with made.bridge.database.writing() as tx:  # somebody listens, so notices are written
        row = {"name": "sample", "events": ("outline.objected",), "created_at": NOW}
        tx.execute(webhook.insert().values(**row))
    yield made
    made.bridge.close()


@pytest.fixture
def world(sqlite_address: str) -> Iterator[World]:
    made = open_world(sqlite_address)
    yield made
    made.bridge.close()


def act(world: World, code: str, action: str, token: str, **body: Any) -> Any:
    return world.post(f"/offerings/{code}/{action}", token, json=body)


def later(world: World, centre: str, **delta: float) -> None:
    """Time passes, and a run of the centre notices."""
    bridge, moment = world.bridge, NOW + timedelta(**delta)
    request = RunRequest(
        bridge.centre(centre), bridge.policy_of(bridge.centre(centre)), (Flow.RESULTS,)
    )
    report = replace(bridge.runner(), now=lambda: moment).run(request, advance_by_time)
    assert not report.errors


def notices(world: World) -> list[tuple[str, dict[str, Any]]]:
    with world.bridge.database.reading() as tx:
        rows = tx.execute(outbox_notice.select().order_by(outbox_notice.c.id)).all()
    return [(row.event, row.data) for row in rows]


def test_a_review_keeps_its_comments_objections_and_history(either: World) -> None:
    centre = either.token(Scope.WRITE_OFFERINGS, Scope.READ_OFFERINGS, reach=DataScope("ONE"))
    first, second = (
        either.token(Scope.REVIEW_OFFERINGS, Scope.READ_OFFERINGS, reach=DataScope(region="africa"))
        for _ in range(2)
    )
    stated = {"mandate": "Spectrum is a task of the ITU", "instructors": ["A sample"]}
    answer = either.ask("PUT", f"/offerings/{CODE}/outline", centre, json=stated)
    assert answer.get_json()["outline"]["mandate"] == stated["mandate"]
    assert act(either, CODE, "comments", first, point="accuracy", text="Early").status_code == 409
    submitted = act(either, CODE, "submit", centre).get_json()["offering"]
    deadline = submitted["review_deadline"]
    assert deadline is not None
    refused = either.ask("PUT", f"/offerings/{CODE}/outline", centre, json={})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "offering-not-now")

    comment = act(either, CODE, "comments", first, point="accuracy", text="Check the table")
    assert comment.status_code == 201
    assert comment.get_json()["deadline"] == deadline
    assert comment.get_json()["silence_counts"] is False
    later(either, "ONE", days=either.bridge.settings.rules.objection_days + 1)
    assert either.get(f"/offerings/{CODE}", centre).get_json()["status"] == "submitted"

    # Two people review the same outline: the second learns of it, and nothing is lost.
    tag = either.get(f"/offerings/{CODE}", first).headers["ETag"]
    assert act(either, CODE, "object", first, point="description").get_json()["code"] == (
        "reason-missing"
    )
    objection = {"point": "description", "reason": "Day two repeats day one"}
    assert act(either, CODE, "object", first, **objection).status_code == 200
    late = either.post(f"/offerings/{CODE}/review", second, json={}, headers={"If-Match": tag})
    assert (late.status_code, late.get_json()["code"]) == (412, "changed-meanwhile")
    assert act(either, CODE, "object", second, **objection).get_json()["code"] == (
        "offering-not-now"
    )
    assert act(either, CODE, "comments", second, point="mandate", text="Add 5G").status_code == 201
    shown = either.get(f"/offerings/{CODE}", centre).get_json()
    assert (shown["status"], shown["status_reason"]) == ("planned", objection["reason"])

    act(either, CODE, "submit", centre)
    later(either, "ONE", days=either.bridge.settings.rules.objection_days + 1)
    found = either.get(f"/offerings/{CODE}/review", centre).get_json()
    assert [each["point"] for each in found["points"]] == [
        *("mandate", "membership", "description", "accuracy", "additional_topics")
    ]
    one, two = found["rounds"]
    assert (one["outcome"], one["reason"], one["point"]) == (
        *("objection", objection["reason"], "description"),
    )
    assert one["outline"]["outline"]["mandate"] == stated["mandate"]
    assert one["outline"]["title"] == f"Sample course {CODE}"
    assert [(each["point"], each["text"]) for each in one["comments"]] == [
        ("accuracy", "Check the table"),
        ("mandate", "Add 5G"),
    ]
    assert (two["outcome"], two["decided_by"], two["comments"]) == ("silence", "", [])
    lines = either.get(f"/offerings/{CODE}/history", centre).get_json()["items"]
    assert [(each["action"], each["after"]) for each in lines] == [
        *(("submit", "submitted"), ("object", "planned")),
        *(("submit", "submitted"), ("silence", "reviewed")),
    ]
    about = {"centre": "ONE", "offering": CODE}
    assert notices(either) == [
        ("outline.submitted", about),
        ("outline.commented", {**about, "point": "accuracy"}),
        ("outline.objected", about),
        ("outline.commented", {**about, "point": "mandate"}),
        ("outline.submitted", about),
        ("outline.reviewed", about),
    ]
    with either.bridge.database.reading() as tx:
        audited = tx.execute(item.select().where(item.c.external_id == CODE)).all()
    assert {row.action for row in audited} >= {"outline", "comment", "update"}
    assert any((row.fields or {}).get("reason") == [None, objection["reason"]] for row in audited)


def test_a_course_of_a_source_reaches_its_certificates(either: World) -> None:
    """Nobody acted on it here before: its LMS published it."""
    token = either.token()
    done = enrol(either, "ONE-open", "L1", EnrolmentStatus.COMPLETED)
    told = enrol(either, "ONE-open", "L2", EnrolmentStatus.ENROLLED)
    enrol(either, "ONE-open", "L3", EnrolmentStatus.ENROLLED)
    with either.bridge.database.writing() as tx:
        results.add_results(tx, [(told, Result("L2", "ONE-open", completed=True))])
    later(either, "ONE", days=31)
    assert either.get("/offerings/ONE-open", token).get_json()["status"] == "running"
    later(either, "ONE", days=41)
    shown = either.get("/offerings/ONE-open", token).get_json()
    assert (shown["status"], shown["availability"]) == ("delivered", "over")
    assert shown["actions"] == ["report"]
    early = act(either, "ONE-open", "certify", token).get_json()["rows"]
    assert {(each["outcome"], each["code"]) for each in early} == {
        ("refused", "report-not-validated")
    }
    empty = act(either, "ONE-open", "report", token)
    assert (empty.status_code, empty.get_json()["code"]) == (422, "rules-broken")
    assert [each["code"] for each in empty.get_json()["errors"]] == ["report-empty"]
    assert act(either, "ONE-open", "report", token, summary="Done").status_code == 200
    returned = act(either, "ONE-open", "object", token, reason="Say what happened").get_json()
    assert returned["offering"]["status"] == "delivered"
    said = {"summary": "Three good days", "difficulties": "The line was slow"}
    assert act(either, "ONE-open", "report", token, **said).get_json()["warnings"] == []
    assert act(either, "ONE-open", "close", token).get_json()["offering"]["status"] == "closed"
    first, second = either.get("/offerings/ONE-open/reports", token).get_json()["items"]
    assert (first["state"], first["reason"]) == ("returned", "Say what happened")
    assert (second["state"], second["summary"]) == ("validated", "Three good days")
    assert second["figures"] == {
        "registered": 3,
        "enrolled": 3,
        "completed": 2,  # one of them as the LMS says
        "not_completed": 0,
        "certified": 0,
        "countries": 0,
    }

    assert either.get(f"/registrations/{done}", token).get_json()["actions"] == ["certify"]
    rows = act(either, "ONE-open", "certify", token).get_json()["rows"]
    assert [(each["learner"], each["outcome"]) for each in rows] == [
        ("L1", "certified"),
        ("L2", "certified"),
    ]
    again = act(either, "ONE-open", "certify", token, learners=["L2", "L3", "L9"]).get_json()
    assert [(each["outcome"], each["code"]) for each in again["rows"]] == [
        ("already_certified", ""),
        ("refused", "enrolment-not-now"),
        ("refused", "no-such-registration"),
    ]
    twice = either.post(f"/registrations/{done}/certify", token)
    assert (twice.status_code, twice.get_json()["code"]) == (409, "already-certified")


def test_a_self_paced_course_has_a_standing_validation(either: World) -> None:
    record = replace(offering("ONE-self"), modality=Modality.SELF_PACED, ends_at=None)
    either.add(replace(record, starts_at=NOW - 99 * DAY))
    token = either.token()
    learner = enrol(either, "ONE-self", "L1", EnrolmentStatus.COMPLETED)
    later(either, "ONE", days=0)
    shown = either.get("/offerings/ONE-self", token).get_json()
    assert (shown["status"], shown["availability"]) == ("running", "open_without_end")
    assert set(shown["actions"]) == {"cancel", "report"}
    refused = either.post(f"/registrations/{learner}/certify", token)
    assert refused.get_json()["code"] == "report-not-validated"
    assert act(either, "ONE-self", "close", token).status_code == 409
    reported = act(either, "ONE-self", "report", token, summary="Good").get_json()["offering"]
    assert reported["status"] == "running"
    assert set(reported["actions"]) == {"cancel", "object", "close"}
    assert act(either, "ONE-self", "close", token).status_code == 200
    assert either.get("/offerings/ONE-self", token).get_json()["status"] == "running"
    assert either.post(f"/registrations/{learner}/certify", token).status_code == 200
    # It goes on: a learner who completes next year needs no other report.
    other = enrol(either, "ONE-self", "L2", EnrolmentStatus.COMPLETED)
    assert either.post(f"/registrations/{other}/certify", token).status_code == 200


@pytest.mark.parametrize("status", list(OfferingStatus))
def test_actions_are_exactly_what_is_possible(world: World, status: OfferingStatus) -> None:
    token = world.token()
    differences: tuple[dict[str, Any], ...] = (
        {},
        {"level": None, "topics": ()},
        {"modality": None},
        {"starts_at": NOW - 9 * DAY, "ends_at": NOW - DAY},
        {"modality": Modality.SELF_PACED, "starts_at": None, "ends_at": None},
        {"ends_at": None},
        {"starts_at": NOW - DAY, "ends_at": None},
    )
    for number, changes in enumerate(differences):
        code = ""
        for action in OfferingAction:
            if not code:  # the last action was carried out; what is refused changes nothing
                code = f"TWO-{status}-{number}-{action}"
                world.add(replace(offering(code), status=status, **changes))
            listed = world.get(f"/offerings/{code}", token).get_json()["actions"]
            written = {"summary": "Done"} if action is OfferingAction.REPORT else {}
            answer = act(world, code, action, token, reason="A reason", **written)
            is_done = answer.status_code == 200
            assert (action in listed) == is_done, (code, action, answer.get_json())
            code = "" if is_done else code


def test_a_postponement_says_why(world: World) -> None:
    token = world.token()
    silent = act(world, "ONE-open", "postpone", token).get_json()
    assert [each["code"] for each in silent["warnings"]] == ["no-reason"]
    told = act(world, "TWO-open", "cancel", token, reason="Too few people").get_json()
    assert (told["warnings"], told["offering"]["status_reason"]) == ([], "Too few people")


def test_new_dates_begin_the_time_of_a_kept_status_anew(world: World) -> None:
    token = world.token()
    row = {"id": "P-1", "title": "Pushed", "starts_at": "2026-01-05", "ends_at": "2026-01-09"}
    pushed = world.ask("PATCH", "/centres/TWO/schedule", token, json=[row])
    code = pushed.get_json()["rows"][0]["code"]
    assert world.get(f"/offerings/{code}", token).get_json()["status"] == "delivered"
    assert act(world, code, "report", token, summary="x").status_code == 200
    assert act(world, code, "object", token, reason="The dates are wrong").status_code == 200
    moved = {**row, "starts_at": "2040-01-05", "ends_at": "2040-01-09"}
    world.ask("PATCH", "/centres/TWO/schedule", token, json=[moved])
    assert world.get(f"/offerings/{code}", token).get_json()["status"] == "published"
    with world.bridge.database.reading() as tx:
        assert offerings.offerings_by_code(tx, [code])[code][1].listed


def test_a_led_course_without_an_end_is_concluded_by_its_centre(either: World) -> None:
    record = replace(offering("ONE-open-ended"), starts_at=NOW - 9 * DAY, ends_at=None)
    either.add(record)
    token = either.token(Scope.WRITE_OFFERINGS, Scope.READ_OFFERINGS, reach=DataScope("ONE"))
    early = act(either, "ONE-open-ended", "report", token, summary="Done").get_json()
    assert (early["code"], "conclude" in early["allowed"]) == ("offering-not-now", True)
    done = act(either, "ONE-open-ended", "conclude", token).get_json()["offering"]
    assert (done["status"], done["availability"]) == ("delivered", "over")
    assert act(either, "ONE-open-ended", "report", token, summary="Done").status_code == 200
    either.add(replace(offering("ONE-later"), ends_at=None))
    refused = act(either, "ONE-later", "conclude", token)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "offering-not-begun")
    assert "conclude" not in act(either, "ONE-later", "report", token).get_json()["allowed"]


@pytest.mark.parametrize("status", OfferingStatus)
def test_a_refusal_names_exactly_the_possible_actions(world: World, status: OfferingStatus) -> None:
    """Also where the rules or the dates leave less than the status."""
    sample = offering("ONE-any", status=status)
    variants: tuple[dict[str, Any], ...] = (
        {},
        {"starts_at": NOW - 9 * DAY, "ends_at": NOW - 5 * DAY},
        {"ends_at": sample.starts_at},
        {"ends_at": None},
        {"modality": None},
        {"seats": 3},
        {"modality": Modality.SELF_PACED, "starts_at": None, "ends_at": None},
    )
    for number, changes in enumerate(variants):
        code = f"ONE-any-{number}"
        world.add(replace(sample, code=code, **changes))
        token = world.token()
        possible = world.get(f"/offerings/{code}", token).get_json()["actions"]
        for action in set(OfferingAction) - set(possible):
            body = {"summary": "Sample"} if action is OfferingAction.REPORT else {}
            refused = act(world, code, action, token, reason="Sample", **body)
            problem = refused.get_json()
            assert refused.status_code in (409, 422)
            if problem["code"] != "rules-broken":
                assert problem.get("allowed", []) == possible, (changes, action)


def test_actions_list_what_this_caller_may_do(world: World) -> None:
    enrol(world, "ONE-open", "L1", EnrolmentStatus.ENROLLED)
    one = DataScope("ONE")
    centre = world.token(Scope.WRITE_OFFERINGS, Scope.READ_OFFERINGS, reach=one)
    reader = world.token(Scope.READ_OFFERINGS, Scope.READ_ENROLMENTS, reach=one)
    expert = world.token(
        Scope.REVIEW_OFFERINGS, Scope.READ_OFFERINGS, reach=DataScope(region="africa")
    )

    def actions(code: str, token: str = "") -> list[str]:
        listed: list[str] = world.get(f"/offerings/{code}", token).get_json()["actions"]
        return listed

    assert actions("ONE-open", centre) == ["postpone", "cancel"]
    assert actions("ONE-open", reader) == actions("ONE-open") == []
    assert actions("FAR-open", centre) == []
    submitted = act(world, CODE, "submit", centre).get_json()["offering"]
    assert submitted["actions"] == ["cancel"]
    assert actions(CODE, expert) == ["review", "object"]
    (registration,) = world.get("/registrations", reader).get_json()["items"]
    assert registration["actions"] == []


def test_many_certificates_are_released_part_by_part(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "AT_ONCE", 2)
    world.add(replace(offering("ONE-closed"), status=OfferingStatus.CLOSED), acted_on=True)
    numbers = [
        enrol(world, "ONE-closed", f"L{place}", EnrolmentStatus.COMPLETED) for place in range(5)
    ]
    token, seen = world.token(), []
    release = enrolment_actions.change_enrolment

    def breaks_off(tx: Any, context: Any, change: Any) -> Any:
        seen.append(change.number)
        if len(seen) == 4:
            raise StopRun("broken-off", "The database went away.")
        return release(tx, context, change)

    monkeypatch.setattr(certificates, "change_enrolment", breaks_off)
    assert act(world, "ONE-closed", "certify", token).status_code >= 400
    rows = act(world, "ONE-closed", "certify", token).get_json()["rows"]
    assert [(each["number"], each["outcome"]) for each in rows] == [
        *((number, "already_certified") for number in numbers[:2]),
        *((number, "certified") for number in numbers[2:]),
    ]


def test_what_the_academy_keeps_is_certified_by_the_academy(world: World) -> None:
    world.add(replace(offering("ONE-closed"), status=OfferingStatus.CLOSED), acted_on=True)
    number = enrol(world, "ONE-closed", "L1", EnrolmentStatus.COMPLETED)
    with world.bridge.database.writing() as tx:
        row = {"system": ACADEMY, "kind": Kind.ENROLMENT, "centre": "ONE", "record_id": number}
        shown = {"external_id": "r1", "scope": "s", "source_hash": b"h" * 16}
        source_links.showed(tx, [{**row, **shown}])
    token = world.token()
    (row,) = act(world, "ONE-closed", "certify", token).get_json()["rows"]
    assert (row["outcome"], row["code"]) == ("refused", "academy-certifies")
    alone = world.post(f"/registrations/{number}/certify", token)
    assert (alone.status_code, alone.get_json()["code"]) == (409, "academy-certifies")


def test_an_act_after_the_deadline_finds_the_silence_in_the_history(either: World) -> None:
    token = either.token()
    act(either, CODE, "submit", token)
    with either.bridge.database.writing() as tx:  # its deadline passed, and no run was since
        status_history.keep(tx, either.ids[CODE], KeptStatus(NOW, NOW - DAY))
    late = act(either, CODE, "object", token, point="accuracy", reason="Too late").get_json()
    assert late["detail"] == f"{CODE} is reviewed: it cannot be taken through “object” now."
    assert "publish" in late["allowed"]
    assert act(either, CODE, "publish", token).status_code == 200
    lines = either.get(f"/offerings/{CODE}/history", token).get_json()["items"]
    assert [(each["action"], each["after"]) for each in lines] == [
        *(("submit", "submitted"), ("silence", "reviewed"), ("publish", "published")),
    ]
    (only,) = either.get(f"/offerings/{CODE}/review", token).get_json()["rounds"]
    assert only["outcome"] == "silence"
    assert "outline.reviewed" in [event for event, _ in notices(either)]


def refusals(world: World) -> list[tuple[str, str, str, str]]:
    with world.bridge.database.reading() as tx:
        rows = tx.execute(item.select().where(item.c.state == "refused").order_by(item.c.id)).all()
    return [(row.kind, row.action, row.external_id, row.code) for row in rows]


def test_what_is_refused_is_in_the_audit_by_its_name_whatever_the_door(world: World) -> None:
    token = world.token()
    act(world, CODE, "close", token)
    number = enrol(world, "ONE-open", "SAMPLE-1", EnrolmentStatus.ENROLLED)
    world.post(f"/registrations/{number}/certify", token)
    bridge, by = world.bridge, Actor("test", PAGE, NOW)

    def postpone(tx: Connection, context: RunContext) -> None:
        change = OfferingChange(CODE, OfferingAction.POSTPONE)
        change_offering(tx, context, change, bridge.settings.rules)

    with pytest.raises(NotNow):
        bridge.act(bridge.centre("ONE"), Flow.OFFERINGS, by, postpone)
    assert refusals(world) == [
        ("offering", "close", CODE, "offering-not-now"),
        ("enrolment", "certify", "ONE-open/SAMPLE-1", "enrolment-not-now"),
        ("offering", "postpone", CODE, "offering-not-now"),
    ]


def test_an_act_of_a_page_waits_for_the_run_that_the_last_act_asked_for(world: World) -> None:
    bridge, by = world.bridge, Actor("test", PAGE, NOW)
    with bridge.database.writing() as tx:
        leases.take(tx, f"{RUN_LEASE}ONE", "a run that ends soon", utc_now(), 1)

    def submit(tx: Connection, context: RunContext) -> Offering:
        change = OfferingChange(CODE, OfferingAction.SUBMIT)
        return change_offering(tx, context, change, bridge.settings.rules)[1]

    done = bridge.act(bridge.centre("ONE"), Flow.OFFERINGS, by, submit)
    assert done.status is OfferingStatus.SUBMITTED


def test_an_act_at_a_paused_centre_says_so_and_is_sent_once_it_is_resumed(world: World) -> None:
    token, by = world.token(), Actor("test", PAGE, NOW)
    set_active(world.bridge, "ONE", False, by)
    for action in ("submit", "review", "publish"):
        warnings = act(world, CODE, action, token).get_json()["warnings"]
    assert [each["code"] for each in warnings] == ["centre-is-paused"]
    with world.bridge.database.writing() as tx:  # the scheduler finds the centre paused
        sending = "ONE", (Flow.OFFERINGS,)
        mark = run_requests.mark_of(tx, *sending, sends_only=True)
        run_requests.served(tx, *sending, mark, sends_only=True)
    set_active(world.bridge, "ONE", True, by)
    with world.bridge.database.reading() as tx:
        (asked,) = run_requests.waiting(tx, NOW)
    assert (asked.centre, asked.flows, asked.sends_only) == ("ONE", (Flow.OFFERINGS,), True)
