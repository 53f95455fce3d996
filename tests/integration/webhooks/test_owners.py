"""Whose a webhook is: its share of the threads, its token's end, and what a token may do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from lms_bridge.api.tokens import revoke_token
from lms_bridge.audit import Subject
from lms_bridge.domain.access import EVERYTHING, DataScope, Scope, Token
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.events import NEEDED, Event
from lms_bridge.settings import Settings
from lms_bridge.store.api_tables import webhook
from lms_bridge.webhooks.dispatcher import SHARE
from lms_bridge.webhooks.service import NewWebhook, add_webhook, shown_address
from tests.databases import BOTH
from tests.integration.api.world import ALL
from tests.integration.audited import acts
from tests.integration.lti_platform.waiting import until
from tests.integration.webhooks.receiver import Receiver
from tests.integration.webhooks.test_interface import ADDRESS, add
from tests.integration.webhooks.test_page import OWN, page
from tests.integration.webhooks.world import Post, open_post
from tests.operators import own_field


def add_of(post: Post, token: Token, path: str, reach: DataScope) -> int:
    bridge = post.world.bridge
    new = NewWebhook("", post.receiver.address + path, tuple(Event), reach, True, token_id=token.id)
    made, _ = add_webhook(
        bridge.database, bridge.vault, new, ["africa", "europe"], by=post.by(token.name)
    )
    return made.id


def arrived(post: Post) -> bool:
    post.dispatcher.turn()
    return any(each.path == "/hook/quick" for each in post.receiver.got)


@pytest.mark.parametrize(
    ("reaches", "tokens"),
    [
        ([DataScope("ONE")], 40),  # many tokens of one centre
        ([DataScope("ONE"), DataScope("TWO"), DataScope(region="africa"), EVERYTHING], 1),
        ([DataScope(region="africa")], 40),
    ],
)
def test_slow_receivers_take_no_more_than_their_share(
    reaches: list[DataScope], tokens: int, one_post: Post
) -> None:
    post = one_post
    made = [post.world.made_token()[0] for _ in range(tokens)]
    for each in range(40):
        add_of(post, made[each % tokens], "/slow", reaches[each % len(reaches)])
    add_of(post, post.world.made_token()[0], "/quick", DataScope("FAR"))
    for code in ("ONE-open", "TWO-open", "FAR-open"):
        post.change_offering(code, title="changed")
    until(partial(arrived, post))
    most = post.world.bridge.settings.webhooks.at_once // SHARE
    held = 0
    while post.receiver.waiting.acquire(timeout=0.2):
        held += 1
    assert 0 < held <= most
    post.receiver.gate.set()
    post.turn()
    assert all(row.delivered_at for row in post.rows())


def one_thread(settings: Settings) -> Settings:
    return replace(settings, webhooks=replace(settings.webhooks, at_once=1, answer_seconds=1.0))


def test_with_one_thread_owners_take_turns(sqlite_address: str, receiver: Receiver) -> None:
    post = open_post(sqlite_address, receiver, one_thread)
    try:
        slow, other = post.world.made_token()[0], post.world.made_token()[0]
        for _ in range(50):
            add_of(post, slow, "/slow", DataScope("ONE"))
        add_of(post, other, "/quick", DataScope("FAR"))
        for code in ("ONE-open", "FAR-open"):
            post.change_offering(code, title="changed")
        until(partial(arrived, post))
        waited = 0
        while receiver.waiting.acquire(blocking=False):
            waited += 1
        assert waited <= 3
    finally:
        post.close()


def end_by_hand(post: Post, token: Token) -> str:
    revoke_token(post.world.bridge.database, token.prefix, by=post.by("another"))
    return f"its token {token.prefix} was revoked"


def expire(post: Post, token: Token) -> str:
    post.go(days=2)
    return f"its token {token.prefix} expired"


@BOTH
@pytest.mark.parametrize("end", [end_by_hand, expire])
def test_a_token_that_ends_switches_its_webhooks_off(post: Post, end: Any) -> None:
    token, _ = post.world.made_token(expires_at=utc_now() + timedelta(days=1))
    other, text = post.world.made_token()
    mine = add_of(post, token, "/mine", EVERYTHING)
    theirs = add_of(post, other, "/theirs", EVERYTHING)
    reason = end(post, token)
    post.change_offering("ONE-open", title="changed")
    with capture_logs() as logged:
        post.turn()
    assert [each.path for each in post.receiver.got] == ["/hook/theirs"]
    assert not post.hook(mine).active
    assert post.hook(theirs).active
    (line,) = [each for each in logged if each["event"] == "webhook switched off"]
    assert (line["webhook"], line["reason"]) == (mine, reason)
    act = acts(post.world.bridge.database, Subject.WEBHOOK)[-1]
    assert (act.action, act.fields["reason"][1]) == ("disable", reason)
    shown = post.world.get(f"/webhooks/{mine}", text).get_json()
    assert (shown["active"], shown["reason"]) == (False, reason)
    assert f"because it is switched off: {mine}. {reason}" in page(post)
    # Whoever switches it on again answers for it.
    assert post.world.post(f"/webhooks/{mine}/enable", text).status_code == 200
    post.turn()
    assert post.hook(mine).active
    assert post.hook(mine).token_id == other.id


def test_switching_on_is_lasting_when_its_token_expired_unnoticed(one_post: Post) -> None:
    ended, _ = one_post.world.made_token(expires_at=utc_now() - timedelta(seconds=1))
    other, text = one_post.world.made_token()
    number = add_of(one_post, ended, "/mine", EVERYTHING)
    ping = one_post.world.post(f"/webhooks/{number}/ping", text)
    assert (ping.status_code, ping.get_json()["code"]) == (409, "webhook-off")
    assert one_post.world.post(f"/webhooks/{number}/enable", text).status_code == 200
    one_post.turn()
    assert one_post.hook(number).active
    assert one_post.hook(number).token_id == other.id
    assert one_post.world.post(f"/webhooks/{number}/ping", text).status_code == 200


def test_revoking_on_the_page_switches_webhooks_off_at_once(one_post: Post) -> None:
    token, text = one_post.world.made_token()
    number = add(one_post, text)["number"]
    client = one_post.world.operator
    answer = client.post(f"/tokens/{token.prefix}/revoke", data=own_field(client), headers=OWN)
    assert answer.status_code == 303
    assert "was revoked" in one_post.hook(number).reason


def test_switching_on_what_is_on_changes_no_owner(one_post: Post) -> None:
    hook, token = one_post.add(), one_post.world.token()
    assert one_post.world.post(f"/webhooks/{hook.id}/enable", token).status_code == 200
    assert one_post.hook(hook.id).token_id is None


@pytest.mark.parametrize("event", list(Event))
def test_every_act_needs_the_scopes_of_the_events(one_post: Post, event: Event) -> None:
    world = one_post.world
    hook = one_post.add(events=[event])
    whole = world.token()
    assert world.post(f"/webhooks/{hook.id}/ping", whole).status_code == 200
    number = one_post.rows()[0].id
    less = world.token(*(scope for scope in ALL if scope is not NEEDED[event]))
    path = f"/webhooks/{hook.id}"
    requested: list[tuple[str, str, Any]] = [
        ("GET", path, None),
        ("GET", f"{path}/deliveries", None),
        ("POST", f"{path}/ping", {}),
        ("POST", f"{path}/enable", {}),
        ("POST", f"{path}/secret", {"hours": 0}),
        ("POST", f"/deliveries/{number}/resend", {}),
        ("DELETE", path, None),
    ]
    for method, address, body in requested:
        sent: dict[str, Any] = {} if body is None else {"json": body}
        answer = world.ask(method, address, less, **sent)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "scope-missing")
        assert NEEDED[event] in answer.get_data(as_text=True)
    assert world.get("/webhooks", less).get_json()["items"] == []
    assert [each["number"] for each in world.get("/webhooks", whole).get_json()["items"]] == [1]
    other = world.token(reach=DataScope("TWO"))
    for method, address, body in requested:
        sent = {} if body is None else {"json": body}
        answer = world.ask(method, address, other, **sent)
        assert answer.status_code == 404
    just = world.token(Scope.WEBHOOKS, NEEDED[event])
    assert world.get(path, just).status_code == 200


SECRET = "Abc123Abc123Abc123Abc123"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (ADDRESS, ADDRESS),
        (f"{ADDRESS}?token={SECRET}", f"{ADDRESS}?token=..."),
        (f"{ADDRESS}?a=1&{SECRET}&b=", f"{ADDRESS}?a=...&...&b=..."),
        (
            f"https://hooks.example.org:8443/services/T0/{SECRET}",
            "https://hooks.example.org:8443/services/T0/...",
        ),
        (f"{ADDRESS}#{SECRET}", ADDRESS),
    ],
)
def test_a_shown_address_holds_no_secret(address: str, shown: str) -> None:
    assert shown_address(address) == shown


@BOTH
def test_an_address_is_stored_locked_and_shown_without_its_secrets(post: Post) -> None:
    token = post.world.token()
    address = f"{ADDRESS}?token={SECRET}"
    made = add(post, token, address=address)
    assert made["address"] == f"{ADDRESS}?token=..."
    with post.world.bridge.database.reading() as tx:
        (row,) = tx.execute(webhook.select()).all()
    assert SECRET not in repr(row)
    assert post.world.bridge.vault.unlock(row.locked_address) == address
    for path in ("/webhooks", f"/webhooks/{made['number']}"):
        assert SECRET not in post.world.get(path, token).get_data(as_text=True)
    assert SECRET not in page(post)


def test_the_whole_address_is_sent_to(one_post: Post) -> None:
    one_post.add(path=f"/{SECRET}?token={SECRET}")
    one_post.change_offering("ONE-open", title="changed")
    one_post.turn()
    assert [each.path for each in one_post.receiver.got] == [f"/hook/{SECRET}?token={SECRET}"]
