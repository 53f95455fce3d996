"""Who changed a connection, by what, and what it was before: kept among the runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import requests
from sqlalchemy import select

from lms_bridge.admin import queries
from lms_bridge.api.tokens import NewToken, create_token
from lms_bridge.audit import Actor, Subject
from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.lti import approval, connect_links, registrations
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.registrations import LtiRegistration, Status
from lms_bridge.store.run_tables import run
from tests.integration.audited import Act, acts
from tests.integration.lti_platform.test_commands import ADD, Cli
from tests.integration.lti_platform.waiting import until, waits
from tests.integration.lti_platform.world import World, add_tool, world_on
from tests.integration.web.test_connections import add
from tests.integration.web.visiting import Operator, visitor
from tests.operators import NAME, own_field

PAGE, LINK = ("page", NAME), ("page", "connect link")


def kept(world: World, registration: int) -> list[Act]:
    return acts(world.bridge.database, Subject.CONNECTION, registration)


def test_decisions_on_the_page_are_audited(either_world: World) -> None:
    world = either_world
    registration = add_tool(world.lti, world.tool, status=Status.PENDING)
    operator = Operator(world)
    operator.send(f"/{registration.id}", "/approval")
    operator.send(f"/{registration.id}", "/approval", {"email": None})
    operator.send(f"/{registration.id}", "/approval")  # nothing new
    operator.send(f"/{registration.id}", "/deployments", {"deployment_id": "dep-2"})
    operator.send(f"/{registration.id}", "/rejection")
    approved, changed, deployed, ended = kept(world, registration.id)
    assert approved[:2] == ("approve", PAGE)
    assert approved[2]["jwks_uri"] == [None, registration.jwks_uri]  # all that was approved
    assert approved[2]["privacy"][1]["email"]
    (action, by, fields) = changed
    assert (action, by, list(fields)) == ("change", PAGE, ["privacy"])
    assert [each["email"] for each in fields["privacy"]] == [True, False]
    assert deployed == ("change", PAGE, {"deployment_ids": [["dep-1"], ["dep-1", "dep-2"]]})
    assert ended == ("disable", PAGE, {"status": ["active", "disabled"]})


def test_a_rejected_connection_is_deleted_and_its_audit_kept(either_world: World) -> None:
    world = either_world
    registration = add(world, centre="")
    Operator(world).send(f"/{registration.id}", "/rejection")
    ((action, by, fields),) = kept(world, registration.id)
    assert (action, by) == ("forget", PAGE)
    assert fields["issuer"] == [registration.issuer, None]


def test_connections_sent_in_by_a_link_are_audited(either_world: World) -> None:
    world = either_world
    page = visitor(world)
    page.send("/platform", PLATFORM)
    with world.bridge.database.reading() as tx:
        registration = registrations.all_registrations(tx)[-1]
    page.send("/withdrawal", {"connection": str(registration.id)})
    added, withdrawn = kept(world, registration.id)
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


def test_commands_are_audited_with_their_user(world: World) -> None:
    cli = Cli(world)
    cli("lti", "add-tool", "By hand", "--centre", "TWO", *ADD)
    number = cli.json("lti", "list")[-1]["id"]
    cli("lti", "approve", str(number), "--email")
    (first,) = cli.json("lti", "show", str(number))["deployment_ids"]
    cli("lti", "accept", str(number), "dep-2")
    cli("lti", "take-back", str(number), first)
    assert cli.json("lti", "show", str(number))["deployment_ids"] == ["dep-2"]
    cli("lti", "reject", str(number))
    acts = kept(world, number)
    assert [action for action, _, _ in acts] == ["add", "change", "change", "change", "disable"]
    assert {means for _, (means, _), _ in acts} == {"command"}
    assert all(who not in ("", NAME) for _, (_, who), _ in acts)
    last = str(cli.json("run", "list")[0]["number"])
    assert "connections: 1 switched off" in cli("run", "list")
    shown = cli("run", "show", last)
    assert "By hand: disable, done" in shown
    assert "status: active -> disabled" in shown
    page = world.operator.get(f"{world.address}/runs/{last}", timeout=120)
    assert page.status_code == 200
    assert f"command, <bdi>{acts[0][1][1]}</bdi>" in page.text
    assert "<del><bdi>active</bdi></del> <ins><bdi>disabled</bdi></ins>" in page.text


def test_a_run_of_the_academys_own_is_shown(world: World) -> None:
    registration = add(world, centre="")
    Operator(world).send(f"/{registration.id}", "/approval")
    with world.bridge.database.reading() as tx:
        last = tx.scalar(select(run.c.id).order_by(run.c.id.desc()).limit(1))
    for path in (f"/runs/{last}", "/runs", "/", "/centres"):
        page = world.operator.get(world.address + path, timeout=120)
        assert page.status_code == 200, path
    assert "Academy" in world.operator.get(f"{world.address}/runs/{last}", timeout=120).text


@pytest.mark.parametrize(("reach", "status"), [(DataScope(), 200), (DataScope("ONE"), 404)])
def test_the_api_shows_the_audit_to_tokens_without_a_centre(
    world: World, reach: DataScope, status: int
) -> None:
    new = NewToken("reader", [Scope.READ_OPERATIONS], reach, 0, 0)
    _, secret = create_token(
        world.bridge.database, new, [], by=Actor("a test", "command", utc_now())
    )
    Operator(world).send(f"/{add(world, centre='').id}", "/approval")
    headers = {"Authorization": f"Bearer {secret}"}
    runs = f"{world.address}/api/v1/runs"
    listed = requests.get(runs, headers=headers, timeout=120).json()["items"]
    assert ("connections" in {each["flows"] for each in listed}) == (status == 200)
    with world.bridge.database.reading() as tx:
        number = tx.scalar(select(run.c.id).order_by(run.c.id.desc()).limit(1))
    assert requests.get(f"{runs}/{number}", headers=headers, timeout=120).status_code == status
    shown = requests.get(f"{runs}/{number}/items", headers=headers, timeout=120)
    assert shown.status_code == status
    if status == 200:
        assert shown.json()["items"][0]["fields"]["status"] == [None, "active"]


def test_a_decision_is_not_a_run_that_the_centre_ran(world: World) -> None:
    Operator(world).send(f"/{world.registration.id}", "/rejection")
    with world.bridge.database.reading() as tx:
        assert queries.last_run_of_each(tx) == {}


# ---- at the same time ----------------------------------------------------------------------


def test_two_decisions_at_once_lose_nothing(postgres_address: str) -> None:
    with world_on(postgres_address) as world, ThreadPoolExecutor(1) as pool:
        number = world.registration.id
        with world.bridge.database.writing() as tx:
            registration = approval.find_registration(tx, number)
            other = pool.submit(Cli(world), "lti", "approve", str(number), "--no-email")
            until(lambda: other.done() or waits(world.bridge.database))
            approval.add_deployment(tx, registration, "dep-2", Actor("somebody", "page", utc_now()))
        other.result(timeout=120)
        with world.bridge.database.reading() as tx:
            found = registrations.find(tx, number)
        assert found is not None
        assert found.deployment_ids == ("dep-1", "dep-2")
        assert not found.privacy.email


@pytest.mark.parametrize("centre", ["TWO", "", "ONE"])
def test_a_platform_sent_in_twice_at_once_is_stored_once(
    postgres_address: str, centre: str
) -> None:
    with world_on(postgres_address) as world, ThreadPoolExecutor(1) as pool:
        registration = add(world)
        with world.bridge.database.writing() as tx:
            registrations.remove(tx, registration.id)

        def send_in(registration: LtiRegistration) -> LtiRegistration:
            with world.bridge.database.writing() as tx:
                return connect_links.send_in(
                    tx, registration, Actor("connect link", "page", utc_now())
                )

        with world.bridge.database.writing() as tx:
            first = registrations.add(tx, replace(registration, centre="TWO", id=0))
            other = pool.submit(send_in, replace(registration, centre=centre, id=0))
            until(lambda: other.done() or waits(world.bridge.database))
        if centre == "TWO":
            assert other.result(timeout=120).id == first.id
        else:
            with pytest.raises(LtiRefused, match="another centre"):
                other.result(timeout=120)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/choice", {"offering": "\x00"}),
        ("/choice", {"centre": "\x00"}),
        ("/link", {"centre": "\x00"}),
    ],
)
def test_a_code_with_a_nul_character_is_refused(
    either_world: World, path: str, form: dict[str, str]
) -> None:
    answer = either_world.operator.post(
        f"{either_world.address}/connections{path}",
        data=form | own_field(either_world.operator),
        headers={"Origin": either_world.address},
        timeout=120,
    )
    assert answer.status_code == 400
