"""While a run waits for a centre's slow LMS, what people do at that centre is accepted and sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select

from lms_bridge.devtools.academy.app import serve as serve_academy
from lms_bridge.devtools.academy.state import SimulatedAcademy
from lms_bridge.devtools.moodle.sample import SampleSize, sample_site
from lms_bridge.devtools.moodle.server import ENDPOINT, RunningServer
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from lms_bridge.devtools.wire import WireReply, WireRequest
from lms_bridge.domain.access import DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Centre, Flow, OfferingStatus
from lms_bridge.domain.roles import Role
from lms_bridge.jobs.scheduler import hand_over_requests
from lms_bridge.jobs.workers import ThreadEngine
from lms_bridge.settings import Settings
from lms_bridge.store import centres
from lms_bridge.store.api_tables import run_request
from lms_bridge.store.run_tables import lease, run
from tests.integration.accounts.browser import account, send, signed_in
from tests.integration.api.world import World, offering, open_world
from tests.integration.centre_desk.test_offerings import filled
from tests.integration.jobs.playing import PATIENCE, wait_for

PUSHED = {"id": "P-1", "title": "Pushed course", "starts_at": "2036-03-01", "ends_at": "2036-03-05"}


class SlowMoodle(RunningServer):
    """Answers its web service only while the gate is open."""

    def __init__(self, site: MoodleState) -> None:
        super().__init__({"": site})
        self.gate = threading.Event()
        self.asked = threading.Semaphore(0)

    def _respond(self, request: WireRequest) -> WireReply:
        if request.path == ENDPOINT:
            self.asked.release()
            assert self.gate.wait(PATIENCE), "nobody opened the gate"
        return super()._respond(request)


@dataclass
class Slow:
    """A centre whose LMS does not answer, and a run that reads it."""

    world: World
    academy: SimulatedAcademy
    moodle: SlowMoodle
    engine: ThreadEngine

    def found(self, code: str) -> set[str]:
        """Where the offering is found."""
        client = self.world.client
        places = {
            "page": client.get(f"/catalogue/{code}").status_code == 200,
            "api": self.world.get(f"/offerings/{code}").status_code == 200,
            "table": code in client.get("/catalogue.csv").text,
            "data": code in client.get("/catalogue.jsonld").text,
            "news": code in client.get("/catalogue.atom").text,
            "calendar": code in client.get("/catalogue.ics").text,
            "academy": self.held(code).get("state") == "active",
        }
        return {name for name, there in places.items() if there}

    def held(self, code: str) -> dict[str, object]:
        """What the Academy holds of the offering."""
        with self.academy.lock:
            return dict(self.academy.offerings.get(code, {}))

    def send(self) -> None:
        """What the leader does each second, until nothing is asked for any more."""
        database = self.world.bridge.database

        def look() -> bool:
            hand_over_requests(database, self.engine, lambda tx: None, utc_now())
            with database.reading() as tx:
                return tx.execute(select(run_request)).first() is None

        wait_for(look)
        assert not self.moodle.gate.is_set()


EVERYWHERE = {"page", "api", "table", "data", "news", "calendar", "academy"}
CANCELLED = {"calendar"}
"""Subscribers' calendars cross an event out only if they are told that it is cancelled."""


@pytest.fixture
def slow(database_address: str) -> Iterator[Slow]:
    academy = SimulatedAcademy()
    site = sample_site("Slow", SampleSize(courses=3, people=0, enrolments=0, region="Africa"))
    with SlowMoodle(site).start() as moodle, serve_academy(academy) as address:

        def change(settings: Settings) -> Settings:
            theirs = replace(
                settings.academy, connector="academy_http", address=address, token=academy.token
            )
            return replace(
                settings,
                academy=theirs,
                sign_in=replace(settings.sign_in, second_factor=False),
                network=replace(settings.network, private_addresses=True),
                limits=replace(settings.limits, read_seconds=600),
            )

        world = open_world(database_address, change)
        assert isinstance(moodle, SlowMoodle)
        options = {"publish_field": "itu_publish"}
        centre = Centre("SLOW", "Slow Centre", "africa", "moodle", moodle.url, options=options)
        secret = world.bridge.vault.lock(SERVICE_TOKEN)
        with world.bridge.database.writing() as tx:
            centres.add(tx, centre, secret)
        world.add(
            offering("SLOW-open"),
            offering("SLOW-other"),
            offering("SLOW-planned", status=OfferingStatus.PLANNED),
        )
        engine = ThreadEngine(world.bridge)
        try:
            assert engine.submit("SLOW", tuple(Flow), True, "clock")
            assert moodle.asked.acquire(timeout=PATIENCE)
            yield Slow(world, academy, moodle, engine)
        finally:
            moodle.gate.set()
            engine.close(PATIENCE)
            world.bridge.close()


