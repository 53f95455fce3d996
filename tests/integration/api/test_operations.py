"""Holds, people and sending again through the interface: the same decisions as the commands'."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.model import ACADEMY, Flow, Kind
from lms_bridge.store import holds, learners, runs, target_links
from lms_bridge.store.api_tables import run_request
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import link
from tests.integration.api.test_tenancy import things
from tests.integration.api.world import DAY, NOW, World


def test_a_hold_is_decided_once(either: World) -> None:
    mine = things(either, "ONE")
    token = either.token(reach=DataScope("ONE"))
    (listed,) = either.get("/holds", token).get_json()["items"]
    assert (listed["number"], listed["records"]) == (mine.hold, ["ONE-open"])
    decided = either.post(f"/holds/{mine.hold}/approve", token).get_json()
    assert decided["status"] == "approved"
    assert decided["decided_by"] == f"token {token[5:17]}"
    again = either.post(f"/holds/{mine.hold}/reject", token)
    assert (again.status_code, again.get_json()["code"]) == (409, "hold-not-pending")
    assert either.get("/holds", token).get_json()["items"] == []
    assert len(either.get("/holds?status=approved", token).get_json()["items"]) == 1
    with either.bridge.database.reading() as tx:
        approved, _ = holds.decided(tx, "ONE", Kind.OFFERING)
        noted = tx.scalars(select(item.c.action).where(item.c.state == "decided")).all()
    assert approved == {either.ids["ONE-open"]}
    assert noted == ["approve"]


def test_a_waiting_person_is_matched(either: World) -> None:
    mine = things(either, "ONE")
    token = either.token(reach=DataScope("ONE"))
    (waiting,) = either.get("/unmatched", token).get_json()["items"]
    assert waiting["learner"] == "ONE-L1"
    with either.bridge.database.writing() as tx:  # what is to be sent of them
        person = learners.learners_by_academy_id(tx, ["ONE-L1"])["ONE-L1"][0]
        blank = {"system": "centre:ONE", "kind": Kind.LEARNER, "centre": "ONE"}
        target_links.set_desired(tx, [{**blank, "record_id": person, "desired": b"w" * 16}])
    path = f"/unmatched/{mine.unmatched}/match"
    for wrong in ({}, {"account": "1", "create": True}, {"account": ""}):
        assert either.post(path, token, json=wrong).status_code == 422
    assert either.post(path, token, json={"account": "4711"}).status_code == 200
    assert either.get("/unmatched", token).get_json()["items"] == []
    with either.bridge.database.reading() as tx:
        where = (link.c.kind == Kind.LEARNER, link.c.system == "centre:ONE")
        assert tx.scalar(select(link.c.external_id).where(*where)) == "4711"
    assert either.post(path, token, json={"create": True}).status_code == 404


def test_failed_records_are_sent_again(either: World) -> None:
    token = either.token(reach=DataScope("ONE"))
    with either.bridge.database.writing() as tx:
        where = (link.c.system == ACADEMY, link.c.record_id == either.ids["ONE-open"])
        waits = {"attempts": 3, "next_attempt": NOW + DAY, "error": "x", "desired": b"w" * 16}
        tx.execute(update(link).where(*where).values(**waits))
    none = either.post("/centres/ONE/resend", token, json={"kind": "result"}).get_json()
    assert none["message"] == "The next run sends 0 records."
    one = either.post("/centres/ONE/resend", token, json={}).get_json()
    assert one["message"] == "The next run sends 1 record."
    with either.bridge.database.reading() as tx:
        row = tx.execute(select(link.c.next_attempt).where(*where)).one()
        asked = select(run_request.c.flows).where(run_request.c.by_person)
        assert tx.scalars(asked).all() == ["offerings"]
    assert row.next_attempt is None or row.next_attempt <= NOW + DAY / 2


def test_the_state_of_a_centre_is_the_worst_of_its_flows(world: World) -> None:
    token = world.token(reach=DataScope("ONE"))
    assert world.get("/centres/ONE/state", token).get_json()["status"] == ""
    with world.bridge.database.writing() as tx:
        for flows, status in (("enrolments,offerings", "failed"), ("offerings", "done")):
            number = runs.start_run(tx, "ONE", flows, "clock", NOW)
            runs.finish_run(tx, number, status, {}, NOW)
    found = world.get("/centres/ONE/state", token).get_json()
    expected = [("offerings", "done"), ("enrolments", "failed")]
    assert [(each["flow"], each["status"]) for each in found["flows"]] == expected
    assert found["status"] == "failed"
    good, failed = found["flows"]
    assert (failed["run"], failed["good_at"]) == (1, None)
    assert datetime.fromisoformat(failed["failing_since"]) == NOW
    assert (good["run"], good["failing_since"]) == (2, None)
    assert datetime.fromisoformat(good["good_at"]) == NOW
    assert (found["active"], found["waits"]) == (True, [])
    assert world.get("/centres/TWO/state", token).status_code == 404


def test_the_last_good_run_of_a_flow_is_its_own(world: World) -> None:
    """Also where another flow of the same run failed."""
    with world.bridge.database.writing() as tx:
        for by_flow in (None, {Flow.OFFERINGS: "waiting", Flow.RESULTS: "partial"}):
            number = runs.start_run(tx, "ONE", "offerings,results", "clock", NOW)
            status = "partial" if by_flow else "done"
            at = NOW + timedelta(hours=number)
            runs.finish_run(tx, number, status, {}, at, by_flow=by_flow)
    flows = world.get("/centres/ONE/state", world.token()).get_json()["flows"]
    good_at = {each["flow"]: datetime.fromisoformat(each["good_at"]) for each in flows}
    assert good_at["offerings"] == NOW + timedelta(hours=2)
    assert good_at["results"] == NOW + timedelta(hours=1)


def test_a_person_requests_a_run(either: World) -> None:
    token = either.token(reach=DataScope("ONE"))
    taken = either.post("/centres/ONE/runs", token, json={"flows": ["results", "offerings"]})
    assert taken.status_code == 202
    assert either.post("/centres/ONE/runs", token, json={}).status_code == 202
    assert either.post("/centres/TWO/runs", token, json={}).status_code == 404
    assert either.post("/centres/ONE/runs", token, json={"flows": ["all"]}).status_code == 422
    with either.bridge.database.reading() as tx:
        rows = tx.execute(select(run_request.c.flows, run_request.c.by_person)).all()
    wanted = {("offerings,results", True), ("offerings,enrolments,results", True)}
    assert {tuple(row) for row in rows} == wanted


def test_a_run_shows_no_personal_values(world: World) -> None:
    mine = things(world, "ONE")
    token = world.token(reach=DataScope("ONE"))
    path = f"/registrations/{mine.registration}/result"
    for score in (50, 60):
        assert world.ask("PUT", path, token, json={"score": score}).status_code == 200
    newest = world.get("/runs?limit=1", token).get_json()["items"][0]["number"]
    (reported,) = world.get(f"/runs/{newest}/items", token).get_json()["items"]
    assert reported["fields"] == {"score": None}
    items = f"/runs/{newest}/items"
    for query, many in {"kind=result&state=applied": 1, "kind=offering": 0, "learner=x": 0}.items():
        assert len(world.get(f"{items}?{query}", token).get_json()["items"]) == many, query
    assert world.get(f"{items}?kind=x", token).status_code == 422
    pages = world.get("/runs?limit=1", token).get_json()
    older = world.get(f"/runs?limit=1&cursor={pages['next']}", token).get_json()["items"]
    assert older[0]["number"] < newest
