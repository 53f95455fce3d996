"""What happens at the same time: of two who want one thing, one gets it; nothing is half done."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from lms_bridge.lti import parties
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.platform import endpoints, line_items, resources
from lms_bridge.lti.platform.authentication import DEEP_LINKING
from lms_bridge.lti.platform.granting import Access
from lms_bridge.lti.platform.registration import invite
from lms_bridge.lti.platform.services import context
from lms_bridge.store import lti_services
from lms_bridge.store import offerings as offering_rows
from tests.integration.lti_platform.test_moodle_replayed import (
    asked_to_choose,
    deep_linking_claims,
    recorded,
)
from tests.integration.lti_platform.test_refused import ITEM
from tests.integration.lti_platform.waiting import until
from tests.integration.lti_platform.world import World, code_of, world_on


@pytest.fixture
def postgres_world(postgres_address: str) -> Iterator[World]:
    """On SQLite writers take turns, so that these cannot meet there."""
    with world_on(postgres_address) as made:
        yield made


def _waits(world: World) -> bool:
    with world.bridge.database.reading() as tx:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        return bool(tx.scalar(text(waiting)))


def test_first_launches_into_an_offering_at_once(postgres_world: World) -> None:
    world = postgres_world
    id_ = world.ids["OFF-1"]
    with ThreadPoolExecutor(1) as pool:
        with world.bridge.database.writing() as tx:
            offering = offering_rows.offerings(tx, [id_])[id_]
            resources.of_offering(tx, world.party, id_, offering, world.room.now())
            other = pool.submit(world.start, "acad-2")
            until(lambda: other.done() or _waits(world))
        other.result(timeout=15)
    with world.bridge.database.reading() as tx:
        (link,) = lti_services.resources(tx, offering_id=id_)
        (item,) = lti_services.line_items(tx, offering_id=id_)
    assert (item.main, item.resource_link_id) == (True, link.id)


def test_a_score_for_a_line_item_that_is_being_deleted(postgres_world: World) -> None:
    world = postgres_world
    items = f"/lti/services/{world.ids['OFF-1']}/lineitems"
    token = world.token()
    made = world.call("POST", items, token, {"label": "Quiz", "scoreMaximum": 10}).json()["id"]
    number = int(made.rpartition("/")[2])
    with ThreadPoolExecutor(1) as pool:
        with world.bridge.database.writing() as tx:
            here = context(tx, Access(world.party, frozenset()), world.ids["OFF-1"])
            line_items.find(tx, here, number, lock=True)
            lti_services.drop_line_item(tx, number)
            sent = pool.submit(world.call, "POST", f"{made}/scores", token, world.score())
            until(lambda: sent.done() or _waits(world))
        answer = sent.result(timeout=15)
    assert (answer.status_code, code_of(answer)) == (404, "line-item-unknown")


def test_two_answers_to_one_choice_at_once(
    either_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = either_world
    claims = deep_linking_claims(world, asked_to_choose(world))
    both_looked, look = threading.Barrier(2, timeout=15), world.room.once.look

    def look_together(purpose: str, key: str, *args: Any) -> Any:
        found = look(purpose, key, *args)
        if purpose == DEEP_LINKING:
            both_looked.wait()
        return found

    monkeypatch.setattr(world.room.once, "look", look_together)

    def answer(title: str) -> requests.Response:
        item = {**ITEM, "title": title, "url": f"{world.tool.address}/launch?{title}"}
        nonce = {"nonce": secrets.token_hex(8), lti.CONTENT_ITEMS: [item]}
        form = {"JWT": world.tool.sign(claims | nonce)}
        return requests.post(world.address + endpoints.DEEP_LINKING, data=form, timeout=20)

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(answer, ("one", "two")), key=lambda each: each.status_code)
    assert [each.status_code for each in answers] == [200, 400]
    assert code_of(answers[1]) == "deep-linking-unknown"
    with world.bridge.database.reading() as tx:
        (chosen,) = lti_services.resources(tx, offering_id=world.ids["OFF-2"])
    assert chosen.title in answers[0].text


def test_an_invitation_outlives_a_registration_that_was_not_kept(
    either_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = either_world
    invitation = invite(world.room, "ONE", private_addresses=True)
    fails, add = [True], parties.add

    def add_or_fail(*args: Any) -> Any:
        if fails.pop() if fails else False:
            raise OperationalError("insert", None, Exception("the disk is full"))
        return add(*args)

    monkeypatch.setattr(parties, "add", add_or_fail)

    def register() -> requests.Response:
        body = recorded("/register")["body"]
        return world.call("POST", endpoints.REGISTRATION, invitation.token, body)

    assert register().status_code == 503
    assert register().status_code == 200
    assert register().status_code == 401


def test_an_issuer_that_no_database_can_look_for(either_world: World) -> None:
    world = either_world
    token = world.tool.sign(world.assertion(iss="some\x00body"))
    asked = world.ask_token(world.token_form(token))
    assert (asked.status_code, code_of(asked)) == (401, "grant-client")
    answered = requests.post(
        world.address + endpoints.DEEP_LINKING, data={"JWT": token}, timeout=10
    )
    assert (answered.status_code, code_of(answered)) == (400, "deep-linking-client")
