"""Idempotency-Key: the same request with the same key is done once, and answered the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, func, select, update

from lms_bridge.api import idempotency
from lms_bridge.api.idempotency import HEADER, REPLAYED, KeyClaim
from lms_bridge.domain.access import DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import EnrolmentStatus
from lms_bridge.store import leases
from lms_bridge.store.api_tables import kept_response
from lms_bridge.store.run_tables import run
from lms_bridge.store.tables import enrolment
from tests.integration.api.test_registrations import group, person
from tests.integration.api.world import World, enrol, open_world


def count(world: World, table: Any) -> int:
    with world.bridge.database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(table)) or 0


def register(world: World, token: str, key: str, learner: str = "L1") -> Any:
    path = "/offerings/ONE-open/register"
    # A client of its own: test clients are not made for several threads.
    client = world.client.application.test_client()
    head = {"Authorization": f"Bearer {token}", HEADER: key}
    return client.post(f"/api/v1{path}", json=person(learner), headers=head)


def test_a_repeated_request_is_answered_and_not_done_again(either: World) -> None:
    token = either.token(reach=DataScope("ONE"))
    first = register(either, token, "k1")
    again = register(either, token, "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.get_data() == first.get_data()
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.content_type == first.content_type
    assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
    assert (count(either, enrolment), count(either, run)) == (1, 1)
    other = register(either, either.token(), "k1", "L2")  # keys are each token's own
    assert other.status_code == 201


def test_a_key_is_for_one_request(either: World) -> None:
    token = either.token()
    register(either, token, "k1")
    for refused in (
        register(either, token, "k1", "L2"),
        either.post("/offerings/ONE-open/cancel", token, headers={HEADER: "k1"}),
        either.post(
            "/offerings/ONE-open/register",
            token,
            json=person("L1"),
            headers={HEADER: "k1", "If-Match": '"1-1"'},
        ),
    ):
        assert (refused.status_code, refused.get_json()["code"]) == (422, "key-reused")
    assert count(either, enrolment) == 1


def test_a_refusal_is_kept_and_a_failure_is_not(world: World) -> None:
    number = enrol(world, "ONE-open", "L1", EnrolmentStatus.ENROLLED)
    token = world.token()
    path = f"/registrations/{number}/select"
    first = world.post(path, token, headers={HEADER: "k1"})
    again = world.post(path, token, headers={HEADER: "k1"})
    assert (first.status_code, first.get_data()) == (409, again.get_data())
    assert again.headers[REPLAYED] == "true"
    assert again.content_type == "application/problem+json"
    with world.bridge.database.writing() as tx:
        leases.take(tx, "run:ONE", "another machine|1|x", utc_now(), 1)
    later = world.post(f"/registrations/{number}/withdraw", token, headers={HEADER: "k2"})
    assert later.status_code == 200  # the lease ran out while it waited


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256])
def test_an_invalid_key_is_refused(world: World, key: str) -> None:
    path = "/offerings/ONE-open/cancel"
    refused = world.post(path, world.token(), headers={HEADER: key})
    assert (refused.status_code, refused.get_json()["code"]) == (422, "key-invalid")
    assert world.get("/offerings/ONE-open").get_json()["status"] == "published"


def test_simultaneous_requests_with_one_key_are_done_once(either: World) -> None:
    token = either.token(reach=DataScope("ONE"))
    barrier = threading.Barrier(8)

    def send(_: int) -> Any:
        barrier.wait(timeout=120)
        return register(either, token, "k1")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.get_data() for answer in answers}) == 1
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert (count(either, enrolment), count(either, run)) == (1, 1)


@settings(
    max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["L1", "L2"])), min_size=2, max_size=6
    )
)
def test_each_key_counts_once_however_requests_overlap(
    world: World, requests: list[tuple[str, str]]
) -> None:
    """Each key belongs to the first request that came with it, and all others are told so."""
    token = world.token()
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = list(pool.map(lambda each: register(world, token, *each), requests))
    for key in {key for key, _ in requests}:
        mine = [
            (learner, answer.status_code, answer.get_data())
            for (each, learner), answer in zip(requests, answers, strict=True)
            if each == key
        ]
        owners = {learner for learner, status, _ in mine if status != 422}
        assert len(owners) == 1
        assert len({body for learner, _, body in mine if learner in owners}) == 1
        assert {status for learner, status, _ in mine if learner not in owners} <= {422}
        # the second key that names the same learner finds them registered already
        assert {status for learner, status, _ in mine if learner in owners} <= {201, 409}


def test_a_dead_process_leaves_its_key_to_the_next_request(either: World) -> None:
    token = either.token()
    register(either, token, "k1")
    with either.bridge.database.writing() as tx:
        dead = leases.new_holder().split("|")[0] + "|999999999|x"
        tx.execute(update(kept_response).values(holder=dead))
    again = register(either, token, "k1")
    assert again.status_code == 409  # done again, and refused: the learner is registered
    assert REPLAYED not in again.headers
    with either.bridge.database.writing() as tx:
        tx.execute(update(kept_response).values(holder="another machine|1|x"))
        tx.execute(update(kept_response).values(at=utc_now() - timedelta(hours=1)))
    assert register(either, token, "k1").status_code == 409


def test_a_key_released_between_two_reads_is_used(postgres_address: str) -> None:
    """PostgreSQL lets one transaction remove the row that another one has just run into."""
    world = open_world(postgres_address)
    engine, token = world.bridge.database.engine, world.token()
    register(world, token, "k1")
    with world.bridge.database.writing() as tx:
        tx.execute(update(kept_response).values(holder=leases.new_holder()))
        tx.execute(update(enrolment).values(status=EnrolmentStatus.WITHDRAWN))

    given: list[str] = []

    def give_back(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO kept_response") and not given:
            given.append(statement)
            with world.bridge.database.writing() as tx:
                tx.execute(delete(kept_response))

    event.listen(engine, "after_cursor_execute", give_back)
    again = register(world, token, "k1")
    world.bridge.close()
    assert given
    assert again.status_code == 201, again.get_json()


def test_a_request_that_lost_its_key_changes_nothing(either: World) -> None:
    """The answer is kept in the transaction of the change: one is not there without the other."""
    token = either.token()
    register(either, token, "k1")
    with either.bridge.database.writing() as tx:
        id_ = tx.scalar(select(kept_response.c.token_id))
        assert id_ is not None
        assert not idempotency.keep_response(tx, KeyClaim(id_, "k1", "somebody else"), 200, {}, b"")


def test_answers_are_kept_for_a_while(world: World) -> None:
    token = world.token()
    register(world, token, "k1")
    with world.bridge.database.writing() as tx:
        tx.execute(update(kept_response).values(at=utc_now() - timedelta(hours=25)))
    assert register(world, token, "k1").status_code == 409  # anew
    assert count(world, kept_response) == 1


def test_a_group_is_registered_once(world: World) -> None:
    token = world.token()
    text = "id,email,given_name,family_name\nL1,l1@example.org,Given,One\n"
    first = group(world, text, token, headers={HEADER: "k1"})
    again = group(world, text, token, headers={HEADER: "k1"})
    assert first.get_data() == again.get_data()
    assert again.headers[REPLAYED] == "true"
    assert group(world, text + "\n", token, headers={HEADER: "k1"}).status_code == 422
