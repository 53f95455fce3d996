"""Events that are posted here: who may, once each, and what they lead to."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook as Signer
from werkzeug.test import TestResponse

from lms_bridge.domain.access import Reach, Scope
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.jobs.clock import Clock
from lms_bridge.settings import Settings, load
from lms_bridge.store.api_tables import asked_run
from tests.integration.api.world import World, open_world
from tests.integration.jobs.playing import Recorder

SECRET, OTHER = (f"whsec_{b64encode(each * 32).decode()}" for each in (b"a", b"b"))


def with_secret(settings: Settings) -> Settings:
    return replace(settings, academy=replace(settings.academy, events_secret=SECRET))


@pytest.fixture
def signed_world(database_address: str) -> Iterator[World]:
    made = open_world(database_address, with_secret)
    yield made
    made.bridge.close()


def event(type_: str = "registration.changed", **about: str) -> dict[str, Any]:
    return {"type": type_, "timestamp": "2027-01-01T00:00:00Z", "data": about}


def post(
    world: World,
    given: Any,
    message: str = "msg_1",
    *,
    secret: str = SECRET,
    minutes: float = 0,
    **changes: Any,
) -> TestResponse:
    body = json.dumps(given)
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    headers = {
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Signer(secret).sign(message, at, body),
        "Content-Type": "application/json",
        **changes,
    }
    return world.client.post("/api/v1/events", data=body, headers=headers)


def asked(world: World) -> list[tuple[str, str, str]]:
    with world.bridge.database.reading() as tx:
        rows = tx.execute(select(asked_run).order_by(asked_run.c.centre, asked_run.c.flows))
        return [(row.centre, row.flows, row.asked_by) for row in rows]


def test_signed_by_the_academy(signed_world: World) -> None:
    answer = post(signed_world, event(offering="ONE-open"))
    assert answer.status_code == 202, answer.get_json()
    assert answer.get_json()["centres"] == ["ONE"]
    assert asked(signed_world) == [("ONE", "enrolments", "academy")]
    assert post(signed_world, event(centre="FAR"), "msg_2").status_code == 202
    assert (
        post(signed_world, event("offering.changed", offering="TWO-open"), "m").status_code == 202
    )
    assert asked(signed_world) == [
        ("FAR", "enrolments", "academy"),
        ("ONE", "enrolments", "academy"),
        ("TWO", "offerings", "academy"),
    ]


def test_a_message_counts_once(signed_world: World) -> None:
    post(signed_world, event(offering="ONE-open"))
    with signed_world.bridge.database.writing() as tx:
        tx.execute(asked_run.delete())
    again = post(signed_world, event(offering="ONE-open"))
    assert again.status_code == 202
    assert again.get_json()["centres"] == []
    assert asked(signed_world) == []


def test_many_events_become_one_run(signed_world: World) -> None:
    for number in range(20):
        post(signed_world, event(offering="ONE-open"), f"msg_{number}")
    assert asked(signed_world) == [("ONE", "enrolments", "academy")]


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": OTHER},
        {"minutes": -6},
        {"minutes": 6},
        {"webhook-id": "another"},
        {"webhook-id": ""},
        {"webhook-timestamp": "yesterday"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": ""},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2,abc"},
        {"webhook-signature": "v1,\u00e9"},
    ],
    ids=str,
)
def test_bad_signatures(signed_world: World, changes: dict[str, Any]) -> None:
    answer = post(signed_world, event(offering="ONE-open"), **changes)
    assert answer.status_code == 401
    assert answer.get_json()["code"] == "signature-refused"
    assert asked(signed_world) == []


def signed(given: Any, *secrets: str) -> dict[str, Any]:
    """The headers of an event that is signed now, with every one of these secrets."""
    at = datetime.now(UTC)
    signatures = " ".join(Signer(secret).sign("m", at, json.dumps(given)) for secret in secrets)
    return {"webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signatures}


def test_a_body_that_was_changed_on_the_way(signed_world: World) -> None:
    head = signed(event(centre="ONE"), SECRET)
    assert post(signed_world, event(centre="ONE"), "m", **head).status_code == 202
    head = signed(event(centre="TWO"), SECRET)
    answer = post(signed_world, event(centre="ONE"), "m", **head)
    assert answer.get_json()["code"] == "signature-refused"


def test_several_signatures_of_which_one_is_good(signed_world: World) -> None:
    """So a secret is changed without a pause."""
    head = signed(event(centre="ONE"), OTHER, SECRET, OTHER)
    assert post(signed_world, event(centre="ONE"), "m", **head).status_code == 202


def test_without_a_shared_secret_no_signature_is_good(either: World) -> None:
    answer = post(either, event(centre="ONE"))
    assert answer.get_json()["code"] == "signature-refused"


def test_with_a_token(either: World) -> None:
    token = either.token(Scope.SEND_EVENTS, reach=Reach("ONE"))
    answer = either.post("/events", token, json=event(offering="ONE-open"))
    assert answer.status_code == 202
    (row,) = asked(either)
    assert row[:2] == ("ONE", "enrolments")
    assert row[2].startswith("token ")
    for foreign in (event(offering="TWO-open"), event(centre="TWO")):
        assert either.post("/events", token, json=foreign).status_code == 404
    assert len(asked(either)) == 1


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (event("ping"), 202),
        (event(), 422),
        (event("nothing.known", centre="ONE"), 422),
        (event(offering="NOWHERE"), 404),
        (event(centre="NOWHERE"), 404),
        ({}, 422),
        ([], 422),
        ({"type": "registration.changed", "data": 7}, 422),
        ({"type": "registration.changed", "data": {"centre": ["ONE"]}}, 422),
    ],
    ids=str,
)
def test_what_is_said(signed_world: World, given: Any, status: int) -> None:
    answer = post(signed_world, given)
    assert answer.status_code == status, answer.get_json()
    assert asked(signed_world) == []


def test_a_body_that_is_too_large(signed_world: World) -> None:
    answer = post(signed_world, event(centre="x" * 70_000))
    assert answer.status_code == 413


def test_a_secret_that_is_none(sqlite_address: str) -> None:
    with pytest.raises(SettingsInvalid, match="events_secret"):
        load({"LMS_BRIDGE_ACADEMY__EVENTS_SECRET": "whsec_short"})


# ---- from the request to the engine ----------------------------------------------------------


class Busy(Recorder):
    """An engine that takes nothing: the same run is at work already."""

    def submit(self, *asked: Any) -> bool:
        super().submit(*asked)
        return False


def elected(world: World, engine: Recorder) -> Clock:
    clock = Clock(world.bridge, engine)
    clock.beat()
    assert clock.elected
    engine.take()
    return clock


def test_the_clock_hands_it_over_once(signed_world: World) -> None:
    engine = Recorder()
    clock = elected(signed_world, engine)
    post(signed_world, event(offering="ONE-open"))
    clock.look()
    clock.look()
    assert engine.take() == [("ONE", "enrolments", False, "event")]
    post(signed_world, event(offering="ONE-open"), "msg_2")  # while that run is at work
    clock.look()
    assert engine.take() == [("ONE", "enrolments", False, "event")]


def test_what_the_engine_does_not_take_is_asked_for_again(signed_world: World) -> None:
    engine = Busy()
    clock = elected(signed_world, engine)
    post(signed_world, event(offering="ONE-open"))
    clock.look()
    clock.look()
    assert len(engine.take()) == 2


def test_a_clock_that_is_not_elected_does_nothing(signed_world: World) -> None:
    engine = Recorder()
    post(signed_world, event(offering="ONE-open"))
    Clock(signed_world.bridge, engine).look()
    assert engine.take() == []
    assert len(asked(signed_world)) == 1
