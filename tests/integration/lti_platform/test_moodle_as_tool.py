"""What a Moodle 4.5 as a tool was seen to need, beyond what is recorded of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints, storage
from lms_bridge.lti.platform.claims import STAFF
from lms_bridge.lti.platform.launch import start_deep_linking
from lms_bridge.store.tables import learner
from tests.integration.lti_platform.test_moodle_replayed import (
    FORM,
    MOODLE,
    deep_linking_claims,
    form_body,
)
from tests.integration.lti_platform.test_services import result_of
from tests.integration.lti_platform.world import BROWSER, World, form_of

LAUNCH = f"{MOODLE}/enrol/lti/launch.php"


def as_moodle(world: World) -> None:
    world.change_registration(
        target_link_uri=LAUNCH, redirect_uris=(*world.registration.redirect_uris, LAUNCH)
    )


def choose(world: World, *items: dict[str, Any], offering: str = "OFF-1") -> None:
    """The operator picks these items, as Moodle writes them."""
    login = start_deep_linking(world.lti, offering, person="operator", browser=BROWSER)
    form = form_of(world.authenticate(world.auth_request(login)).text)
    data = world.read(form["id_token"])[lti.DEEP_LINKING_SETTINGS]["data"]
    claims = deep_linking_claims(world, data) | {"nonce": f"nonce-{data}"}
    (written,) = claims[lti.CONTENT_ITEMS]
    claims[lti.CONTENT_ITEMS] = [{**written, **item} for item in items]
    body = form_body(JWT=world.tool.sign(claims))
    answer = world.call("POST", world.address + endpoints.DEEP_LINKING, body=body, **FORM)
    assert answer.status_code == 200, answer.text


def course(number: str) -> dict[str, Any]:
    return {"title": f"Course {number}", "custom": {"id": number}}


def column(world: World, launched: dict[str, Any]) -> Any:
    return world.call("GET", launched[lti.AGS_ENDPOINT]["lineitem"]).json()


def test_no_tool_opens_before_a_resource_was_chosen(either_world: World) -> None:
    world = either_world
    as_moodle(world)
    before = world.counts()
    with pytest.raises(LtiRefused) as refused:
        world.start()
    assert refused.value.code == "nothing-chosen"
    assert world.counts() == before
    choose(world, course("desired"))
    launched = world.launch()
    assert launched[lti.CUSTOM]["id"] == "desired"
    assert launched[lti.TARGET_LINK_URI] == LAUNCH


def test_a_chosen_resource_replaces_an_earlier_link(either_world: World) -> None:
    """A launch into a tool without a choice makes a link; it must not stay the one that counts."""
    world = either_world
    bare = world.launch()
    assert "id" not in bare[lti.CUSTOM]
    as_moodle(world)
    choose(world, course("desired"))
    launched = world.launch()
    assert launched[lti.CUSTOM]["id"] == "desired"
    assert launched[lti.RESOURCE_LINK]["id"] == bare[lti.RESOURCE_LINK]["id"]
    assert launched[lti.AGS_ENDPOINT]["lineitem"] == bare[lti.AGS_ENDPOINT]["lineitem"]
    assert column(world, launched)["scoreMaximum"] == 20


def test_a_second_choice_replaces_a_wrong_one(either_world: World) -> None:
    world = either_world
    as_moodle(world)
    choose(world, {**course("wrong"), "lineItem": None})
    wrong = world.launch()
    assert "lineitem" not in wrong[lti.AGS_ENDPOINT]
    choose(world, course("right"), course("second"))
    right = world.launch()
    assert right[lti.CUSTOM]["id"] == "right"
    assert right[lti.RESOURCE_LINK]["id"] == wrong[lti.RESOURCE_LINK]["id"]
    address = f"{right[lti.AGS_ENDPOINT]['lineitem']}/scores"
    assert world.call("POST", address, body=world.score(scoreGiven=0)).status_code == 204
    result = result_of(world)
    assert result.score == 0
    choose(world, course("right"), {**course("second"), "title": "Renamed"})
    with world.bridge.database.reading() as tx:
        rows = storage.resources(tx, offering_id=world.ids["OFF-1"])
    assert [(row.title, row.custom["id"]) for row in rows] == [
        ("Course right", "right"),
        ("Renamed", "second"),
    ]


def test_a_line_item_with_numeric_ids_is_accepted(either_world: World) -> None:
    """Moodle makes a line item where the choice brought none, and looks for it the next time."""
    world = either_world
    as_moodle(world)
    choose(world, {**course("1"), "lineItem": None})
    launched = world.launch()
    address = launched[lti.AGS_ENDPOINT]["lineitems"]
    desired = {
        "label": "Course 1",
        "scoreMaximum": 20,
        "tag": "grade",
        "resourceId": 2,
        "resourceLinkId": launched[lti.RESOURCE_LINK]["id"],
    }
    made = world.call("POST", address, body=desired)
    assert made.status_code == 201, made.text
    assert made.json()["resourceId"] == "2"
    (there,) = world.call("GET", address).json()
    assert there == made.json()
    sent = world.score(scoreGiven="12.50000")
    assert world.call("POST", f"{there['id']}/scores", body=sent).status_code == 204
    result = result_of(world)
    assert str(result.score) == "12.5"


@pytest.mark.parametrize("wrong", [True, 1.5, ["2"], "x" * 256])
def test_a_line_item_with_ids_of_another_type_is_refused(world: World, wrong: object) -> None:
    desired = {"label": "A", "scoreMaximum": 20, "resourceId": wrong}
    address = endpoints.line_items(world.address, world.ids["OFF-1"])
    assert world.call("POST", address, body=desired).status_code == 400


def test_a_missing_name_is_sent_as_a_dash(either_world: World) -> None:
    """Moodle shows the bridge's address for a last name that does not come."""
    world = either_world
    with world.bridge.database.writing() as tx:
        one = learner.c.id == world.ids["acad-1"]
        tx.execute(update(learner).where(one).values(family_name=""))
        other = learner.c.id == world.ids["acad-2"]
        tx.execute(update(learner).where(other).values(given_name=""))
    launched = world.launch()
    assert (launched["given_name"], launched["family_name"]) == ("Fn1", "-")
    assert launched["name"] == "Fn1"
    members = world.call("GET", launched[lti.NRPS_SERVICE]["context_memberships_url"]).json()
    names = [(each["given_name"], each["family_name"]) for each in members["members"]]
    assert names == [("Fn1", "-"), ("-", "Ln2"), ("Fn3", "Ln3")]


def test_no_learner_gets_the_id_of_an_operator(world: World) -> None:
    """Moodle ties a teacher's account to the operator's id: a learner must not come by it."""
    with world.bridge.database.writing() as tx:
        one = learner.c.id == world.ids["acad-1"]
        tx.execute(update(learner).where(one).values(academy_id="operator"))
    login = start_deep_linking(world.lti, "OFF-1", person="operator", browser=BROWSER)
    form = form_of(world.authenticate(world.auth_request(login)).text)
    claims = world.read(form["id_token"])
    assert claims["sub"] == f"{STAFF}operator"
    assert claims["name"] == "Academy Operator"
    assert claims["email"].endswith("@academy.invalid")
    assert world.launch("operator")["sub"] == "operator"
