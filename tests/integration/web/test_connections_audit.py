"""Who changed a connection, by what, and what it was before: kept among the runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import requests
from sqlalchemy import select

from lms_bridge.domain.access import Reach, Scope
from lms_bridge.lti import connecting, deciding, parties
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party, Status
from lms_bridge.store.tables import run
from lms_bridge.sync.auditing import By, Subject
from lms_bridge.sync.tokens import Wish, make_token
from lms_bridge.sync.work import utc_now
from lms_bridge.web.queries import operations
from tests.integration.audited import Act, acts
from tests.integration.lti_platform.test_commands import ADD, Cli
from tests.integration.lti_platform.waiting import until, waits
from tests.integration.lti_platform.world import World, add_tool, world_on
from tests.integration.web.test_connections import add
from tests.integration.web.visiting import Operator, visitor

PAGE, LINK = ("page", "operations page"), ("page", "connect link")


def kept(world: World, party: int) -> list[Act]:
    return acts(world.bridge.database, Subject.CONNECTION, party)


def test_what_operators_decide_on_the_page(either_world: World) -> None:
    world = either_world
    party = add_tool(world.room, world.tool, status=Status.PENDING)
    operator = Operator(world)
    operator.send(f"/{party.id}", "/approval")
    operator.send(f"/{party.id}", "/approval", {"email": None})
    operator.send(f"/{party.id}", "/approval")  # nothing new
    operator.send(f"/{party.id}", "/deployments", {"deployment_id": "dep-2"})
    operator.send(f"/{party.id}", "/rejection")
    approved, changed, deployed, ended = kept(world, party.id)
    assert approved[:2] == ("approve", PAGE)
    assert approved[2]["jwks_uri"] == [None, party.jwks_uri]  # all that was approved
    assert approved[2]["privacy"][1]["email"]
    (action, by, fields) = changed
    assert (action, by, list(fields)) == ("change", PAGE, ["privacy"])
    assert [each["email"] for each in fields["privacy"]] == [True, False]
    assert deployed == ("change", PAGE, {"deployment_ids": [["dep-1"], ["dep-1", "dep-2"]]})
    assert ended == ("disable", PAGE, {"status": ["active", "disabled"]})


def test_what_is_rejected_is_forgotten_and_not_its_audit(either_world: World) -> None:
    world = either_world
    party = add(world, centre="")
    Operator(world).send(f"/{party.id}", "/rejection")
    ((action, by, fields),) = kept(world, party.id)
    assert (action, by) == ("forget", PAGE)
    assert fields["issuer"] == [party.issuer, None]


def test_what_comes_by_a_link(either_world: World) -> None:
    world = either_world
    page = visitor(world)
    page.send("/platform", PLATFORM)
    with world.bridge.database.reading() as tx:
        party = parties.all_parties(tx)[-1]
    page.send("/withdrawal", {"connection": str(party.id)})
    added, withdrawn = kept(world, party.id)
    assert added[:2] == ("add", LINK)
    assert added[2]["client_id"] == [None, "client-9"]
    assert withdrawn[:2] == ("forget", LINK)


PLATFORM = {
    "name": "Sample LMS",
    "issuer": "https://lms.example.org",
    "client_id": "client-9",
    "deployment_id": "1",
    "authorization_endpoint": "https://lms.example.org/auth",
    "token_endpoint": "https://lms.example.org/token",
    "jwks_uri": "https://lms.example.org/jwks",
}


def test_commands_and_what_is_shown(world: World) -> None:
    cli = Cli(world)
    cli("lti", "add-tool", "By hand", "--centre", "TWO", *ADD)
    number = cli.json("lti", "list")[-1]["id"]
    cli("lti", "approve", str(number), "--email")
    cli("lti", "reject", str(number))
    acts = kept(world, number)
    assert [action for action, _, _ in acts] == ["add", "change", "disable"]
    assert {means for _, (means, _), _ in acts} == {"command"}
    assert all(who not in ("", "operations page") for _, (_, who), _ in acts)
    last = str(cli.json("run", "list")[0]["id"])
    assert "connections: 1 switched off" in cli("run", "list")
    shown = cli("run", "show", last)
    assert "By hand: disable, done" in shown
    assert "status: active -> disabled" in shown
    page = requests.get(f"{world.address}/runs/{last}", timeout=10)
    assert page.status_code == 200
    assert f"command, {acts[0][1][1]}" in page.text
    assert "<del><bdi>active</bdi></del> <ins><bdi>disabled</bdi></ins>" in page.text


def test_a_run_of_the_academys_own_is_shown(world: World) -> None:
    party = add(world, centre="")
    Operator(world).send(f"/{party.id}", "/approval")
    with world.bridge.database.reading() as tx:
        last = tx.scalar(select(run.c.id).order_by(run.c.id.desc()).limit(1))
    for path in (f"/runs/{last}", "/runs", "/", "/centres"):
        page = requests.get(world.address + path, timeout=10)
        assert page.status_code == 200, path
    assert "Academy" in requests.get(f"{world.address}/runs/{last}", timeout=10).text


@pytest.mark.parametrize(("reach", "status"), [(Reach(), 200), (Reach("ONE"), 404)])
def test_programs_that_reach_everything_see_it(world: World, reach: Reach, status: int) -> None:
    wish = Wish("reader", [Scope.READ_OPERATIONS], reach, 0, 0)
    _, secret = make_token(world.bridge.database, wish, [], by=By("a test", "command", utc_now()))
    Operator(world).send(f"/{add(world, centre='').id}", "/approval")
    headers = {"Authorization": f"Bearer {secret}"}
    runs = f"{world.address}/api/v1/runs"
    listed = requests.get(runs, headers=headers, timeout=10).json()["items"]
    assert ("connections" in {each["flows"] for each in listed}) == (status == 200)
    with world.bridge.database.reading() as tx:
        number = tx.scalar(select(run.c.id).order_by(run.c.id.desc()).limit(1))
    assert requests.get(f"{runs}/{number}", headers=headers, timeout=10).status_code == status
    shown = requests.get(f"{runs}/{number}/items", headers=headers, timeout=10)
    assert shown.status_code == status
    if status == 200:
        assert shown.json()["items"][0]["fields"]["status"] == [None, "active"]


def test_a_decision_is_not_a_run_that_the_centre_ran(world: World) -> None:
    Operator(world).send(f"/{world.party.id}", "/rejection")
    with world.bridge.database.reading() as tx:
        assert operations.last_run_of_each(tx) == {}


# ---- at the same time ----------------------------------------------------------------------


def test_two_decisions_at_once_lose_nothing(postgres_address: str) -> None:
    with world_on(postgres_address) as world, ThreadPoolExecutor(1) as pool:
        number = world.party.id
        with world.bridge.database.writing() as tx:
            party = deciding.find(tx, number)
            other = pool.submit(Cli(world), "lti", "approve", str(number), "--no-email")
            until(lambda: other.done() or waits(world.bridge.database))
            deciding.add_deployment(tx, party, "dep-2", By("somebody", "page", utc_now()))
        other.result(timeout=30)
        with world.bridge.database.reading() as tx:
            found = parties.find(tx, number)
        assert found is not None
        assert found.deployment_ids == ("dep-1", "dep-2")
        assert not found.privacy.email


@pytest.mark.parametrize("centre", ["TWO", "", "ONE"])
def test_the_same_platform_sent_in_at_once(postgres_address: str, centre: str) -> None:
    with world_on(postgres_address) as world, ThreadPoolExecutor(1) as pool:
        party = add(world)
        with world.bridge.database.writing() as tx:
            parties.remove(tx, party.id)

        def send_in(party: Party) -> Party:
            with world.bridge.database.writing() as tx:
                return connecting.send_in(tx, party, By("connect link", "page", utc_now()))

        with world.bridge.database.writing() as tx:
            first = parties.add(tx, replace(party, centre="TWO", id=0))
            other = pool.submit(send_in, replace(party, centre=centre, id=0))
            until(lambda: other.done() or waits(world.bridge.database))
        if centre == "TWO":
            assert other.result(timeout=30).id == first.id
        else:
            with pytest.raises(LtiRefused, match="another centre"):
                other.result(timeout=30)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/choice", {"offering": "\x00"}),
        ("/choice", {"centre": "\x00"}),
        ("/link", {"centre": "\x00"}),
    ],
)
def test_codes_that_no_database_can_look_for(
    either_world: World, path: str, form: dict[str, str]
) -> None:
    answer = requests.post(
        f"{either_world.address}/connections{path}",
        data=form,
        headers={"Origin": either_world.address},
        timeout=10,
    )
    assert answer.status_code == 400
