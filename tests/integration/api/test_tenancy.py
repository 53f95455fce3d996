"""Nobody reaches what is not theirs: every route with every foreign thing.

The cases are made of the application's own map of routes: a new route is among them by itself, and
fails here until it says how its path is filled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, insert

from lms_bridge.api import route
from lms_bridge.api.responses import JSON
from lms_bridge.api.route import ROUTES, Route
from lms_bridge.audit import Actor
from lms_bridge.domain.access import TOKEN_SCOPES, DataScope, Scope
from lms_bridge.domain.events import Event, Webhook
from lms_bridge.domain.model import EnrolmentStatus, Kind, Result
from lms_bridge.domain.network import Cycle
from lms_bridge.intake.routes import CSV
from lms_bridge.network import roll_overs
from lms_bridge.network.decision import decide
from lms_bridge.network.memberships import NewMembership, add_membership
from lms_bridge.network.roll_overs import Wish
from lms_bridge.store import centres, cycles, holds, learners, results, runs, tables
from lms_bridge.store.api_tables import webhook_delivery
from lms_bridge.store.tables import unmatched
from lms_bridge.webhooks import storage
from lms_bridge.webhooks.outbox import add_ping
from tests.integration.api.test_registrations import person
from tests.integration.api.world import NOW, World, enrol, open_world

HIDDEN = (403, 404)
BODIES: dict[str, Any] = {
    "add_comment": {"point": "mandate", "text": "A sample"},
    "register_learner": person("SPY-1"),
    "apply_learner": person("SPY-1"),
    "match_learner": {"create": True},
    "put_result": {"score": 1},
    "change_areas": {"priority_areas": ["Cybersecurity"]},
    "end_membership": {"last_day": "2060-01-01"},
    "move_centre_to_region": {"region": "africa"},
    "put_questions": {"questions": ["A sample?"]},
}
CATALOGUE = {"show_offering", "show_centre"}
"""What everybody may see of what is published."""


@dataclass(frozen=True)
class Things:
    """One of everything, of one centre."""

    centre: str
    codes: tuple[str, ...]
    registration: int
    hold: int
    run: int
    unmatched: int
    webhook: int
    delivery: int
    membership: int
    roll_over: int

    def paths(self, entry: Route) -> Iterator[str]:
        """The addresses of a route with these things in it; none for a list."""
        kind = entry.rule.strip("/").partition("/")[0]
        if "<code>" in entry.rule:
            for code in self.codes if kind == "offerings" else (self.centre,):
                yield entry.rule.replace("<code>", code)
        elif "<name>" in entry.rule:
            yield entry.rule.replace("<name>", "now")
        elif "number>" in entry.rule:
            numbers = {
                "registrations": self.registration,
                "holds": self.hold,
                "runs": self.run,
                "unmatched": self.unmatched,
                "webhooks": self.webhook,
                "deliveries": self.delivery,
                "memberships": self.membership,
                "roll-overs": self.roll_over,
                "reports": NOW.year,
            }
            start, end = entry.rule.index("<"), entry.rule.index(">") + 1
            yield f"{entry.rule[:start]}{numbers[kind]}{entry.rule[end:]}"
        else:
            assert "<" not in entry.rule, f"{entry.rule}: whose things are these?"


def things(world: World, centre: str) -> Things:
    number = enrol(world, f"{centre}-open", f"{centre}-L1", EnrolmentStatus.ENROLLED)
    with world.bridge.database.writing() as tx:
        person = learners.learners_by_academy_id(tx, [f"{centre}-L1"])[f"{centre}-L1"]
        results.add_results(tx, [(number, Result(f"{centre}-L1", f"{centre}-open"))])
        run = runs.start_run(tx, centre, "offerings", "command", NOW)
        runs.finish_run(tx, run, "done", {}, NOW)
        hold, _ = holds.ask(
            tx,
            centre=centre,
            system=f"centre:{centre}",
            kind=Kind.OFFERING,
            reason=holds.REMOVALS,
            record_ids=[world.ids[f"{centre}-open"]],
            out_of=1,
            run_id=run,
            at=NOW,
        )
        made = insert(unmatched).values(
            centre=centre, learner_id=person[0], suggestions=[], reason="x", since=NOW
        )
        waiting: int = tx.execute(made.returning(unmatched.c.id)).scalar_one()
        delivery = tell_webhook(tx, centre)
    codes = f"{centre}-open", f"{centre}-planned"
    return Things(centre, codes, number, hold, run, waiting, *delivery, *member(world, centre))


def member(world: World, centre: str) -> tuple[int, int]:
    """A membership of a centre, and a plan of its region."""
    database, by = world.bridge.database, Actor("test", "test", NOW)
    with database.writing() as tx:
        if not cycles.all_cycles(tx):
            cycles.add_cycle(tx, Cycle("now", "Sample", date(2020, 1, 1)))
            cycles.add_cycle(tx, Cycle("next", "Sample", date(2070, 1, 1)))
        record = centres.find(tx, centre)
        assert record is not None
    made = decide(database, add_membership(NewMembership(centre, "now"), by=by))
    plan = decide(
        database, roll_overs.plan(Wish(record.region, "now", "next"), [record.region], by=by)
    )
    return made.membership.number, plan


def tell_webhook(tx: Connection, centre: str) -> tuple[int, int]:
    """A webhook of a centre, and something that it was sent."""
    record = Webhook(
        0, centre, f"https://{centre}.example.org/", frozenset(Event), DataScope(centre)
    )
    made = storage.add_webhook_row(tx, replace(record, created_at=NOW), b"", b"")
    add_ping(tx, made, NOW)
    (row,) = storage.delivery_log(tx, 0, 1, webhook_delivery.c.webhook_id == made.id)
    return made.id, row.id


@pytest.fixture(scope="module")
def places(shared_sqlite_address: str) -> Iterator[tuple[World, dict[str, Things]]]:
    world = open_world(shared_sqlite_address)
    yield world, {centre: things(world, centre) for centre in ("ONE", "TWO", "FAR")}
    world.bridge.close()


def send(client: FlaskClient, entry: Route, path: str, token: str) -> Any:
    name = entry.endpoint.partition(".")[2]
    more: dict[str, Any] = {}
    if CSV in entry.media:
        more = {"data": b"id,email,given_name\nSPY-1,spy@example.org,x\n", "content_type": CSV}
    elif JSON in entry.media:
        more = {"json": BODIES.get(name, {})}
    head = {"Authorization": f"Bearer {token}"} if token else {}
    return client.open(f"/api/v1{path}", method=entry.method, headers=head, **more)


OF_NOBODY = ("/cycles/", "/reports/")
"""What is no centre's: test_network.py has who may change cycles, and whose rows a report has."""
ONE_THING = [
    entry for entry in ROUTES.values() if "<" in entry.rule and not entry.rule.startswith(OF_NOBODY)
]
LISTS = [e for e in ROUTES.values() if "<" not in e.rule and e.method == "GET"]


