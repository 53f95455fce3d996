"""A whole schedule ends what it leaves out: as far as that is certain, and not too much at once."""

from __future__ import annotations

from typing import Any

import pytest

from lms_bridge.domain.clock import utc_now
from lms_bridge.store import holds
from tests.integration.api.world import World
from tests.integration.schedule.pushing import Centre, outcomes, row

SEVERAL = [row(number) for number in range(10)]


def decide(world: World, number: int, verdict: str) -> None:
    with world.bridge.database.writing() as tx:
        assert holds.decide(tx, number, verdict, "test", utc_now())


def test_an_omitted_offering_is_ended(either: World) -> None:
    one, two = Centre(either), Centre(either, "TWO")
    two.put([row(1)])
    one.put(SEVERAL)
    answer = one.put(SEVERAL[1:])
    assert {outcome for _, outcome in outcomes(answer)} == {"unchanged"}
    (ended,) = answer.get_json()["ended"]
    assert (ended["id"], ended["outcome"]) == ("S-0", "ended")
    assert one.titles()["Sample course 0"] is False
    # neither what another centre pushed nor what came to this one by other ways
    assert two.titles()["Sample course 1"]
    assert one.titles()["Sample course ONE-open"]
    assert one.put(SEVERAL[1:]).get_json()["ended"] == []


def test_part_of_a_schedule_ends_nothing(world: World) -> None:
    one = Centre(world)
    one.put(SEVERAL)
    assert one.push(SEVERAL[:1]).get_json()["ended"] == []
    assert all(one.titles().values())
    # nor does it take what it names out of what whole schedules know
    assert len(one.put(SEVERAL[1:]).get_json()["ended"]) == 1


def test_too_many_endings_hold_everything_until_they_are_approved(either: World) -> None:
    one = Centre(either)
    one.put(SEVERAL)
    less = [row(0, title="Renamed"), row(1), row("new"), row(2, level="hard")]
    for _ in range(2):  # asking again asks the same question
        answer = one.put(less)
        body = answer.get_json()
        assert outcomes(answer) == [(1, "held"), (2, "unchanged"), (3, "held"), (4, "refused")]
        assert {each["outcome"] for each in body["ended"]} == {"held"}
        assert len(body["ended"]) == 7
        assert f"hold {body['hold']}" in body["summary"]["message"]
        assert "Nothing of it is applied" in body["summary"]["message"]
        assert "Renamed" not in one.titles()
    decide(either, body["hold"], holds.APPROVED)
    approved = one.put(less)
    assert outcomes(approved) == [(1, "updated"), (2, "unchanged"), (3, "created"), (4, "refused")]
    assert {each["outcome"] for each in approved.get_json()["ended"]} == {"ended"}
    assert sum(one.titles().values()) == 3 + 4
    assert one.titles()["Sample course 2"]  # refused rows do not count as left out


def test_an_offering_that_was_kept_by_decision_stays(world: World) -> None:
    one = Centre(world)
    one.put(SEVERAL)
    decide(world, one.put(SEVERAL[:3]).get_json()["hold"], holds.REJECTED)
    answer = one.put([*SEVERAL[:2], row(2, title="Renamed")])
    assert outcomes(answer)[-1] == (3, "updated")
    assert {each["outcome"] for each in answer.get_json()["ended"]} == {"kept"}
    assert all(one.titles().values())


@pytest.mark.parametrize(
    "nameless",
    [{"title": "Nameless"}, row("S-0\ud800"), row("S-0\x00"), row("S" * 300)],
    ids=["none", "half-a-character", "control-character", "too-long"],
)
def test_a_row_without_a_usable_id_ends_nothing(world: World, nameless: dict[str, Any]) -> None:
    one = Centre(world)
    one.put(SEVERAL)
    answer = one.put([nameless, *SEVERAL[2:]])
    assert outcomes(answer)[0] == (1, "refused")
    assert answer.get_json()["ended"] == []
    assert "which offerings they are about: 1." in answer.get_json()["notes"][0]
    assert all(one.titles().values())


def test_an_offering_named_by_its_code_is_not_omitted(world: World) -> None:
    one = Centre(world)
    codes = {each["id"]: each["code"] for each in one.put(SEVERAL).get_json()["rows"]}
    by_code = [{**each, "id": codes[each["id"]]} for each in SEVERAL]
    assert one.put(by_code).get_json()["ended"] == []
    assert one.put(SEVERAL).get_json()["ended"] == []
    assert all(one.titles().values())


def test_a_dry_run_shows_the_hold_and_creates_none(world: World) -> None:
    one = Centre(world)
    one.put(SEVERAL)
    body = one.put(SEVERAL[:1], query="?dry_run=true").get_json()
    assert body["hold"] == 0
    assert len(body["ended"]) == 9
    with world.bridge.database.reading() as tx:
        assert holds.holds(tx) == []


def test_an_empty_schedule_is_held(world: World) -> None:
    one = Centre(world)
    one.put(SEVERAL)
    assert one.put([]).get_json()["hold"]
    assert all(one.titles().values())
