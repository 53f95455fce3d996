"""Holds, people and sending again through the interface: the same decisions as the commands'."""

from __future__ import annotations

from sqlalchemy import select, update

from lms_bridge.domain.access import Reach
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.store import holds, learners, target_links
from lms_bridge.store.tables import item, link
from tests.integration.api.test_tenancy import things
from tests.integration.api.world import DAY, NOW, World


def test_a_hold_is_decided_once(either: World) -> None:
    mine = things(either, "ONE")
    token = either.token(reach=Reach("ONE"))
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


def test_a_person_is_matched(either: World) -> None:
    mine = things(either, "ONE")
    token = either.token(reach=Reach("ONE"))
    (waiting,) = either.get("/unmatched", token).get_json()["items"]
    assert waiting["learner"] == "ONE-L1"
    with either.bridge.database.writing() as tx:  # what is to be sent of them
        person = learners.learners_by_academy_id(tx, ["ONE-L1"])["ONE-L1"][0]
        blank = {"system": "centre:ONE", "kind": Kind.LEARNER, "centre": "ONE"}
        target_links.want(tx, [{**blank, "record_id": person, "wanted": b"w" * 16}])
    path = f"/unmatched/{mine.unmatched}/match"
    for wrong in ({}, {"account": "1", "create": True}, {"account": ""}):
        assert either.post(path, token, json=wrong).status_code == 422
    assert either.post(path, token, json={"account": "4711"}).status_code == 200
    assert either.get("/unmatched", token).get_json()["items"] == []
    with either.bridge.database.reading() as tx:
        where = (link.c.kind == Kind.LEARNER, link.c.system == "centre:ONE")
        assert tx.scalar(select(link.c.external_id).where(*where)) == "4711"
    assert either.post(path, token, json={"create": True}).status_code == 404


def test_what_failed_is_sent_again(either: World) -> None:
    token = either.token(reach=Reach("ONE"))
    with either.bridge.database.writing() as tx:
        where = (link.c.system == ACADEMY, link.c.record_id == either.ids["ONE-open"])
        waits = {"attempts": 3, "next_attempt": NOW + DAY, "error": "x", "wanted": b"w" * 16}
        tx.execute(update(link).where(*where).values(**waits))
    none = either.post("/centres/ONE/resend", token, json={"kind": "result"}).get_json()
    assert none["message"].startswith("0 ")
    one = either.post("/centres/ONE/resend", token, json={}).get_json()
    assert one["message"].startswith("1 ")
    with either.bridge.database.reading() as tx:
        row = tx.execute(select(link.c.next_attempt).where(*where)).one()
    assert row.next_attempt is None or row.next_attempt <= NOW + DAY / 2


def test_a_run_tells_no_personal_values(world: World) -> None:
    mine = things(world, "ONE")
    token = world.token(reach=Reach("ONE"))
    path = f"/registrations/{mine.registration}/result"
    for score in (50, 60):
        assert world.ask("PUT", path, token, json={"score": score}).status_code == 200
    newest = world.get("/runs?limit=1", token).get_json()["items"][0]["number"]
    (told,) = world.get(f"/runs/{newest}/items", token).get_json()["items"]
    assert told["fields"] == {"score": None}
    pages = world.get("/runs?limit=1", token).get_json()
    older = world.get(f"/runs?limit=1&cursor={pages['next']}", token).get_json()["items"]
    assert older[0]["number"] < newest
