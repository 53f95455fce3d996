"""The dispatcher works beside another loop of the process."""

from __future__ import annotations

import threading

import pytest
from structlog.testing import capture_logs

from lms_bridge.domain.clock import utc_now
from lms_bridge.webhooks.dispatcher import Dispatcher
from lms_bridge.webhooks.service import ping_webhook
from tests.integration.jobs.playing import PATIENCE
from tests.integration.lti_platform.waiting import until
from tests.integration.webhooks.receiver import Receiver
from tests.integration.webhooks.world import open_post


def test_a_dispatcher_beside_a_worker_delivers(sqlite_address: str, receiver: Receiver) -> None:
    post = open_post(sqlite_address, receiver)
    try:
        hook = post.add()
        with Dispatcher(post.world.bridge).beside():
            ping_webhook(post.world.bridge.database, hook.id, utc_now())
            receiver.wait_for(1)
            until(lambda: post.rows()[0].delivered_at is not None)
        assert "webhook-dispatcher" not in {thread.name for thread in threading.enumerate()}
    finally:
        post.close()


def test_an_error_in_one_turn_ends_no_other(
    sqlite_address: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = open_post(sqlite_address, receiver)
    failed = threading.Event()

    def fail(*_: object) -> int:
        failed.set()
        raise ValueError("a defect")

    try:
        hook = post.add()
        post.change_offering("ONE-open", title="changed")
        with capture_logs() as logged, Dispatcher(post.world.bridge).beside():
            with monkeypatch.context() as patched:
                patched.setattr("lms_bridge.webhooks.dispatcher.fill_outbox", fail)
                assert failed.wait(PATIENCE)
            receiver.wait_for(1)
        assert "webhook dispatch failed" in {line["event"] for line in logged}
        assert post.rows()[0].webhook_id == hook.id
    finally:
        post.close()
