"""A platform that came anew: what hung on its old connection moves to the new one, or goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from lms_bridge.audit import Subject
from lms_bridge.cli import main
from lms_bridge.console.session import CommandSession
from lms_bridge.domain.clock import utc_now
from lms_bridge.lti import registrations, vocabulary
from lms_bridge.lti.platform import resources
from lms_bridge.lti.registrations import LtiRegistration, Status
from lms_bridge.store.launch_origins import platform_courses
from lms_bridge.store.lti_tables import resource
from tests.integration.audited import acts
from tests.integration.lti_chain.chain import Chain
from tests.integration.lti_platform.world import add_tool
from tests.operators import own_field
from tests.peers.platform import Platform, running

Command = Callable[..., str]


@pytest.fixture
def again(either_chain: Chain) -> Iterator[Platform]:
    """The same platform at another address, with the gradebook of the old one."""
    with running(Platform(client_id="client-2")) as made:
        yield made


@pytest.fixture
def new(either_chain: Chain, again: Platform) -> LtiRegistration:
    return either_chain.add_platform(again, name="Sample Academy anew", client_id="client-2")


@pytest.fixture
def command(either_chain: Chain) -> Command:
    def run(*arguments: str, code: int = 0) -> str:
        session = CommandSession(lambda settings: nullcontext(either_chain.world.bridge), {})
        done = CliRunner().invoke(main, ["lti", *arguments], obj=session)
        assert done.exit_code == code, done.output
        return done.output

    return run


def status_of(chain: Chain, number: int) -> Status | None:
    with chain.world.bridge.database.reading() as tx:
        found = registrations.find(tx, number)
        return None if found is None else found.status


def test_scores_reach_the_platform_where_it_is_now(
    either_chain: Chain, again: Platform, new: LtiRegistration, command: Command
) -> None:
    chain, old = either_chain, either_chain.registration
    claims = chain.launch()
    assert chain.score(claims, 50, 1) == 204
    assert [score for _, score, _ in chain.scores()] == [50]
    text = command("move", str(old.id), "--to", str(new.id), "--yes")
    assert "courses: 1, launch origins: 1, results in its gradebook: 1" in text
    assert status_of(chain, old.id) is Status.DISABLED
    assert chain.score(claims, 70, 2) == 204
    assert [score for _, score, _ in chain.scores(again)] == [70]
    (origin,) = chain.launch_origins()
    assert origin.registration_id == new.id
    assert origin.line_item.startswith(again.address)
    with chain.world.bridge.database.reading() as tx:
        (course,) = platform_courses(tx, "")
    assert course.memberships.startswith(again.address)


def test_what_both_connections_know_is_kept_once(
    either_chain: Chain, again: Platform, new: LtiRegistration, command: Command
) -> None:
    chain = either_chain
    chain.score(chain.launch(), 50, 1)
    chain.scores()
    chain.launch(platform=again)
    chain.send()
    command("move", str(chain.registration.id), "--to", str(new.id), "--yes")
    assert [each.registration_id for each in chain.launch_origins()] == [new.id]
    assert [row.system for row in chain.result_links()].count(f"lti:{new.id}") == 1


def test_a_dry_run_and_a_no_change_nothing(
    either_chain: Chain, new: LtiRegistration, command: Command
) -> None:
    chain, old = either_chain, either_chain.registration
    chain.launch()
    before = chain.launch_origins()
    for options, code in ((["--dry-run"], 0), ([], 1)):  # nobody answers the question
        text = command("move", str(old.id), "--to", str(new.id), *options, code=code)
        assert "All of it moves to connection" in text
    assert chain.launch_origins() == before
    assert status_of(chain, old.id) is Status.ACTIVE
    assert acts(chain.world.bridge.database, Subject.CONNECTION) == []


def test_a_connection_in_use_is_not_forgotten_and_an_ended_one_is(
    either_chain: Chain, command: Command
) -> None:
    chain, old = either_chain, either_chain.registration
    chain.score(chain.launch(), 50, 1)
    chain.scores()
    assert "is active" in command("forget", str(old.id), "--yes", code=2)
    command("reject", str(old.id))
    command("forget", str(old.id), "--yes")
    assert status_of(chain, old.id) is None
    assert chain.launch_origins() == []
    assert f"lti:{old.id}" not in chain.links()
    assert [act.action for act in acts(chain.world.bridge.database, Subject.CONNECTION)] == [
        "disable",
        "forget",
    ]


def test_a_tool_that_came_anew_keeps_its_resources_and_scores(
    either_chain: Chain, command: Command
) -> None:
    chain, world = either_chain, either_chain.world
    first = chain.launch()
    assert chain.score(first, 50, 1) == 204
    assert [score for _, score, _ in chain.scores()] == [50]
    old = world.registration
    new = add_tool(world.lti, world.tool, client_id="anew", deployment_ids=("dep-9",))
    text = command("move", str(old.id), "--to", str(new.id), "--yes")
    assert "scores: 1, line items: 1, resources: 1, chosen offerings: 0" in text
    assert status_of(chain, old.id) is Status.DISABLED
    world.registration, world.tool.client_id = new, "anew"
    again = chain.launch()
    link, endpoint = vocabulary.RESOURCE_LINK, vocabulary.AGS_ENDPOINT
    assert (again["aud"], again["sub"]) == ("anew", first["sub"])
    assert again[link] == first[link]
    assert again[endpoint]["lineitem"] == first[endpoint]["lineitem"]
    assert chain.score(first, 60, 1) == 409  # the time of the old score is known, too
    assert chain.score(again, 70, 2) == 204
    assert [score for _, score, _ in chain.scores()] == [50, 70]
    assert [act.action for act in acts(world.bridge.database, Subject.CONNECTION)] == [
        "move",
        "disable",
    ]


def test_a_tool_at_another_address_is_opened_there(either_chain: Chain, command: Command) -> None:
    world = either_chain.world
    old = world.registration
    with world.bridge.database.writing() as tx:
        for address in (f"{world.tool.address}/unit/1", "https://elsewhere.example/unit"):
            link = resources.add(tx, old, world.ids["OFF-1"], title="Unit", now=utc_now())
            tx.execute(update(resource).where(resource.c.id == link.id).values(address=address))
    moved = "https://tool.example"
    new = add_tool(world.lti, world.tool, initiate_login_uri=f"{moved}/login")
    command("move", str(old.id), "--to", str(new.id), "--yes")
    with world.bridge.database.reading() as tx:
        addresses = tx.scalars(select(resource.c.address).order_by(resource.c.id)).all()
    assert addresses == [f"{moved}/unit/1", "https://elsewhere.example/unit"]


def test_an_ended_tool_is_forgotten_with_its_scores(either_chain: Chain, command: Command) -> None:
    chain, old = either_chain, either_chain.world.registration
    chain.score(chain.launch(), 50, 1)
    chain.scores()
    results = len(chain.result_links())
    assert "is active" in command("forget", str(old.id), "--yes", code=2)
    command("reject", str(old.id))
    assert "scores: 1" in command("forget", str(old.id), "--yes")
    assert status_of(chain, old.id) is None
    counts = chain.world.counts()
    assert {counts[each] for each in ("lti_score", "lti_line_item", "lti_resource")} == {0}
    assert len(chain.result_links()) == results  # what was applied stays


def test_a_platform_and_a_tool_do_not_take_each_others_place(
    either_chain: Chain, command: Command
) -> None:
    tool, platform = either_chain.world.registration.id, either_chain.registration.id
    for one, other in ((tool, platform), (platform, tool)):
        text = command("move", str(one), "--to", str(other), "--yes", code=2)
        assert "cannot move" in text


def test_a_connection_moves_to_no_other_owner(
    either_chain: Chain, again: Platform, command: Command
) -> None:
    other = either_chain.add_platform(again, centre="TWO", client_id="client-2")
    old = either_chain.registration.id
    text = command("move", str(old), "--to", str(other.id), "--yes", code=2)
    assert "Both must belong to the same centre" in text


def test_the_page_shows_what_would_change_before_it_changes_it(
    either_chain: Chain, new: LtiRegistration
) -> None:
    chain, old = either_chain, either_chain.registration
    chain.launch()
    address, browser = f"{chain.world.address}/connections/{old.id}", chain.world.operator
    assert f"It moves to connection {new.id}" in browser.get(address, timeout=120).text
    headers = {"Origin": chain.world.address}
    sent = {"to": str(new.id), **own_field(browser)}
    shown = browser.post(f"{address}/replacement", sent, headers=headers, timeout=120)
    assert "launch origins: 1" in shown.text
    assert status_of(chain, old.id) is Status.ACTIVE
    browser.post(f"{address}/replacement", {**sent, "sure": "1"}, headers=headers, timeout=120)
    assert status_of(chain, old.id) is Status.DISABLED
    assert [each.registration_id for each in chain.launch_origins()] == [new.id]
