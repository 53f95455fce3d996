"""Who is new by a centre's token gets an identity of that centre's, never one of the Academy's."""

from __future__ import annotations

import pytest

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.model import EnrolmentStatus
from tests.integration.api.test_registrations import person
from tests.integration.api.world import World, enrol


def register(world: World, token: str, id_: str, **changes: str) -> tuple[int, str]:
    answer = world.post("/offerings/ONE-open/register", token, json=person(id_, **changes))
    body = answer.get_json()
    return answer.status_code, body.get("code") or body["learner"]["id"]


def test_a_new_learner_of_a_centre_is_no_learner_of_the_academy(either: World) -> None:
    centre, academy = either.token(reach=DataScope("ONE")), either.token()
    assert register(either, centre, "L1", email="centre@example.org") == (201, "ONE~L1")
    assert register(either, academy, "L1", email="academy@example.org") == (201, "L1")
    for id_ in ("L1", "ONE~L1"):  # the centre goes on with its own learner
        again = register(either, centre, id_, email="centre@example.org")
        assert again == (409, "enrolment-not-now")


def test_a_learner_of_the_academy_is_registered_by_a_centre(either: World) -> None:
    enrol(either, "FAR-open", "L1", EnrolmentStatus.ENROLLED)
    centre = either.token(reach=DataScope("ONE"))
    assert register(either, centre, "L1") == (201, "L1")


@pytest.mark.parametrize("id_", ["TWO~L1", "ONE~TWO~L1", "x" * 99])
def test_a_centre_makes_no_identity_of_another(world: World, id_: str) -> None:
    status, code = register(world, world.token(reach=DataScope("ONE")), id_)
    assert status == 422
    assert code in ("learner-of-another", "invalid-request")


def test_a_token_of_a_region_does_not_speak_for_the_academy(world: World) -> None:
    token = world.token(reach=DataScope(region=world.bridge.centre("ONE").region))
    assert register(world, token, "L1") == (201, "ONE~L1")


def test_a_group_of_a_centre_has_its_identities(world: World) -> None:
    answer = world.ask(
        "POST",
        "/offerings/ONE-open/group",
        world.token(reach=DataScope("ONE")),
        data="id,email,given_name\nL1,l1@example.org,Ada\n",
        content_type="text/csv",
    )
    (row,) = answer.get_json()["rows"]
    assert row["registration"]["learner"]["id"] == "ONE~L1"
