"""A resource that was chosen with only a title is completed by its centre."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.lti import registrations
from lms_bridge.lti.platform import chosen_resources
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.store import centres, offerings
from lms_bridge.store.lti_tables import chosen_resource
from tests.integration.api.world import NOW, World, open_world
from tests.operators import own_field

OWN = {"Origin": "http://127.0.0.1:8000"}
TOOL = Centre("TOOL", "Sample Centre with a tool", "africa", "lti", sample=True)
EMPTY = dict.fromkeys(
    ("title", "description", "address", "target", "label", "tag", "starts_at", "ends_at"), ""
)
ITEM: dict[str, object] = {
    **EMPTY,
    "resource_id": "",
    "maximum": None,
    "custom": {},
    "title": "Only a title",
}
FILLED = {"modality": "blended", "starts_at": "2040-03-01", "ends_at": "2040-03-05"}


@pytest.fixture
def world(database_address: str) -> Iterator[World]:
    made = open_world(database_address)
    tool = LtiRegistration(
        Side.TOOL, name="Sample", centre="TOOL", client_id="t", status=Status.ACTIVE
    )
    with made.bridge.database.writing() as tx:
        centres.add(tx, TOOL, b"")
        number = registrations.add(tx, tool).id
        chosen_resources.store(tx, number, {"lti-one": ITEM, "lti-two": ITEM}, NOW)
    sync(made)
    yield made
    made.bridge.close()


def sync(world: World) -> list[str]:
    """A run reads what was chosen. Gives the offerings' codes."""
    bridge = world.bridge
    report = bridge.runner().run(bridge.request(bridge.centre("TOOL"), (Flow.OFFERINGS,)))
    assert not report.errors
    with bridge.database.reading() as tx:
        return [each.code for each in offerings.offerings_of(tx, "TOOL").values()]


def test_a_resource_with_only_a_title_is_completed_by_its_centre(world: World) -> None:
    token = world.token(Scope.READ_OFFERINGS, Scope.WRITE_OFFERINGS, reach=DataScope("TOOL"))
    one, two = sync(world)
    path = f"/offerings/{one}"
    tag = world.get(path, token).headers["ETag"]
    assert world.get(path, token).get_json()["actions"] == ["cancel"]  # it lacks a modality
    answer = world.ask("PATCH", path, token, json=FILLED, headers={"If-Match": tag})
    assert answer.status_code == 200, answer.get_json()
    assert (answer.get_json()["modality"], answer.get_json()["status"]) == ("blended", "planned")
    assert "submit" in answer.get_json()["actions"]
    stale = world.ask("PATCH", path, token, json={"level": "advanced"}, headers={"If-Match": tag})
    assert stale.status_code == 412
    for given, code in (
        ({"title": "Another"}, "owned-elsewhere"),
        ({"status": "published"}, "owned-elsewhere"),
        ({"colour": "red"}, "unknown-field"),
        ({"starts_at": "soon"}, "invalid-record"),
    ):
        refused = world.ask("PATCH", path, token, json=given)
        assert refused.status_code in (409, 422)
        assert refused.get_json()["code"] == code
    other = world.ask("PATCH", "/offerings/ONE-open", world.token(), json={"location": "Here"})
    assert other.get_json()["code"] == "owned-elsewhere"

    # In a table, by its code: what is said already changes nothing, what is empty is filled.
    rows = [{"id": two, "title": "Only a title", **FILLED}, {"id": one, "title": "Other"}]
    pushed = world.ask("PATCH", "/centres/TOOL/schedule", token, json=rows).get_json()["rows"]
    assert [each["outcome"] for each in pushed] == ["updated", "refused"]
    again = world.ask("PATCH", "/centres/TOOL/schedule", token, json=rows[:1]).get_json()["rows"]
    assert [each["outcome"] for each in again] == ["unchanged"]


def test_the_source_wins_when_it_is_read_again(world: World) -> None:
    token = world.token()
    one, _ = sync(world)
    world.ask("PATCH", f"/offerings/{one}", token, json={**FILLED, "location": "Nairobi"})
    dated = {**ITEM, "title": "A better title", "custom": {"itu_modality": "face_to_face"}}
    with world.bridge.database.writing() as tx:
        which = chosen_resource.c.code == "lti-one"
        tx.execute(update(chosen_resource).where(which).values(item=dated))
    sync(world)
    shown = world.get(f"/offerings/{one}", token).get_json()
    assert (shown["title"], shown["modality"]) == ("A better title", "face_to_face")
    assert (shown["location"], shown["starts_at"][:10]) == ("Nairobi", "2040-03-01")
    refused = world.ask("PATCH", f"/offerings/{one}", token, json={"description": ""})
    assert refused.status_code == 200  # nothing is taken back that was never filled
    gone = world.ask("PATCH", f"/offerings/{one}", token, json={"location": ""})
    assert gone.get_json()["location"] == ""


def test_a_page_completes_a_resource(world: World) -> None:
    one, _ = sync(world)
    path = f"/my-centre/TOOL/offerings/{one}/edit"
    page = world.operator.get(path).text
    assert "What the learning system gives" in page
    assert 'name="title"' not in page
    revision = page.partition('name="revision" value="')[2].partition('"')[0]
    form = {**own_field(world.operator), **FILLED, "topics": "Cybersecurity\nPolicy"}
    form |= {"registration": "direct", "time_zone": "UTC", "revision": revision}
    kept = world.operator.post(path, data=form, headers=OWN)
    assert kept.status_code == 303, kept.text
    shown = world.get(f"/offerings/{one}", world.token()).get_json()
    assert (shown["modality"], shown["topics"]) == ("blended", ["Cybersecurity", "Policy"])
    revision = world.operator.get(path).text.partition('name="revision" value="')[2]
    late = {**form, "starts_at": "soon", "revision": revision.partition('"')[0]}
    wrong = world.operator.post(path, data=late, headers=OWN)
    assert wrong.status_code == 422
    assert "#field-starts_at" in wrong.text