@pytest.mark.parametrize("entry", ONE_THING, ids=lambda entry: entry.endpoint)
@pytest.mark.parametrize(
    ("reach", "foreign"),
    [(DataScope("ONE"), "TWO"), (DataScope(region="africa"), "FAR")],  # TWO is of ONE's region
    ids=str,
)
def test_no_route_reveals_or_changes_data_of_another_centre(
    places: tuple[World, dict[str, Things]], entry: Route, reach: DataScope, foreign: str
) -> None:
    world, owned = places
    scopes = [
        scope for scope in TOKEN_SCOPES if reach.centre == "" or scope is not Scope.REVIEW_OFFERINGS
    ]
    token = world.token(*scopes, reach=reach)
    before = everything(world)
    paths = list(owned[foreign].paths(entry))
    assert paths
    for path in paths:
        answer = send(world.client, entry, path, token)
        if entry.endpoint.partition(".")[2] in CATALOGUE and "planned" not in path:
            assert answer.status_code == 200
            assert "Sample Coordinator" not in answer.get_data(as_text=True)
        else:
            assert answer.status_code in HIDDEN, (path, answer.get_json())
            assert foreign not in answer.get_data(as_text=True)
    assert everything(world) == before


@pytest.mark.parametrize(
    "entry",
    [entry for entry in ONE_THING if entry.method != "DELETE"],  # the others need it
    ids=lambda entry: entry.endpoint,
)
def test_every_route_finds_ones_own_data(
    places: tuple[World, dict[str, Things]], entry: Route
) -> None:
    """The same requests with one's own things are not refused for whose they are: so the test
    above means something."""
    world, owned = places
    token = world.token()
    for path in owned["ONE"].paths(entry):
        answer = send(world.client, entry, path, token)
        assert answer.status_code not in (*HIDDEN, 401, 405, 500), (path, answer.get_json())


@pytest.mark.parametrize("entry", LISTS, ids=lambda entry: entry.endpoint)
def test_no_list_holds_data_of_another_centre(
    places: tuple[World, dict[str, Things]], entry: Route
) -> None:
    world, _ = places
    token = world.token(reach=DataScope("ONE"))
    public = entry.scope is None
    for query in ("", "?centre=FAR", "?view=mine", "?view=mine&centre=FAR", "?status=all"):
        answer = world.ask(entry.method, f"{entry.rule}{query}", token)
        if answer.status_code == 422:
            continue  # not a query of this list
        assert answer.status_code == 200
        text = answer.get_data(as_text=True)
        assert "planned" not in text.replace("ONE-planned", "").replace('"planned"', "")
        if not public or "mine" in query:
            assert "FAR" not in text
            assert "TWO" not in text


@pytest.mark.parametrize("entry", list(ROUTES.values()), ids=lambda entry: entry.endpoint)
def test_every_route_needs_its_token_and_its_scope(
    places: tuple[World, dict[str, Things]], entry: Route
) -> None:
    world, owned = places
    others = [scope for scope in TOKEN_SCOPES if scope is not entry.scope]
    other = world.token(*others)
    for path in [*owned["ONE"].paths(entry)] or [entry.rule]:
        if entry.scope is None:
            assert send(world.client, entry, path, "").status_code in (200, 404)
        else:
            assert send(world.client, entry, path, "").status_code == 401
            assert send(world.client, entry, path, other).status_code == 403


def test_every_route_of_the_application_is_tested(
    places: tuple[World, dict[str, Things]],
) -> None:
    world, _ = places
    rules = {
        (rule.endpoint, rule.rule)
        for rule in world.client.application.url_map.iter_rules()
        if rule.rule.startswith("/api/")
    }
    open_to_all = {
        ("api_docs.show", "/api/docs"),
        ("api_docs.show_openapi", "/api/v1/openapi.json"),
    }
    assert rules - open_to_all == {
        (entry.endpoint, f"/api{route.VERSION}{entry.rule}") for entry in ROUTES.values()
    }


EVERYTHING = [
    f'SELECT * FROM "{name}"'
    for name in tables.metadata.tables
    if name not in ("api_token", "nonce")
]


def everything(world: World) -> list[Any]:
    """All rows that a foreigner could have changed, as the file has them."""
    with world.bridge.database.reading() as tx:
        file: Any = tx.connection.driver_connection
        return [file.execute(each).fetchall() for each in EVERYTHING]