def test_what_is_done_while_a_slow_lms_is_read_is_found_before_it_answers(slow: Slow) -> None:
    world, token = slow.world, slow.world.token()
    for action in ("submit", "review", "publish"):
        assert world.post(f"/offerings/SLOW-planned/{action}", token).status_code == 200
    slow.send()
    assert slow.found("SLOW-planned") == EVERYWHERE

    answer = world.ask("PATCH", "/centres/SLOW/schedule", token, json=[PUSHED])
    code = answer.get_json()["rows"][0]["code"]
    slow.send()
    assert slow.found(code) == EVERYWHERE
    changed = {**PUSHED, "title": "Another title"}
    world.ask("PATCH", "/centres/SLOW/schedule", token, json=[changed])
    slow.send()
    assert slow.held(code)["title"] == "Another title"
    assert "Another title" in world.client.get(f"/catalogue/{code}").text

    assert world.post("/offerings/SLOW-other/postpone", token).status_code == 200
    slow.send()
    assert slow.held("SLOW-other")["status"] == "postponed"
    assert "Postponed" in world.client.get("/catalogue/SLOW-other").text

    cancel_by_page(slow, "SLOW-open")
    slow.send()
    assert slow.found("SLOW-open") == CANCELLED

    assert statuses(slow)["clock"] == ["running"]
    before = puts(slow)
    slow.moodle.gate.set()
    assert slow.engine.wait_idle(PATIENCE)
    assert statuses(slow)["clock"] == ["done"]
    assert "cut off" not in str(statuses(slow))
    assert slow.held(code)["title"] == "Another title"
    assert puts(slow) - before <= 3  # the courses of the LMS, and nothing twice
    assert (slow.found("SLOW-planned"), slow.found("SLOW-open")) == (EVERYWHERE, CANCELLED)


def cancel_by_page(slow: Slow, code: str) -> None:
    database, app = slow.world.bridge.database, slow.world.client.application
    person = account(database, "desk@example.org", Role.COORDINATOR, DataScope(centre="SLOW"))
    desk, path = signed_in(app, database, person), f"/my-centre/SLOW/offerings/{code}/act"
    form = {**filled(desk.get(f"{path}?action=cancel")), "reason": "Too few people"}
    answer = send(desk, f"{path}?action=cancel", form)
    assert answer.headers["Location"].endswith("done=cancel")


def statuses(slow: Slow) -> dict[str, list[str]]:
    """{what began the runs of the slow centre: their statuses}"""
    query = select(run.c.trigger, run.c.status).where(run.c.centre == "SLOW").order_by(run.c.id)
    found: dict[str, list[str]] = {}
    with slow.world.bridge.database.reading() as tx:
        for trigger, status in tx.execute(query):
            found.setdefault(trigger, []).append(status)
    return found


def puts(slow: Slow) -> int:
    """How many times offerings were written to the Academy."""
    with slow.academy.lock:
        asked = slow.academy.requests.items()
        return sum(
            number for what, number in asked if what.startswith(("PUT /off", "POST /offerings"))
        )


def test_a_process_that_has_to_stop_lets_a_lent_lease_go(slow: Slow) -> None:
    token = slow.world.token()
    assert slow.world.post("/offerings/SLOW-other/postpone", token).status_code == 200
    slow.engine.close(0.05)
    with slow.world.bridge.database.reading() as tx:
        assert tx.execute(select(lease)).all() == []
    slow.moodle.gate.set()
    assert slow.engine.wait_idle(PATIENCE)
    with slow.world.bridge.database.reading() as tx:
        assert tx.execute(select(lease)).all() == []
    (of_clock,) = statuses(slow)["clock"]
    assert of_clock == "running"  # as after a crash: the clock makes it up
