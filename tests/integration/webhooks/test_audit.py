"""Who changed a webhook, by what, and what it was before: kept among the runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from lms_bridge.audit import Subject
from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.events import Event
from lms_bridge.store.api_tables import webhook
from lms_bridge.store.run_tables import run
from lms_bridge.webhooks import storage
from lms_bridge.webhooks.outbox import add_ping
from lms_bridge.webhooks.service import (
    enable_webhook,
    find_webhook,
    ping_webhook,
    remove_webhook,
    renew_secret,
    resend_delivery,
)
from tests.databases import BOTH
from tests.integration.audited import Act, acts, all_that_is_kept
from tests.integration.lti_platform.waiting import until, waits
from tests.integration.webhooks.receiver import Receiver
from tests.integration.webhooks.test_page import OWN
from tests.integration.webhooks.world import Post, open_post
from tests.operators import NAME, own_field

ADDRESS = "https://lms.example.org/hook-of-a-secret-path?key=of-a-secret-query"
PAGE, COMMAND = ("page", NAME), ("command", "test")


def kept(post: Post) -> list[Act]:
    return acts(post.world.bridge.database, Subject.WEBHOOK)


@BOTH
def test_changes_by_the_api_are_audited(post: Post) -> None:
    world = post.world
    token = world.token(reach=DataScope("ONE"))
    by = ("api", f"token {token[5:17]}")
    given = {"name": "Sample of sample@example.org", "address": ADDRESS}
    made = world.post("/webhooks", token, json={**given, "events": ["result.changed"]}).get_json()
    number = made["number"]
    assert world.post(f"/webhooks/{number}/ping", token).status_code == 200
    assert world.post(f"/deliveries/{post.rows()[0].id}/resend", token).status_code == 200
    assert world.post(f"/webhooks/{number}/enable", token).status_code == 200  # nothing new
    renewed = world.post(f"/webhooks/{number}/secret", token, json={"hours": 1}).get_json()
    assert world.ask("DELETE", f"/webhooks/{number}", token).status_code == 200
    added, again, other, removed = kept(post)
    assert added[:2] == ("add", by)
    assert list(added.fields) == [
        *("name", "host", "events", "centre", "private_addresses", "active")
    ]
    assert added.fields["host"] == [None, "lms.example.org"]
    assert added.fields["events"] == [None, ["result.changed"]]
    assert again == ("resend", by, {"delivery": [None, 1], "event": [None, "ping"]})
    assert other == ("renew", by, {"secret": None, "old_until": [None, renewed["old_until"]]})
    assert removed[:2] == ("remove", by)
    assert removed.fields["host"] == ["lms.example.org", None]
    assert removed.fields["old_until"] == [renewed["old_until"], None]
    everything = all_that_is_kept(world.bridge.database)
    for secret in (made["secret"], renewed["secret"], token[18:], "of-a-secret", "sample@"):
        assert secret.removeprefix("whsec_") not in everything
    (listed, *_) = world.get("/runs", token).get_json()["items"]
    items = world.get(f"/runs/{listed['number']}/items", token).get_json()["items"]
    assert (items[0]["action"], items[0]["fields"]["active"]) == ("remove", [True, None])
    stranger = world.token(Scope.READ_OPERATIONS, reach=DataScope("TWO"))
    assert world.get("/runs", stranger).get_json()["items"] == []
    assert world.get(f"/runs/{listed['number']}", stranger).status_code == 404


@BOTH
def test_changes_by_a_command_and_by_the_page_are_audited(post: Post) -> None:
    database, client = post.world.bridge.database, post.world.operator
    hook = post.add(events=[Event.RESULT_CHANGED])
    ping_webhook(database, hook.id, post.now)
    post.turn()
    (row,) = post.rows()
    client.post(f"/webhooks/deliveries/{row.id}/resend", data=own_field(client), headers=OWN)
    with database.writing() as tx:
        storage.switch_off(tx, hook.id, "a test")
    client.post(f"/webhooks/{hook.id}/enable", data=own_field(client), headers=OWN)
    renew_secret(database, post.world.bridge.vault, hook.id, by=post.by(), hours=0)
    remove_webhook(database, hook.id, by=post.by())
    added, again, on, renewed, removed = kept(post)
    assert added[:2] == ("add", COMMAND)
    assert added.fields["private_addresses"] == [None, True]
    assert again[:2] == ("resend", PAGE)
    assert again.fields["state"] == ["delivered", "waiting"]
    assert again.fields["attempts"] == [1, 0]
    assert on == ("enable", PAGE, {"active": [False, True], "reason": ["a test", None]})
    assert renewed == ("renew", COMMAND, {"secret": None})
    assert removed[:2] == ("remove", COMMAND)
    with database.reading() as tx:
        numbers = list(tx.scalars(select(run.c.id).where(run.c.flows == "webhooks")))
    pages = [client.get(f"/runs/{number}").get_data(as_text=True) for number in numbers]
    assert "<dt><code>secret</code></dt><dd>changed</dd>" in pages[3]
    assert "127.0.0.1" in pages[0]
    assert "whsec_" not in "".join(pages)


@BOTH
def test_a_webhook_disabled_by_the_bridge_is_audited(post: Post) -> None:
    hook = post.add()
    post.receiver.answers = [410]
    ping_webhook(post.world.bridge.database, hook.id, post.now)
    post.turn()
    client = post.world.operator
    client.post(f"/webhooks/{hook.id}/enable", data=own_field(client), headers=OWN)
    _, off, on = kept(post)
    assert off[:2] == ("disable", ("clock", ""))
    assert off.fields["active"] == [True, False]
    assert "410" in off.fields["reason"][1]
    assert on[:2] == ("enable", PAGE)
    assert on.fields["failing_since"] == [plain(post.now), None]


@BOTH
def test_a_refused_change_leaves_nothing_in_the_audit(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = post.world.bridge
    hook = post.add(DataScope("ONE"))
    ping_webhook(bridge.database, hook.id, post.now)
    theirs, _ = post.world.made_token(reach=DataScope("TWO"))
    acts_on: tuple[Callable[..., object], ...] = (enable_webhook, remove_webhook, resend_delivery)
    for act in acts_on:
        with pytest.raises(NotFound):
            act(bridge.database, 1, theirs, by=post.by())
    assert [act.action for act in kept(post)] == ["add"]

    def refuse(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("lms_bridge.store.runs.finish_run", refuse)
    with bridge.database.reading() as tx:
        before = tx.execute(select(webhook)).all()
    with pytest.raises(OSError, match="disk"):
        remove_webhook(bridge.database, hook.id, by=post.by())
    with pytest.raises(OSError, match="disk"):
        renew_secret(bridge.database, bridge.vault, hook.id, by=post.by())
    with pytest.raises(OSError, match="disk"):
        post.add()
    with bridge.database.reading() as tx:
        assert tx.execute(select(webhook)).all() == before


@BOTH
def test_the_longest_name_is_audited(post: Post) -> None:
    token = post.world.token()
    given = {"name": "N" * 255, "address": ADDRESS}
    assert post.world.post("/webhooks", token, json=given).status_code == 201
    (added,) = kept(post)
    assert added.fields["name"] == [None, "N" * 255]


def while_it_changes(post: Post, number: int, act: Callable[..., None]) -> None:
    """Does something while another transaction, that is not over, switches the webhook on."""
    database = post.world.bridge.database
    with ThreadPoolExecutor(1) as pool:
        with database.writing() as tx:
            storage.switch_on(tx, number, None)
            other = pool.submit(act, database, number, by=post.by())
            until(lambda: other.done() or waits(database))
        other.result(timeout=120)


def test_simultaneous_changes_are_audited_once(postgres_address: str, receiver: Receiver) -> None:
    post = open_post(postgres_address, receiver)
    hook = post.add()
    with post.world.bridge.database.writing() as tx:
        storage.switch_off(tx, hook.id, "a test")
    while_it_changes(post, hook.id, enable_webhook)
    assert [each.action for each in kept(post)] == ["add"]  # it was on already
    with post.world.bridge.database.writing() as tx:
        storage.switch_off(tx, hook.id, "a test")
    while_it_changes(post, hook.id, remove_webhook)
    added, removed = kept(post)
    assert removed.fields["active"] == [True, None]  # as it was at the end
    assert added.action == "add"
    post.close()


def test_a_test_message_beside_the_removal_neither_stops_it_nor_fails(
    postgres_address: str, receiver: Receiver
) -> None:
    post = open_post(postgres_address, receiver)
    hook, database = post.add(), post.world.bridge.database

    def ping() -> str:
        return ping_webhook(database, hook.id, utc_now())

    with ThreadPoolExecutor(1) as pool:
        with database.writing() as tx:
            assert storage.remove_webhook_row(tx, hook.id)
            late = pool.submit(ping)
            until(lambda: late.done() or waits(database))
        with pytest.raises(NotFound):
            late.result(timeout=120)
        hook = post.add()
        with database.writing() as tx:
            add_ping(tx, find_webhook(tx, hook.id, lock=True), utc_now())
            removal = pool.submit(remove_webhook, database, hook.id, by=post.by())
            until(lambda: removal.done() or waits(database))
        removal.result(timeout=120)
    post.close()
