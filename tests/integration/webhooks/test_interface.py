"""Webhooks by the interface: what a partner can do, and how far it goes."""

from __future__ import annotations

from typing import Any

import pytest

from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.events import NEEDED, Event
from tests.databases import BOTH
from tests.integration.api.world import ALL
from tests.integration.webhooks.world import Post

ADDRESS = "https://lms.example.org/hook"


def add(post: Post, token: str, code: int = 201, **given: Any) -> Any:
    answer = post.world.post("/webhooks", token, json={"address": ADDRESS, **given})
    assert answer.status_code == code, answer.get_json()
    return answer.get_json()


@BOTH
def test_a_webhook_is_added_used_and_removed_through_the_api(post: Post) -> None:
    """The address is one that a partner gives; its receiver is a test's, so it is put in place."""
    world = post.world
    token = world.token(Scope.WEBHOOKS, Scope.READ_OFFERINGS, reach=DataScope("ONE"))
    made = add(post, token, name="ours")
    assert made["secret"].startswith("whsec_")
    assert (made["centre"], made["active"]) == ("ONE", True)
    assert made["events"] == sorted(made["events"])
    kinds = {each.partition(".")[0] for each in made["events"]}
    assert kinds == {"offering", "outline", "report"}  # what the token may read
    path = f"/webhooks/{made['number']}"
    shown = world.get(path, token).get_json()
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert world.get("/webhooks", token).get_json()["items"] == [shown]
    assert "is sent within seconds" in world.post(f"{path}/ping", token).get_json()["message"]
    (line,) = world.get(f"{path}/deliveries", token).get_json()["items"]
    assert (line["event"], line["state"], line["attempts"]) == ("ping", "waiting", 0)
    assert world.post(f"/deliveries/{line['number']}/resend", token).status_code == 200
    assert world.post(f"{path}/enable", token).status_code == 200
    assert world.ask("DELETE", path, token).status_code == 200
    assert world.get(path, token).get_json()["code"] == "no-such-webhook"
    assert world.get(f"{path}/deliveries", token).status_code == 404
    resent = world.post(f"/deliveries/{line['number']}/resend", token)
    assert resent.get_json()["code"] == "no-such-delivery"


def test_the_secret_is_not_kept_in_a_cache(one_post: Post) -> None:
    token = one_post.world.token()
    answer = one_post.world.post("/webhooks", token, json={"address": ADDRESS})
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "address",
    [
        *("http://lms.example.org/", "https://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/"),
        *("https://localhost/", "https://localhost./", "https://a.localhost/", "x"),
        *("https://[::ffff:127.0.0.1]/", "https://2130706433/", "https://100.100.100.200/"),
        *("https://[fd00:ec2::254]/", "https://168.63.129.16/", "https://me:word@example.org/"),
    ],
)
def test_an_unsafe_address_is_refused(one_post: Post, address: str) -> None:
    token = one_post.world.token()
    assert add(one_post, token, 422, address=address)["code"] == "address-refused"


@pytest.mark.parametrize("event", list(Event))
def test_a_webhook_gets_only_events_that_its_token_may_read(one_post: Post, event: Event) -> None:
    others = [scope for scope in ALL if scope is not NEEDED[event]]
    token = one_post.world.token(*others)
    assert add(one_post, token, 403, events=[event])["code"] == "scope-missing"
    assert event not in add(one_post, token)["events"]


def test_a_token_without_a_read_scope_adds_no_webhook(one_post: Post) -> None:
    token = one_post.world.token(Scope.WEBHOOKS)
    assert add(one_post, token, 422)["code"] == "no-event"


def test_a_webhook_reaches_no_further_than_its_token(one_post: Post) -> None:
    world = one_post.world
    one, africa = world.token(reach=DataScope("ONE")), world.token(reach=DataScope(region="africa"))
    whole = world.token()
    assert add(one_post, one, 404, centre="TWO")["code"] == "no-such-centre"
    assert add(one_post, one, 403, region="africa")["code"] == "another-centre"
    assert add(one_post, africa, 404, centre="FAR")["code"] == "no-such-centre"
    assert add(one_post, africa, 403, region="europe")["code"] == "another-centre"
    assert add(one_post, whole, 422, centre="ONE", region="africa")["code"] == "two-reaches"
    assert add(one_post, whole, 404, region="nowhere")["code"] == "no-such-region"
    numbers = {
        "everything": add(one_post, whole)["number"],
        "africa": add(one_post, africa)["number"],
        "two": add(one_post, africa, centre="TWO")["number"],
        "one": add(one_post, one)["number"],
    }

    def seen(token: str) -> set[int]:
        return {each["number"] for each in world.get("/webhooks", token).get_json()["items"]}

    assert seen(whole) == set(numbers.values())
    assert seen(africa) == {numbers["africa"], numbers["two"], numbers["one"]}
    assert seen(one) == {numbers["one"]}


def test_webhooks_are_listed_in_pages(one_post: Post) -> None:
    world = one_post.world
    token = world.token()
    numbers = [add(one_post, token)["number"] for _ in range(5)]
    found, cursor = [], ""
    while cursor is not None:
        page = world.get(f"/webhooks?limit=2&cursor={cursor}", token).get_json()
        found += [each["number"] for each in page["items"]]
        cursor = page["next"]
    assert found == numbers
    for _ in range(5):
        world.post(f"/webhooks/{numbers[0]}/ping", token)
    lines, cursor = [], ""
    while cursor is not None:
        path = f"/webhooks/{numbers[0]}/deliveries?limit=2&cursor={cursor}"
        page = world.get(path, token).get_json()
        lines += [each["number"] for each in page["items"]]
        cursor = page["next"]
    assert lines == sorted(lines, reverse=True)
    assert len(lines) == 5


@BOTH
def test_every_attempt_is_shown(post: Post) -> None:
    world = post.world
    hook = post.add()
    post.receiver.secret = ""
    post.receiver.answers = [500]
    token = world.token()
    assert world.post(f"/webhooks/{hook.id}/ping", token).status_code == 200
    post.go(minutes=1)  # the interface has the real clock
    post.turn()
    post.go(minutes=1)
    post.turn()
    (line,) = world.get(f"/webhooks/{hook.id}/deliveries", token).get_json()["items"]
    assert [(each["status"], each["code"]) for each in line["log"]] == [
        (500, "answered"),
        (204, ""),
    ]
    assert line["log"][0]["at"] < line["log"][1]["at"] == line["delivered_at"]


def test_the_number_of_webhooks_of_one_token_is_bounded(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms_bridge.webhooks.routes.MOST", 2)
    token, other = post.world.token(), post.world.token()
    number = add(post, token)["number"]
    add(post, token)
    assert add(post, token, 409)["code"] == "too-many-webhooks"
    add(post, other)
    assert post.world.ask("DELETE", f"/webhooks/{number}", token).status_code == 200
    add(post, token)
