"""Cycles, memberships, roll-overs, profiles and the report of a year, by requests alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from lms_bridge.audit import Actor
from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.model import EnrolmentStatus, Modality
from lms_bridge.domain.network import Cycle
from lms_bridge.network.cycles import open_cycle
from lms_bridge.network.decision import decide
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import offering as table
from tests.integration.api.world import NOW, World, enrol, offering

TODAY = utc_now().date()
AFRICA = DataScope(region="africa")
ONE = DataScope(centre="ONE")


@pytest.fixture
def network(either: World) -> World:
    """A cycle of three years, in which ONE and FAR are members."""
    cycle: dict[str, Any] = {
        "name": "now",
        "starts_on": f"{TODAY.year - 1}-01-01",
        "programme": "Sample",
    }
    cycle |= {"ends_on": f"{TODAY.year + 1}-12-31", "areas": ["Cybersecurity", "Spectrum"]}
    token = either.token()
    assert either.post("/cycles", token, json=cycle).status_code == 201
    for code, area in (("ONE", "Cybersecurity"), ("FAR", "Spectrum")):
        made = {"centre": code, "cycle": "now", "priority_areas": [area]}
        assert either.post("/memberships", token, json=made).status_code == 201
    return either


def number_of(world: World, centre: str) -> int:
    (found,) = world.get(f"/memberships?centre={centre}").get_json()["items"]
    number: int = found["number"]
    return number


def codes(world: World, query: str) -> list[str]:
    answer = world.get(f"/centres?{query}")
    assert answer.status_code == 200, answer.get_json()
    return [each["code"] for each in answer.get_json()["items"]]


def audit(world: World, kind: str) -> list[Any]:
    with world.bridge.database.reading() as tx:
        rows = tx.execute(select(item).where(item.c.kind == kind).order_by(item.c.id)).all()
    return [(row.action, row.state, row.code) for row in rows]


def test_centres_are_filtered_by_region_cycle_status_and_area(network: World) -> None:
    token = network.token()
    end = {"last_day": str(TODAY - timedelta(days=1))}
    network.post(f"/memberships/{number_of(network, 'FAR')}/end", token, json=end)
    network.post("/cycles/now/areas/rename", token, json={"area": "cybersecurity", "name": "Trust"})
    assert codes(network, "region=africa") == ["ONE", "TWO"]
    assert codes(network, "cycle=now") == ["FAR", "ONE"]
    assert codes(network, "cycle=before") == []
    assert codes(network, "status=active") == ["ONE"]
    assert codes(network, "status=ended") == ["FAR"]
    assert codes(network, "status=upcoming") == []
    assert codes(network, "area=TRUST") == codes(network, "area=Cybersecurity") == ["ONE"]
    assert codes(network, "area=Spectrum") == []  # not today
    assert codes(network, "area=Spectrum&cycle=now") == ["FAR"]
    assert codes(network, "area=Spectrum&status=ended&region=europe") == ["FAR"]
    assert network.get("/centres?status=gone").status_code == 422
    assert network.get("/centres/TWO").get_json()["status"] == ""
    shown = network.get("/centres/ONE").get_json()
    assert (shown["status"], shown["priority_areas"]) == ("active", ["Trust"])
    assert shown["memberships"][0]["cycle"] == "now"


def test_each_decision_has_a_clear_answer_and_a_line_of_the_audit(network: World) -> None:
    token = network.token()
    cases: list[tuple[str, str, dict[str, Any], int, str]] = [
        ("POST", "/cycles", {"name": "now", "starts_on": "2050-01-01"}, 409, "cycle-exists"),
        ("POST", "/cycles", {"name": "next", "starts_on": str(TODAY)}, 409, "cycle-overlaps"),
        ("POST", "/cycles", {"name": "a/b", "starts_on": "2050-01-01"}, 422, "cycle-name"),
        ("PATCH", "/cycles/now", {"ends_on": "1999-01-01"}, 422, "days-in-wrong-order"),
        ("POST", "/cycles/now/areas", {"name": "spectrum"}, 409, "area-exists"),
        (
            "POST",
            "/cycles/now/areas/merge",
            {"areas": ["spectrum"], "into": "Spectrum"},
            422,
            "nothing-to-merge",
        ),
        ("POST", "/memberships", {"centre": "ONE", "cycle": "now"}, 409, "membership-overlaps"),
        (
            "POST",
            "/memberships",
            {"centre": "TWO", "cycle": "now", "ends_on": "2090-01-01"},
            422,
            "outside-the-cycle",
        ),
    ]
    for method, path, body, status, code in cases:
        answer = network.ask(method, path, token, json=body)
        assert (answer.status_code, answer.get_json()["code"]) == (status, code), path
    refused = [
        each[2]
        for kind in ("cycle", "membership")
        for each in audit(network, kind)
        if each[1] == "refused"
    ]
    assert sorted(refused) == sorted(case[4] for case in cases)
    assert network.get("/cycles/none").get_json()["code"] == "no-such-cycle"
    missing = network.post("/memberships/99/renew", token)
    assert (missing.status_code, missing.get_json()["code"]) == (404, "no-such-membership")
    assert (
        network.post("/cycles/now/areas/rename", token, json={"area": "x", "name": "y"}).get_json()[
            "code"
        ]
        == "no-such-area"
    )
    wrong = network.post("/cycles", token, json={"name": "x", "starts_on": "01/02/2050"})
    assert wrong.status_code == 422
    assert "2026-03-31" in str(wrong.get_json()["errors"])


def test_two_first_cycles_at_once_do_not_overlap(either: World) -> None:
    """There is no row yet that the second one could wait for."""
    database, by = either.bridge.database, Actor("sample", "test", NOW)
    late: list[str] = []

    def second() -> None:
        try:
            decide(database, open_cycle(Cycle("other", "", TODAY), by=by))
        except Refused as error:
            late.append(error.code)
        else:
            late.append("opened")

    thread = Thread(target=second)

    def meanwhile(tx: Connection, _: Cycle) -> None:
        thread.start()
        while not late and not somebody_waits(database):
            thread.join(0.02)

    decide(database, open_cycle(Cycle("first", "", TODAY), by=by), meanwhile)
    thread.join()
    assert late == ["cycle-overlaps"]
    assert [each["name"] for each in either.get("/cycles").get_json()["items"]] == ["first"]


def somebody_waits(database: Database) -> bool:
    """Whether a transaction waits for another one's lock. On SQLite the second has to."""
    if database.embedded:
        return True
    with database.reading() as tx:
        return bool(tx.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_a_focal_point_decides_for_one_region_and_a_centre_for_its_profile_alone(
    network: World,
) -> None:
    focal, own = network.token(reach=AFRICA), network.token(Scope.WRITE_OFFERINGS, reach=ONE)
    assert (
        network.post("/cycles", focal, json={"name": "x", "starts_on": "2050-01-01"}).status_code
        == 403
    )
    end = {"last_day": str(TODAY)}
    far = number_of(network, "FAR")
    assert network.post(f"/memberships/{far}/end", focal, json=end).status_code == 404
    assert (
        network.post("/memberships", focal, json={"centre": "FAR", "cycle": "now"}).status_code
        == 404
    )
    added = network.post("/memberships", focal, json={"centre": "TWO", "cycle": "now"})
    assert added.status_code == 201
    assert (
        network.post("/memberships", own, json={"centre": "ONE", "cycle": "now"}).status_code == 403
    )
    told = {"names": {"fr": "Centre un"}, "city": "Nairobi", "country": "ke"}
    shown = network.ask("PATCH", "/centres/ONE/profile", own, json=told).get_json()
    assert (shown["names"], shown["city"], shown["country"]) == (
        {"fr": "Centre un"},
        "Nairobi",
        "KE",
    )
    assert network.get("/centres/ONE").get_json()["city"] == "Nairobi"
    assert network.ask("PATCH", "/centres/TWO/profile", own, json=told).status_code == 404
    logo = {"logo": "https://169.254.169.254/latest"}
    bad = network.ask("PATCH", "/centres/ONE/profile", own, json=logo)
    assert (bad.status_code, bad.get_json()["code"]) == (422, "profile-invalid")
    assert "logo" in bad.get_json()["detail"]


def test_a_repeated_decision_counts_once(network: World) -> None:
    token = network.token()
    head = {"Idempotency-Key": "sample-key"}
    body = {"centre": "TWO", "cycle": "now"}
    first = network.post("/memberships", token, json=body, headers=head)
    again = network.post("/memberships", token, json=body, headers=head)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.get_json() == first.get_json()
    assert len(network.get("/memberships?centre=TWO").get_json()["items"]) == 1


def test_a_region_rolls_over_by_requests(network: World) -> None:
    token, focal = network.token(), network.token(reach=AFRICA)
    new = {"name": "next", "starts_on": f"{TODAY.year + 2}-01-01", "areas_of": "now"}
    network.post("/cycles", token, json=new)
    wish = {"region": "africa", "old": "now", "new": "next"}
    planned = network.post("/roll-overs", focal, json=wish)
    assert planned.status_code == 201
    plan = planned.get_json()
    assert [(each["centre"], each["action"]) for each in plan["lines"]] == [("ONE", "take")]
    assert network.post("/roll-overs", focal, json={**wish, "region": "europe"}).status_code == 403
    europe = network.post("/roll-overs", token, json={**wish, "region": "europe"}).get_json()
    assert network.get(f"/roll-overs/{europe['number']}", focal).status_code == 404
    assert len(network.get("/roll-overs", focal).get_json()["items"]) == 1
    done = network.post(f"/roll-overs/{plan['number']}/approve", focal)
    assert done.get_json()["status"] == "approved"
    assert network.post(f"/roll-overs/{plan['number']}/reject", focal).status_code == 409
    assert (
        network.post(f"/roll-overs/{europe['number']}/reject", token).get_json()["status"]
        == "rejected"
    )
    (taken,) = network.get("/memberships?cycle=next").get_json()["items"]
    assert (taken["centre"], taken["status"]) == ("ONE", "upcoming")
    removed = network.ask("DELETE", f"/memberships/{taken['number']}", focal)
    assert removed.status_code == 200
    assert network.get("/memberships?cycle=next").get_json()["items"] == []


def test_no_course_starts_after_the_membership(network: World) -> None:
    """An outline for a day after it is refused, and the decision says what is on offer then."""
    token = network.token()
    ended = network.post(
        f"/memberships/{number_of(network, 'ONE')}/end", token, json={"last_day": str(TODAY)}
    ).get_json()
    assert ended["offerings"] == ["ONE-apply", "ONE-open"]
    refused = network.post("/offerings/ONE-planned/submit", token)
    assert refused.status_code == 422
    assert [each["code"] for each in refused.get_json()["errors"]] == ["no-membership"]
    network.post(f"/memberships/{number_of(network, 'ONE')}/renew", token)
    assert network.post("/offerings/ONE-planned/submit", token).status_code == 200
    assert network.post("/offerings/TWO-planned/submit", token).status_code == 200


def test_the_year_is_shown_within_reach_as_json_and_as_a_table(network: World) -> None:
    enrol(network, "ONE-open", "L1", EnrolmentStatus.ENROLLED)
    year = (utc_now() + timedelta(days=30)).year
    whole = network.get(f"/reports/year/{year}", network.token()).get_json()
    assert whole["total"]["planned"] == 7
    assert whole["total"]["registered"] == 1
    mine = network.get(f"/reports/year/{year}", network.token(reach=AFRICA)).get_json()
    assert [each["centre"] for each in mine["centres"]] == ["ONE", "TWO"]
    assert mine["total"]["planned"] == 5
    own = network.get(f"/reports/year/{year}", network.token(reach=ONE)).get_json()
    assert [each["centre"] for each in own["centres"]] == ["ONE"]
    assert (
        network.get(f"/reports/year/{year}?centre=FAR", network.token(reach=ONE)).status_code == 404
    )
    table = network.get(f"/reports/year/{year}?format=csv&region=africa", network.token())
    assert table.mimetype == "text/csv"
    assert table.data.decode("utf-8-sig").splitlines()[-1].startswith("total,,,,5,")
    assert network.get(f"/reports/year/{year}").status_code == 401
    assert network.get("/reports/year/1492", network.token()).status_code == 422
    assert network.get(f"/reports/year/{year}?region=atlantis", network.token()).status_code == 404


def test_a_centre_moves_to_another_region(network: World) -> None:
    token, day = network.token(), str(TODAY - timedelta(days=3))
    body = {"region": "europe", "moved_on": day}
    regional = network.token(Scope.WRITE_NETWORK, reach=AFRICA)
    refused = network.post("/centres/ONE/move", regional, json=body)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "another-centre")
    assert network.post("/centres/FAR/move", regional, json=body).status_code == 404
    lost = network.post("/centres/ONE/move", token, json={"region": "atlantis"})
    assert (lost.status_code, lost.get_json()["code"]) == (404, "no-such-region")
    for _ in range(2):  # a second time nothing is left to do
        moved = network.post("/centres/ONE/move", token, json=body)
        assert (moved.status_code, moved.get_json()["region"]) == (200, "europe")
    assert codes(network, "region=europe") == ["FAR", "ONE"]
    moves = [line for line in audit(network, "centre") if line[0] == "move"]
    assert len(moves) == 1


def test_a_self_paced_course_counts_in_the_year_of_its_publication(network: World) -> None:
    year, token = TODAY.year, network.token()
    record = replace(offering("TWO-self"), modality=Modality.SELF_PACED, ends_at=None)
    network.add(replace(record, starts_at=NOW - timedelta(days=3 * 366)))

    def counted() -> tuple[int, str]:
        row = network.get(f"/reports/year/{year}?centre=TWO", token).get_json()["total"]
        (found,) = network.get("/centres/TWO/checks", token).get_json()["findings"]
        return row["given_online_self_paced"], found["message"]

    def publish(at: Any) -> None:
        with network.bridge.database.writing() as tx:
            mine = table.c.code == "TWO-self"
            tx.execute(table.update().where(mine).values(published_at=at))
            others = (table.c.centre == "TWO", ~mine)
            tx.execute(table.update().where(*others).values(listed=False))

    publish(NOW - timedelta(days=400))
    before = counted()
    publish(NOW)
    after = counted()
    assert (before[0], after[0]) == (0, 1)
    assert before[1] != after[1]
