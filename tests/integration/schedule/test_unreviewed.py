"""Offerings that their centre says are published, and nobody has reviewed here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lms_bridge.domain.lifecycle import AFTER_REVIEW
from lms_bridge.domain.model import EnrolmentStatus
from lms_bridge.domain.policy import OnUnreviewed
from lms_bridge.settings import Settings
from lms_bridge.store import centres, offerings
from tests.integration.api.world import World, enrol, open_world
from tests.integration.schedule.pushing import Centre, row

RULE = "published-unreviewed"


def asking(how: OnUnreviewed) -> Any:
    def change(settings: Settings) -> Settings:
        return replace(settings, policy=replace(settings.policy, unreviewed=how))

    return change


@pytest.fixture
def strict(database_address: str) -> Iterator[World]:
    """A world in which what comes in as published is reviewed first; on either database."""
    made = open_world(database_address, asking(OnUnreviewed.REVIEW))
    yield made
    made.bridge.close()


def pushed(centre: Centre, *rows: dict[str, Any], query: str = "") -> list[list[str]]:
    """Pushes; gives the codes of each row's warnings."""
    answer = centre.push(list(rows), query=query).get_json()
    assert answer["summary"]["refused"] == 0
    return [[each["code"] for each in one["warnings"]] for one in answer["rows"]]


def statuses(centre: Centre) -> dict[str, str]:
    listed = centre.get().get_json()["offerings"]
    return {each["id"]: each["status"] for each in listed if each["id"].startswith("S-")}


def code_of(centre: Centre, number: int) -> str:
    code: str = centre.push([row(number)], query="?dry_run=true").get_json()["rows"][0]["code"]
    return code


def checks(world: World, code: str) -> list[str]:
    found = world.get(f"/offerings/{code}/checks", world.token()).get_json()["findings"]
    return [each["code"] for each in found]


def test_by_default_an_unreviewed_offering_is_applied_with_one_warning(world: World) -> None:
    one = Centre(world)
    assert pushed(one, row(1), query="?dry_run=true") == [[RULE]]
    assert pushed(one, row(1), row(2, status="planned")) == [[RULE], []]
    assert statuses(one) == {"S-1": "published", "S-2": "planned"}
    assert pushed(one, row(1), row(2, status="planned")) == [[], []]
    assert pushed(one, row(1, hours=3), row(2)) == [[], [RULE]]
    assert checks(world, code_of(one, 1)) == [RULE]
    assert checks(world, "ONE-planned") == []


def test_a_new_offering_waits_for_its_review(strict: World) -> None:
    one = Centre(strict)
    assert pushed(one, row(1), row(2, status="cancelled")) == [[RULE], []]
    assert statuses(one) == {"S-1": "planned", "S-2": "cancelled"}
    assert pushed(one, row(1, hours=3)) == [[RULE]]  # as often as it asks for it
    assert statuses(one)["S-1"] == "planned"
    code, token = code_of(one, 1), strict.token()
    for action in ("submit", "review", "publish"):
        answer = strict.post(f"/offerings/{code}/{action}", token)
        assert answer.status_code == 200, answer.get_json()
    assert pushed(one, row(1, hours=4)) == [[]]
    assert statuses(one)["S-1"] == "published"
    assert checks(strict, code) == []


def test_no_status_leads_past_the_review(strict: World) -> None:
    one = Centre(strict)
    pushed(one, *(row(number, status=said) for number, said in enumerate(sorted(AFTER_REVIEW))))
    assert statuses(one) == {f"S-{number}": "planned" for number in range(len(AFTER_REVIEW))}


def test_a_centre_validates_no_report_of_its_own(world: World) -> None:
    """What it pushes as closed releases no certificates, unless it is trusted to review."""
    one = Centre(world)
    pushed(one, row(1, status="closed"))
    with world.bridge.database.reading() as tx:
        code = code_of(one, 1)
        world.ids[code] = offerings.offerings_by_code(tx, [code])[code][0]
    number = enrol(world, code, "L1", EnrolmentStatus.COMPLETED)
    path = f"/registrations/{number}/certify"
    refused = world.post(path, one.token)
    assert refused.get_json()["code"] == "report-not-validated"
    set_policy(world, "ONE", OnUnreviewed.OFF)
    assert world.post(path, one.token).get_json()["status"] == "certified"


def set_policy(world: World, code: str, how: OnUnreviewed) -> None:
    with world.bridge.database.writing() as tx:
        found = centres.find(tx, code)
        assert found is not None
        centres.change(tx, replace(found, policy={"unreviewed": how}))


def test_a_published_offering_stays_published(world: World) -> None:
    one = Centre(world)
    pushed(one, row(1))
    set_policy(world, "ONE", OnUnreviewed.REVIEW)
    assert pushed(one, row(1, hours=3), row(2)) == [[], [RULE]]
    assert statuses(one) == {"S-1": "published", "S-2": "planned"}


def test_a_centres_own_policy_counts(strict: World) -> None:
    set_policy(strict, "TWO", OnUnreviewed.OFF)
    for code, expected in (("ONE", "planned"), ("TWO", "published")):
        centre = Centre(strict, code)
        assert pushed(centre, row(1)) == ([[RULE]] if code == "ONE" else [[]])
        assert statuses(centre) == {"S-1": expected}
    assert checks(strict, code_of(Centre(strict, "TWO"), 1)) == []
