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

from lms_bridge.lti import registrations
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.platform import endpoints, line_items, resources, storage
from lms_bridge.lti.platform.authentication import DEEP_LINKING
from lms_bridge.lti.platform.dynamic_registration import invite_tool
from lms_bridge.lti.platform.services import context
from lms_bridge.store import offerings as offering_rows
from tests.integration.lti_platform.test_moodle_replayed import (
    choice_request,
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


def test_simultaneous_first_launches_create_one_link(postgres_world: World) -> None:
    world = postgres_world
    id_ = world.ids["OFF-1"]
    with ThreadPoolExecutor(1) as pool:
        with world.bridge.database.writing() as tx:
            offering = offering_rows.offerings(tx, [id_])[id_]
            resources.first_or_create(tx, world.registration, id_, offering, world.lti.now())
            other = pool.submit(world.start, "acad-2")
            until(lambda: other.done() or _waits(world))
        other.result(timeout=120)
    with world.bridge.database.reading() as tx:
        (link,) = storage.resources(tx, offering_id=id_)
        (item,) = storage.line_items(tx, offering_id=id_)
    assert (item.main, item.resource_link_id) == (True, link.id)


def test_a_score_for_a_line_item_that_is_being_deleted_is_refused(postgres_world: World) -> None:
    world = postgres_world
    items = f"/lti/services/{world.ids['OFF-1']}/lineitems"
    token = world.token()
    made = world.call("POST", items, token, {"label": "Quiz", "scoreMaximum": 10}).json()["id"]
    number = int(made.rpartition("/")[2])
    with ThreadPoolExecutor(1) as pool:
        with world.bridge.database.writing() as tx:
            here = context(tx, world.registration, world.ids["OFF-1"])
            line_items.find(tx, here, number, lock=True)
            storage.drop_line_item(tx, number)
            sent = pool.submit(world.call, "POST", f"{made}/scores", token, world.score())
            until(lambda: sent.done() or _waits(world))
        answer = sent.result(timeout=120)
    assert (answer.status_code, code_of(answer)) == (404, "line-item-unknown")


def test_one_of_two_simultaneous_choices_is_taken(
    either_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = either_world
    world.lti.keysets.fetch(world.lti.keys_of(world.registration))
    claims = deep_linking_claims(world, choice_request(world))
    both_looked, look = threading.Barrier(2, timeout=120), world.lti.nonces.look

    def look_together(purpose: str, key: str, *args: Any) -> Any:
        found = look(purpose, key, *args)
        if purpose == DEEP_LINKING:
            both_looked.wait()
        return found

    monkeypatch.setattr(world.lti.nonces, "look", look_together)

    def answer(title: str) -> requests.Response:
        item = {**ITEM, "title": title, "url": f"{world.tool.address}/launch?{title}"}
        nonce = {"nonce": secrets.token_hex(8), lti.CONTENT_ITEMS: [item]}
        form = {"JWT": world.tool.sign(claims | nonce)}
        return requests.post(world.address + endpoints.DEEP_LINKING, data=form, timeout=120)

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(answer, ("one", "two")), key=lambda each: each.status_code)
    assert [each.status_code for each in answers] == [200, 400]
    assert code_of(answers[1]) == "deep-linking-unknown"
    with world.bridge.database.reading() as tx:
        (chosen,) = storage.resources(tx, offering_id=world.ids["OFF-2"])
    assert chosen.title in answers[0].text


def test_an_invitation_outlives_a_registration_that_was_not_kept(
    either_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = either_world
    invitation = invite_tool(world.lti, "ONE", private_addresses=True)
    fails, add = [True], registrations.add

    def add_or_fail(*args: Any) -> Any:
        if fails.pop() if fails else False:
            raise OperationalError("insert", None, Exception("the disk is full"))
        return add(*args)

    monkeypatch.setattr(registrations, "add", add_or_fail)

    def register() -> requests.Response:
        body = recorded("/register")["body"]
        return world.call("POST", endpoints.REGISTRATION, invitation.token, body)

    assert register().status_code == 503
    assert register().status_code == 200
    assert register().status_code == 401


def test_an_issuer_with_a_nul_character_is_unknown(either_world: World) -> None:
    world = either_world
    token = world.tool.sign(world.assertion(iss="some\x00body"))
    requested = world.ask_token(world.token_form(token))
    assert (requested.status_code, code_of(requested)) == (401, "grant-client")
    answered = requests.post(
        world.address + endpoints.DEEP_LINKING, data={"JWT": token}, timeout=120
    )
    assert (answered.status_code, code_of(answered)) == (400, "deep-linking-client")
