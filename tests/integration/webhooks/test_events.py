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

from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.jobs.scheduler import Scheduler
from lms_bridge.settings import Settings, load
from lms_bridge.store.api_tables import run_request
from tests.databases import BOTH
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


@pytest.fixture
def sqlite_world(sqlite_address: str) -> Iterator[World]:
    """For what is refused before the database is asked."""
    made = open_world(sqlite_address, with_secret)
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


def requested(world: World) -> list[tuple[str, str, str]]:
    with world.bridge.database.reading() as tx:
        rows = tx.execute(select(run_request).order_by(run_request.c.centre, run_request.c.flows))
        return [(row.centre, row.flows, row.requested_by) for row in rows]


@BOTH
def test_a_signed_event_requests_a_run(signed_world: World) -> None:
    answer = post(signed_world, event(offering="ONE-open"))
    assert answer.status_code == 202, answer.get_json()
    assert answer.get_json()["centres"] == ["ONE"]
    assert requested(signed_world) == [("ONE", "enrolments", "academy")]
    assert post(signed_world, event(centre="FAR"), "msg_2").status_code == 202
    assert (
        post(signed_world, event("offering.changed", offering="TWO-open"), "m").status_code == 202
    )
    assert requested(signed_world) == [
        ("FAR", "enrolments", "academy"),
        ("ONE", "enrolments", "academy"),
        ("TWO", "offerings", "academy"),
    ]


@BOTH
def test_a_repeated_message_requests_no_run(signed_world: World) -> None:
    post(signed_world, event(offering="ONE-open"))
    with signed_world.bridge.database.writing() as tx:
        tx.execute(run_request.delete())
    again = post(signed_world, event(offering="ONE-open"))
    assert again.status_code == 202
    assert again.get_json()["centres"] == []
    assert requested(signed_world) == []


def test_many_events_become_one_run(signed_world: World) -> None:
    for number in range(20):
        post(signed_world, event(offering="ONE-open"), f"msg_{number}")
    assert requested(signed_world) == [("ONE", "enrolments", "academy")]


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
def test_a_bad_signature_is_refused(sqlite_world: World, changes: dict[str, Any]) -> None:
    answer = post(sqlite_world, event(offering="ONE-open"), **changes)
    assert answer.status_code == 401
    assert answer.get_json()["code"] == "signature-refused"
    assert requested(sqlite_world) == []


def signed(given: Any, *secrets: str) -> dict[str, Any]:
    """The headers of an event that is signed now, with every one of these secrets."""
    at = datetime.now(UTC)
    signatures = " ".join(Signer(secret).sign("m", at, json.dumps(given)) for secret in secrets)
    return {"webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signatures}


def test_a_changed_body_is_refused(signed_world: World) -> None:
    head = signed(event(centre="ONE"), SECRET)
    assert post(signed_world, event(centre="ONE"), "m", **head).status_code == 202
    head = signed(event(centre="TWO"), SECRET)
    answer = post(signed_world, event(centre="ONE"), "m", **head)
    assert answer.get_json()["code"] == "signature-refused"


def test_one_good_signature_among_several_is_enough(signed_world: World) -> None:
    """So a secret is changed without a pause."""
    head = signed(event(centre="ONE"), OTHER, SECRET, OTHER)
    assert post(signed_world, event(centre="ONE"), "m", **head).status_code == 202


@pytest.mark.parametrize("other", ["v1", "v1,abc", "v1,\u00e9", "v1a,AA==", "a,b,c"])
def test_a_good_signature_counts_beside_one_that_cannot_be_read(
    signed_world: World, other: str
) -> None:
    head = signed(event(centre="ONE"), SECRET)
    head["webhook-signature"] = f"{other} {head['webhook-signature']}"
    assert post(signed_world, event(centre="ONE"), "m", **head).status_code == 202


def test_a_signed_body_that_is_no_text_is_refused(signed_world: World) -> None:
    headers = {**signed({}, SECRET), "webhook-id": "m", "Content-Type": "application/json"}
    answer = signed_world.client.post("/api/v1/events", data=b"\xff", headers=headers)
    assert answer.status_code == 401
    assert answer.get_json()["code"] == "signature-refused"


def test_every_signature_is_refused_without_a_shared_secret(either: World) -> None:
    answer = post(either, event(centre="ONE"))
    assert answer.get_json()["code"] == "signature-refused"


def test_a_token_may_post_events_of_its_centre(either: World) -> None:
    token = either.token(Scope.SEND_EVENTS, reach=DataScope("ONE"))
    answer = either.post("/events", token, json=event(offering="ONE-open"))
    assert answer.status_code == 202
    (row,) = requested(either)
    assert row[:2] == ("ONE", "enrolments")
    assert row[2].startswith("token ")
    for foreign in (event(offering="TWO-open"), event(centre="TWO")):
        assert either.post("/events", token, json=foreign).status_code == 404
    assert len(requested(either)) == 1


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
def test_an_event_without_a_known_subject_asks_for_no_run(
    sqlite_world: World, given: Any, status: int
) -> None:
    answer = post(sqlite_world, given)
    assert answer.status_code == status, answer.get_json()
    assert requested(sqlite_world) == []


def test_a_body_that_is_too_large_is_refused(sqlite_world: World) -> None:
    answer = post(sqlite_world, event(centre="x" * 70_000))
    assert answer.status_code == 413


def test_an_invalid_shared_secret_is_refused(sqlite_address: str) -> None:
    with pytest.raises(SettingsInvalid, match="events_secret"):
        load({"LMS_BRIDGE_ACADEMY__EVENTS_SECRET": "whsec_short"})


# ---- from the request to the engine ----------------------------------------------------------


class Busy(Recorder):
    """An engine that takes nothing: the same run is at work already."""

    def submit(self, *requested: Any) -> bool:
        super().submit(*requested)
        return False


def elected(world: World, engine: Recorder) -> Scheduler:
    clock = Scheduler(world.bridge, engine)
    clock.beat()
    assert clock.elected
    engine.take()
    return clock


@BOTH
def test_the_clock_submits_a_requested_run_once(signed_world: World) -> None:
    engine = Recorder()
    clock = elected(signed_world, engine)
    post(signed_world, event(offering="ONE-open"))
    clock.look()
    clock.look()
    assert engine.take() == [("ONE", "enrolments", False, "event")]
    post(signed_world, event(offering="ONE-open"), "msg_2")  # while that run is at work
    clock.look()
    assert engine.take() == [("ONE", "enrolments", False, "event")]


@BOTH
def test_a_run_refused_by_the_engine_is_requested_again(signed_world: World) -> None:
    engine = Busy()
    clock = elected(signed_world, engine)
    post(signed_world, event(offering="ONE-open"))
    clock.look()
    clock.look()
    assert len(engine.take()) == 2


@BOTH
def test_a_clock_that_does_not_lead_submits_no_run(signed_world: World) -> None:
    engine = Recorder()
    post(signed_world, event(offering="ONE-open"))
    Scheduler(signed_world.bridge, engine).look()
    assert engine.take() == []
    assert len(requested(signed_world)) == 1
