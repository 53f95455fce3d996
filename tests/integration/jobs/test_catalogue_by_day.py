"""What people and centres do is in the catalogue at once, not after the night's run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from sqlalchemy import select

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Centre, Flow, Kind
from lms_bridge.jobs.queue import ProcrastinateEngine, run_worker, upgrade_queue
from lms_bridge.jobs.schedule import jobs_of, offerings_minutes
from lms_bridge.jobs.scheduler import hand_over_requests
from lms_bridge.jobs.workers import ThreadEngine
from lms_bridge.settings import ClockSettings
from lms_bridge.store import run_requests
from lms_bridge.store.run_tables import run
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.holds import decide_hold
from tests.integration.api.world import World, open_world
from tests.integration.jobs.playing import PATIENCE

PUSHED = {"id": "P-1", "title": "Pushed course", "starts_at": "2036-03-01", "ends_at": "2036-03-05"}

POSTPONED = {"status": "postponed"}


@pytest.fixture
def world(database_address: str) -> Iterator[World]:
    made = open_world(database_address)
    yield made
    made.bridge.close()


def hand_over(world: World) -> None:
    """What the leader does each second, and a worker right after."""
    engine = ThreadEngine(world.bridge)
    hand_over_requests(world.bridge.database, engine, lambda tx: None, utc_now())
    assert engine.wait_idle(PATIENCE)
    engine.close(PATIENCE)


def places(world: World, code: str) -> set[str]:
    """Where a reader without a token finds the offering."""
    found = {
        "page": world.client.get(f"/catalogue/{code}").status_code == 200,
        "api": world.get(f"/offerings/{code}").status_code == 200,
        "table": code in world.client.get("/catalogue.csv").text,
        "data": code in world.client.get("/catalogue.jsonld").text,
    }
    return {name for name, there in found.items() if there}


EVERYWHERE = {"page", "api", "table", "data"}


def test_an_act_is_in_the_catalogue_with_the_run_that_it_asks_for(world: World) -> None:
    token = world.token()
    for action in ("submit", "review", "publish"):
        assert world.post(f"/offerings/ONE-planned/{action}", token).status_code == 200
    assert places(world, "ONE-planned") == set()
    hand_over(world)
    assert places(world, "ONE-planned") == EVERYWHERE

    answer = world.ask("PATCH", "/centres/TWO/schedule", token, json=[PUSHED])
    code = answer.get_json()["rows"][0]["code"]
    hand_over(world)
    assert places(world, code) == EVERYWHERE
    changed = {**PUSHED, "title": "Another title"}
    world.ask("PATCH", "/centres/TWO/schedule", token, json=[changed])
    hand_over(world)
    assert "Another title" in world.client.get(f"/catalogue/{code}").text

    assert world.post("/offerings/ONE-planned/postpone", token).status_code == 200
    hand_over(world)
    assert "Postponed" in world.client.get("/catalogue/ONE-planned").text
    assert world.post("/offerings/ONE-planned/cancel", token).status_code == 200
    hand_over(world)
    assert places(world, "ONE-planned") == set()
    with world.bridge.database.reading() as tx:
        assert run_requests.waiting(tx, utc_now()) == []  # all of them are served
        sent = tx.scalars(select(run.c.status).where(run.c.trigger == "change")).all()
    assert set(sent) == {"done"}


def test_a_centre_that_time_moves_on_is_sent_without_waiting_for_the_night(world: World) -> None:
    bridge = world.bridge
    request = bridge.request(bridge.centre("ONE"), (Flow.RESULTS,), full=False)
    with bridge.database.reading() as tx:
        assert run_requests.waiting(tx, utc_now()) == []
    bridge.runner().run(request, _note)
    with bridge.database.reading() as tx:
        (asked,) = run_requests.waiting(tx, utc_now())
    assert (asked.centre, asked.flows, asked.sends_only) == ("ONE", ("offerings",), True)


def asked(world: World) -> list[tuple[str, bool]]:
    """(centre, whether it only sends) of the runs that are asked for."""
    with world.bridge.database.reading() as tx:
        return [(each.centre, each.sends_only) for each in run_requests.waiting(tx, utc_now())]


TODAY = utc_now().date()
NOW_ON = {
    "name": "now",
    "starts_on": f"{TODAY.year - 1}-01-01",
    "ends_on": f"{TODAY.year + 2}-12-31",
}
NEXT = {"name": "next", "starts_on": f"{TODAY.year + 3}-01-01"}
TAKEN = {"region": "africa", "old": "now", "new": "next"}


def test_each_decision_that_moves_a_membership_asks_for_a_run_of_its_centre(world: World) -> None:
    token = world.token()
    ones: list[tuple[str, str, Mapping[str, object], list[str]]] = [
        ("POST", "/cycles", NOW_ON, []),
        ("POST", "/cycles", NEXT, []),
        ("POST", "/memberships", {"centre": "ONE", "cycle": "now"}, ["ONE"]),
        ("POST", "/memberships", {"centre": "FAR", "cycle": "now"}, ["FAR"]),
        ("POST", "/cycles/now/areas", {"name": "Spectrum"}, []),
        ("PUT", "/memberships/1/areas", {"priority_areas": ["Spectrum"]}, []),
        ("POST", "/cycles/now/areas/rename", {"area": "Spectrum", "name": "Waves"}, []),
        ("POST", "/memberships/1/end", {"last_day": str(TODAY)}, ["ONE"]),
        ("POST", "/memberships/1/renew", {}, ["ONE"]),
        ("POST", "/roll-overs", TAKEN, []),
        ("POST", "/roll-overs/1/approve", {}, ["ONE"]),
        ("DELETE", "/memberships/3", {}, ["ONE"]),
        ("PATCH", "/cycles/now", {"ends_on": f"{TODAY.year + 1}-12-31"}, ["FAR", "ONE"]),
        ("PATCH", "/cycles/now", {"programme": "Sample"}, []),
        ("POST", "/centres/ONE/move", {"region": "europe"}, []),
    ]
    for method, path, body, centres in ones:
        answer = world.ask(method, path, token, json=body)
        assert answer.status_code < 300, answer.text
        assert sorted(asked(world)) == [(code, True) for code in centres], path
        hand_over(world)
        assert asked(world) == []


def test_what_loses_its_membership_is_postponed_in_the_catalogue(world: World) -> None:
    token = world.token()
    world.post("/cycles", token, json=NOW_ON)
    world.post("/memberships", token, json={"centre": "ONE", "cycle": "now"})
    hand_over(world)
    assert "Postponed" not in world.client.get("/catalogue/ONE-open").text
    ended = world.post("/memberships/1/end", token, json={"last_day": str(TODAY)})
    assert "ONE-open" in ended.get_json()["offerings"]
    hand_over(world)
    assert "Postponed" in world.client.get("/catalogue/ONE-open").text
    assert world.get("/offerings/ONE-open").get_json()["status"] == "postponed"
    assert "Postponed" not in world.client.get("/catalogue/TWO-open").text


def test_what_is_postponed_before_it_was_published_is_no_readers_business(world: World) -> None:
    token = world.token()
    for action in ("submit", "review", "postpone"):
        assert world.post(f"/offerings/ONE-planned/{action}", token).status_code == 200
    row = world.ask("PATCH", "/centres/TWO/schedule", token, json=[{**PUSHED, **POSTPONED}])
    pushed = row.get_json()["rows"][0]["code"]
    hand_over(world)
    assert places(world, "ONE-planned") == places(world, pushed) == set()
    assert world.post("/offerings/ONE-planned/publish", token).status_code == 200
    assert world.post("/offerings/ONE-planned/postpone", token).status_code == 200
    hand_over(world)
    assert "Postponed" in world.client.get("/catalogue/ONE-planned").text


def test_a_decision_about_a_hold_is_sent_before_the_source_is_read(world: World) -> None:
    token = world.token()
    rows = [{**PUSHED, "id": f"P-{number}"} for number in range(20)]
    pushed = world.ask("PUT", "/centres/TWO/schedule", token, json=rows).get_json()
    gone = pushed["rows"][-1]["code"]
    hand_over(world)
    assert places(world, gone) == EVERYWHERE
    held = world.ask("PUT", "/centres/TWO/schedule", token, json=rows[:1]).get_json()
    hand_over(world)
    with world.bridge.database.writing() as tx:
        decide_hold(tx, held["hold"], approve=True, by="sample", at=utc_now())
    assert sorted(asked(world)) == [("TWO", False), ("TWO", True)]
    hand_over(world)
    assert places(world, gone) == set()
    assert asked(world) == [("TWO", False)]


def _note(context: RunContext) -> None:
    with context.writing():
        context.note(Kind.OFFERING, "api", "update")


def test_an_act_is_in_the_catalogue_through_the_queue(postgres_address: str) -> None:
    upgrade_queue(postgres_address)
    world = open_world(postgres_address)
    engine = ProcrastinateEngine(postgres_address)
    try:
        world.ask("PATCH", "/centres/TWO/schedule", world.token(), json=[PUSHED])
        hand_over_requests(world.bridge.database, engine, lambda tx: None, utc_now())
        run_worker(world.bridge, until_empty=True, signals=False)
        assert "Pushed course" in world.client.get("/catalogue.csv").text
    finally:
        engine.close(0)
        world.bridge.close()


def test_cheap_sources_are_read_by_day(world: World) -> None:
    clock = ClockSettings(offerings_minutes=7)

    def minutes(connector: str, **policy: object) -> int:
        return offerings_minutes(Centre("ONE", "One", "africa", connector, policy=policy), clock)

    assert (minutes("files"), minutes("lti"), minutes("moodle"), minutes("gone")) == (7, 7, 0, 0)
    own = {"offerings_minutes": 30}
    assert (minutes("moodle", **own), minutes("files", offerings_minutes=0)) == (30, 0)
    job = jobs_of(Centre("ONE", "One", "africa", "files"), clock)[-1]
    assert (job.kind, job.flows, job.full) == ("offerings", ("offerings",), False)
    assert jobs_of(Centre("ONE", "One", "africa", "moodle"), clock)[-1].kind == "results"
