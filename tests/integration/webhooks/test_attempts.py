"""Every attempt leaves a line; and what waits for a webhook does not grow, or cost, without end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import event, func, select

from lms_bridge.store.api_tables import webhook_attempt
from lms_bridge.webhooks import storage
from lms_bridge.webhooks.service import ping_webhook, remove_webhook, resend_delivery
from lms_bridge.webhooks.storage import DELIVERED, WAITING, state_of
from tests.databases import BOTH
from tests.integration.webhooks.receiver import receiving
from tests.integration.webhooks.world import Post


def ping(post: Post, number: int) -> None:
    ping_webhook(post.world.bridge.database, number, post.now)


def test_each_attempt_is_logged(post: Post) -> None:
    hook = post.add()
    post.receiver.secret = ""
    post.receiver.answers = [503, 404]
    ping(post, hook.id)
    times = []
    for _ in range(3):
        post.turn()
        times.append(post.now)
        post.go(minutes=1)
    (attempts,) = post.attempts()
    assert [each.at for each in attempts] == times
    assert [(each.status, each.code) for each in attempts] == [
        (503, "answered"),
        (404, "answered"),
        (204, ""),
    ]
    assert "503" in attempts[0].error
    assert all(0 <= each.milliseconds < 30_000 for each in attempts)


def test_an_attempt_without_a_response_is_logged(one_post: Post) -> None:
    post = one_post
    with receiving() as gone:
        post.receiver.address = gone.address
        hook = post.add()
    ping(post, hook.id)
    post.turn()
    ((attempt,),) = post.attempts()
    assert (attempt.status, attempt.code) == (0, "no-connection")
    assert attempt.error == "Its server refuses connections."


def test_a_resent_delivery_starts_its_count_again(post: Post) -> None:
    """The count begins anew; the lines before stay."""
    hook = post.add()
    ping(post, hook.id)
    post.turn()
    resend_delivery(post.world.bridge.database, post.rows()[0].id, by=post.by())
    post.turn()
    (row,), (attempts,) = post.rows(), post.attempts()
    assert row.attempts == 1
    assert len(attempts) == 2


@BOTH
def test_attempts_are_deleted_with_their_delivery(post: Post) -> None:
    first, second = post.add(), post.add()
    post.receiver.secret = ""
    for hook in (first, second):
        ping(post, hook.id)
    post.turn()
    remove_webhook(post.world.bridge.database, first.id, by=post.by())
    assert lines(post) == 1
    post.go(days=31)
    post.turn()
    assert lines(post) == 0


def lines(post: Post) -> int:
    with post.world.bridge.database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(webhook_attempt)) or 0


@BOTH
def test_a_webhook_removed_during_a_delivery_leaves_nothing(post: Post) -> None:
    post.add(path="/slow")
    post.change_offering("ONE-open", title="changed")
    post.dispatcher.turn()
    assert post.receiver.waiting.acquire(timeout=120)
    remove_webhook(post.world.bridge.database, post.rows()[0].webhook_id, by=post.by())
    post.receiver.gate.set()
    assert post.dispatcher.wait_idle(120)
    assert post.rows() == []
    assert lines(post) == 0


def test_a_resend_during_a_failing_attempt_is_kept(post: Post) -> None:
    """The failure of the attempt that was on its way does not undo the wish."""
    hook = post.add(path="/slow")
    post.receiver.secret = ""
    post.receiver.answers = [500]
    ping(post, hook.id)
    post.dispatcher.turn()
    assert post.receiver.waiting.acquire(timeout=120)
    post.go(seconds=1)
    resend_delivery(post.world.bridge.database, post.rows()[0].id, by=post.by())
    post.receiver.gate.set()
    assert post.dispatcher.wait_idle(120)
    (row,) = post.rows()
    assert (row.next_attempt, row.attempts, state_of(row)) == (post.now, 0, WAITING)
    post.go(minutes=1)
    post.turn()
    (row,), (attempts,) = post.rows(), post.attempts()
    assert state_of(row) == DELIVERED
    assert [each.status for each in attempts] == [500, 204]


def test_a_failure_touches_no_other_delivery(one_post: Post) -> None:
    """However many wait: that they rest is one mark at their webhook."""
    post = one_post
    hook = post.add()
    post.receiver.secret = ""
    post.receiver.answers = [500]
    for _ in range(100):
        ping(post, hook.id)
    written: list[int] = []

    def count(_: object, cursor: object, statement: str, *__: object) -> None:
        if statement.startswith("UPDATE webhook_delivery"):
            written.append(getattr(cursor, "rowcount", 0))

    engine = post.world.bridge.database.engine
    event.listen(engine, "after_cursor_execute", count)
    post.turn()
    event.remove(engine, "after_cursor_execute", count)
    assert written == [1, 1]  # claimed, and failed
    rests = post.hook(hook.id).rest_until
    assert rests is not None
    assert timedelta(seconds=4) <= rests - post.now <= timedelta(seconds=6)


def test_a_ping_wakes_a_resting_webhook(one_post: Post) -> None:
    post = one_post
    hook = post.add()
    post.receiver.secret = ""
    post.receiver.answers = [500] * 3
    for _ in range(3):
        ping(post, hook.id)
        post.turn()
    assert len(post.receiver.got) == 3


def test_deliveries_of_a_disabled_webhook_are_deleted_in_time(post: Post) -> None:
    hook = post.add()
    ping(post, hook.id)
    with post.world.bridge.database.writing() as tx:
        storage.switch_off(tx, hook.id, "a test")
    post.go(days=29)
    post.turn()
    assert len(post.rows()) == 1
    post.go(days=2)
    post.turn()
    assert post.rows() == []


def test_the_dispatcher_reads_few_rows_however_many_wait(one_post: Post) -> None:
    """It comes every second, however many messages wait for a receiver that is down."""
    post = one_post
    post.add()
    database = post.world.bridge.database
    requested: list[tuple[str, tuple[Any, ...]]] = []

    def keep(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        requested.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", keep)
    with database.writing() as tx:
        storage.due_webhooks(tx, post.now)
        storage.claim_delivery(tx, 1, post.now, post.now)
    event.remove(database.engine, "before_cursor_execute", keep)
    assert len(requested) == 2
    for statement, parameters in requested:
        with database.reading() as tx:
            rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        plan = "; ".join(row.detail for row in rows)
        assert "USING INDEX ix_webhook_delivery_due" in plan.replace("COVERING ", "")
        assert "TEMP B-TREE" not in plan
