"""Receivers that fail in every way: what is tried again, when, and what it comes to."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.errors import NotFound, NotNow, Refused
from lms_bridge.domain.events import Event
from lms_bridge.settings import Settings
from lms_bridge.store.api_tables import webhook
from lms_bridge.webhooks.dispatcher import MOST_ATTEMPTS, MessageSender
from lms_bridge.webhooks.service import (
    NewWebhook,
    add_webhook,
    enable_webhook,
    ping_webhook,
    remove_webhook,
    resend_delivery,
)
from lms_bridge.webhooks.storage import DEAD, DELIVERED, WAITING, state_of
from tests.databases import BOTH
from tests.integration.lti_platform.waiting import until
from tests.integration.webhooks.receiver import Receiver, receiving
from tests.integration.webhooks.world import Post, open_post


def states(post: Post) -> list[str]:
    return [state_of(row) for row in post.rows()]


def change(post: Post, code: str = "ONE-open", title: str = "changed") -> None:
    post.change_offering(code, title=title)


def test_a_ping_is_delivered_with_a_good_signature(post: Post) -> None:
    hook = post.add()
    message = ping_webhook(post.world.bridge.database, hook.id, post.now)
    post.turn()
    (got,) = post.receiver.got
    assert got.good
    assert got.headers["webhook-id"] == message
    assert got.headers["content-type"] == "application/json"
    assert got.body["type"] == "ping"
    assert got.body["data"] == {"webhook": hook.id}
    assert states(post) == [DELIVERED]


@pytest.mark.parametrize("status", [302, 307, 400, 401, 404, 429, 500, 503])
def test_a_failed_delivery_is_retried_under_the_same_id(one_post: Post, status: int) -> None:
    post = one_post
    post.add()
    post.receiver.headers["Location"] = post.receiver.address + "/elsewhere"
    post.receiver.answers = [status]
    change(post)
    post.turn()
    assert len(post.receiver.got) == 1
    (row,) = post.rows()
    assert (row.status, row.attempts, state_of(row)) == (status, 1, WAITING)
    assert str(status) in row.error
    assert timedelta(seconds=4) <= row.next_attempt - post.now <= timedelta(seconds=6)
    post.go(seconds=6)
    post.turn()
    first, second = post.receiver.got
    assert first.path == second.path  # a redirect is not followed
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.body == second.body
    assert states(post) == [DELIVERED]


def test_retry_after_is_obeyed(one_post: Post) -> None:
    post = one_post
    post.add()
    post.receiver.secret = ""
    post.receiver.answers, post.receiver.headers = [503], {"Retry-After": "900"}
    change(post)
    post.turn()
    post.go(seconds=890)
    post.turn()
    assert len(post.receiver.got) == 1
    post.go(seconds=10)
    post.turn()
    assert states(post) == [DELIVERED]


def test_a_delivery_is_given_up_after_about_three_days(post: Post) -> None:
    post.add()
    database = post.world.bridge.database
    post.receiver.secret = ""  # what is signed later than now is refused by those who check
    post.receiver.answers = [500] * 100
    change(post)
    began = post.now
    for _ in range(MOST_ATTEMPTS):
        post.turn()
        (row,) = post.rows()
        if row.next_attempt is None:
            break
        post.now = row.next_attempt
    assert len(post.receiver.got) == MOST_ATTEMPTS
    assert states(post) == [DEAD]
    assert timedelta(days=2.3) < post.now - began < timedelta(days=3.7)
    post.go(days=1)
    post.turn()
    assert len(post.receiver.got) == MOST_ATTEMPTS
    post.receiver.answers = []
    resend_delivery(database, row.id, by=post.by())
    post.turn()
    assert states(post) == [DELIVERED]
    assert len({each.headers["webhook-id"] for each in post.receiver.got}) == 1


def test_a_webhook_is_disabled_after_days_of_failures(post: Post) -> None:
    hook = post.add()
    post.receiver.secret = ""
    post.receiver.answers = [500] * 200
    for day in range(6):
        change(post, title=f"day {day}")
        post.turn()
        assert post.hook(hook.id).active == (day < 5), day
        post.go(days=1)
    found = post.hook(hook.id)
    assert "5 days" in found.reason
    change(post, title="while it is off")
    before = len(post.rows())
    post.turn()
    assert len(post.rows()) == before
    assert all(row.body["data"]["offering"] == "ONE-open" for row in post.rows())
    with pytest.raises(NotNow):
        ping_webhook(post.world.bridge.database, hook.id, post.now)
    post.receiver.answers = []
    enable_webhook(post.world.bridge.database, hook.id, by=post.by())
    change(post, title="afterwards")
    post.turn()
    assert state_of(post.rows()[-1]) == DELIVERED


def test_failures_long_ago_do_not_count(one_post: Post) -> None:
    """One failure, given up or mended by hand, and another one a month later."""
    post = one_post
    hook = post.add()
    post.receiver.secret = ""
    post.receiver.answers = [500]
    change(post, title="a")
    post.turn()
    post.receiver.answers = [500] * 100
    for _ in range(MOST_ATTEMPTS):
        (row,) = post.rows()
        if row.next_attempt is None:
            break
        post.now = row.next_attempt
        post.turn()
    assert states(post) == [DEAD]
    post.go(days=30)
    change(post, title="b")
    post.turn()
    assert post.hook(hook.id).active


def test_a_success_resets_the_count_of_failures(one_post: Post) -> None:
    post = one_post
    hook = post.add()
    post.receiver.secret = ""
    post.receiver.answers = [500, 204]
    change(post, title="a")
    post.turn()
    assert post.hook(hook.id).failing_since == post.now
    post.go(days=4)
    post.turn()
    assert post.hook(hook.id).failing_since is None


def test_a_410_response_disables_the_webhook(post: Post) -> None:
    hook = post.add()
    post.receiver.answers = [410]
    change(post)
    post.turn()
    assert states(post) == [DEAD]
    found = post.hook(hook.id)
    assert not found.active
    assert "410" in found.reason


def test_a_response_that_is_too_large_is_a_failure(one_post: Post) -> None:
    post = one_post
    post.add()
    post.receiver.answers, post.receiver.size = [200], 100_000
    change(post)
    post.turn()
    (row,) = post.rows()
    assert state_of(row) == WAITING
    assert "more than" in row.error
    assert "hook" not in row.error.replace("webhook", "")  # a path may be as good as a password


def test_a_delivery_without_a_connection_waits(one_post: Post) -> None:
    post = one_post
    with receiving() as gone:
        post.receiver.address = gone.address
        post.add()
    change(post)
    post.turn()
    (row,) = post.rows()
    assert (row.status, row.attempts) == (0, 1)
    assert row.error == "Its server refuses connections."


def quick(settings: Settings) -> Settings:
    return replace(settings, webhooks=replace(settings.webhooks, answer_seconds=0.3))


def test_a_delivery_without_a_response_in_time_waits(
    sqlite_address: str, receiver: Receiver
) -> None:
    post = open_post(sqlite_address, receiver, quick)
    try:
        post.add(path="/slow")
        change(post)
        post.turn()
        (row,) = post.rows()
        assert (state_of(row), row.error) == (WAITING, "No answer in time.")
        receiver.gate.set()
        object.__setattr__(post.world.bridge.settings.webhooks, "answer_seconds", 60.0)
        post.go(seconds=10)
        post.turn()
        assert states(post) == [DELIVERED]
    finally:
        post.close()


def arrived(post: Post, number: int) -> bool:
    post.dispatcher.turn()
    return len(post.receiver.got) >= number


def test_a_slow_receiver_delays_no_other(post: Post) -> None:
    slow = post.add(path="/slow")
    quick_one = post.add()
    post.receiver.secret = ""  # two secrets, and one receiver
    change(post)
    post.dispatcher.turn()
    assert post.receiver.waiting.acquire(timeout=120)
    post.receiver.wait_for(1)
    for number in range(2, 12):
        change(post, title=f"{number}")
        until(partial(arrived, post, number))
    assert {each.path for each in post.receiver.got} == {"/hook"}
    post.receiver.gate.set()
    post.turn()
    reported = [row.webhook_id for row in post.rows() if state_of(row) == DELIVERED]
    assert reported.count(slow.id) == reported.count(quick_one.id) == 11


def test_the_other_deliveries_wait_after_a_failure(one_post: Post) -> None:
    """A receiver that is down gets one knock, and not one for each message that waits."""
    post = one_post
    post.add()
    post.receiver.secret = ""
    post.receiver.answers = [500] * 3
    for code in ("ONE-open", "TWO-open", "FAR-open"):
        change(post, code)
    post.turn()
    assert len(post.receiver.got) == 1
    post.receiver.answers = []
    post.go(seconds=60)
    post.turn()
    assert states(post) == [DELIVERED] * 3


def test_a_kill_between_sending_and_storing_sends_the_same_id_again(post: Post) -> None:
    """What was sent, and not known to be, is sent again under the same id, once it is certain that
    nobody else has it."""
    post.add()
    post.receiver.secret = ""
    change(post)
    database = post.world.bridge.database

    def die(_: object, __: object, statement: str, *___: object) -> None:
        if post.receiver.got:
            raise OperationalError("killed", None, Exception())

    event.listen(database.engine, "before_cursor_execute", die)
    with capture_logs():
        post.dispatcher.turn()
        assert post.dispatcher.wait_idle(120)
    event.remove(database.engine, "before_cursor_execute", die)
    assert len(post.receiver.got) == 1
    post.turn()
    assert len(post.receiver.got) == 1
    post.go(minutes=5)
    post.turn()
    assert states(post) == [DELIVERED]
    first, second = post.receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


@BOTH
def test_two_processes_send_a_message_once(post: Post) -> None:
    post.add()
    other = post.new_dispatcher()
    for number in range(20):
        change(post, title=str(number))
        post.dispatcher.turn()
        other.turn()
    assert post.dispatcher.wait_idle(120)
    assert other.wait_idle(120)
    post.turn()
    other.close(120)
    ids = [each.headers["webhook-id"] for each in post.receiver.got]
    assert len(ids) == len(set(ids)) == len(post.rows())


def test_private_addresses_only_where_they_are_allowed(one_post: Post) -> None:
    post = one_post
    bridge = post.world.bridge

    for address in (
        "http://127.0.0.1/hook",
        "https://127.0.0.1/hook",
        "https://169.254.169.254/latest",
        "https://user:password@example.org/",
        "ftp://example.org/",
        "https://2130706433/",
        "https://example.org/a b",
        "nonsense",
    ):
        with pytest.raises(Refused) as refused:
            add_webhook(
                bridge.database,
                bridge.vault,
                NewWebhook("sample", address),
                [],
                by=post.by(),
            )
        assert refused.value.code == "address-refused"
        assert "password" not in address or "user:" not in str(refused.value)
    # A name that is public today may stand for a private address tomorrow: every delivery looks.
    hook = post.add()
    with bridge.database.writing() as tx:
        tx.execute(webhook.update().values(private_addresses=False))
    for address in (post.receiver.address, post.receiver.address.replace("127.0.0.1", "localhost")):
        with bridge.database.writing() as tx:
            locked = bridge.vault.lock(address.replace("http:", "https:"))
            tx.execute(webhook.update().values(locked_address=locked))
        ping_webhook(bridge.database, hook.id, post.now)
        post.turn()
        assert "must not be reached" in post.rows()[-1].error
    assert post.receiver.got == []


@BOTH
def test_the_secret_is_stored_encrypted(post: Post) -> None:
    hook = post.add()
    database = post.world.bridge.database
    with database.reading() as tx:
        (row,) = tx.execute(webhook.select().where(webhook.c.id == hook.id)).all()
    secret = post.receiver.secret
    assert secret.startswith("whsec_")
    assert secret[6:] not in repr(row)
    assert post.world.bridge.vault.unlock(row.secret) == secret


def test_a_removed_webhook_is_sent_nothing(post: Post) -> None:
    hook = post.add()
    other = post.add(DataScope("TWO"), [Event.OFFERING_CHANGED])
    post.receiver.answers = [500]
    post.receiver.secret = ""
    change(post)
    post.turn()
    remove_webhook(post.world.bridge.database, hook.id, by=post.by())
    post.go(days=1)
    post.turn()
    assert post.rows() == []
    assert post.hook(other.id).active
    with pytest.raises(NotFound):
        remove_webhook(post.world.bridge.database, hook.id, by=post.by())
    with pytest.raises(NotFound):
        resend_delivery(post.world.bridge.database, 1, by=post.by())


def test_old_deliveries_are_deleted(post: Post) -> None:
    post.add()
    post.receiver.secret = ""
    change(post)
    post.turn()
    post.go(days=31)
    post.turn()
    assert post.rows() == []


def test_waits_grow_and_differ(one_post: Post) -> None:
    bridge = one_post.world.bridge
    sender = MessageSender(
        bridge.database,
        bridge.vault,
        bridge.settings.webhooks,
        False,
        lambda: one_post.now,
        random.Random(1),
    )
    waits = [sender.wait_after(number) for number in range(1, MOST_ATTEMPTS)]
    seconds = [wait.total_seconds() for wait in waits if wait is not None]
    assert len(seconds) == MOST_ATTEMPTS - 1
    assert seconds[:7] == sorted(seconds[:7])
    assert max(seconds) <= 21_600 * 1.2
    assert len(set(seconds)) == len(seconds)
    assert sender.wait_after(MOST_ATTEMPTS) is None
