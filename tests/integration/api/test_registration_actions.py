"""What may be done with a registration is what its ``actions`` say, whatever the offering is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from lms_bridge.domain.lifecycle import EnrolmentAction
from lms_bridge.domain.model import EnrolmentStatus, Modality, OfferingStatus, RegistrationType
from tests.integration.api.world import World, enrol, offering

PAID: dict[str, Any] = {"price": Decimal(10), "currency": "CHF"}
APPLICATION: dict[str, Any] = {"registration": RegistrationType.APPLICATION}
KINDS: dict[str, dict[str, Any]] = {
    "free": {"status": OfferingStatus.CLOSED},
    "full": {**APPLICATION, **PAID, "seats": 0},
    "self-paced": {"modality": Modality.SELF_PACED, "starts_at": None, "ends_at": None},
}
AT_THE_OFFERING = (EnrolmentAction.REGISTER, EnrolmentAction.APPLY)


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_of_a_registration_names_the_possible_actions(world: World, kind: str) -> None:
    code, token = "ONE-any", world.token(per_minute=10_000)
    world.add(replace(offering(code), **KINDS[kind]))
    for each in EnrolmentStatus:
        name, number = "", 0
        for action in EnrolmentAction:
            if not name:  # the last action was carried out; what is refused changes nothing
                name = f"{each}-{action}"
                number = enrol(world, code, name, each)
            possible = world.get(f"/registrations/{number}", token).get_json()["actions"]
            if action in AT_THE_OFFERING:
                person = {"id": name, "given_name": "Given", "family_name": "Family"}
                learner = {**person, "email": f"{name}@example.org"}
                done = world.post(f"/offerings/{code}/{action}", token, json={"learner": learner})
            else:
                done = world.post(f"/registrations/{number}/{action.replace('_', '-')}", token)
            is_done = done.status_code in (200, 201)
            assert is_done is (action in possible), (each, action)
            if done.status_code == 409:
                problem = done.get_json()
                assert problem.get("allowed", possible) == possible, problem
            name = "" if is_done else name
