"""Sends due deliveries to webhooks: change -> outbox entry -> delivery -> attempt.

Every second the dispatcher turns outbox entries into deliveries (``outbox.fill_outbox``). It starts
a sender for each webhook with a due delivery, and stores the outcome of each attempt.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.audit import CLOCK, Actor
from lms_bridge.bridge import Bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import BridgeError, RetryLater
from lms_bridge.domain.events import Webhook
from lms_bridge.domain.ports import Limits
from lms_bridge.http.client import Http, retry_after
from lms_bridge.logs import LastingFailure
from lms_bridge.secrets import Vault
from lms_bridge.settings import WebhooksSettings
from lms_bridge.signing import signed_headers
from lms_bridge.store import outbox
from lms_bridge.store.database import Database
from lms_bridge.store.failures import failure_code
from lms_bridge.webhooks import storage
from lms_bridge.webhooks.outbox import fill_outbox
from lms_bridge.webhooks.service import record_change, switch_off_without_token
from lms_bridge.webhooks.storage import Attempt, Delivery
from lms_bridge.worker_pool import WorkerPool

_log = structlog.get_logger(__name__)
MOST = 50
"""Messages that are sent to one webhook before others may have their turn."""
TURN_SECONDS = 10.0
"""After so long it is the others' turn, too."""
SHARE = 8
"""A centre, a region or a token has one of so many parts of ``webhooks.at_once``, at least one."""
CONNECT_SECONDS = 5.0
MOST_ATTEMPTS = 20
FIRST_SECONDS, FACTOR, LONGEST_SECONDS = 5.0, 3.0, 21_600.0
"""The waits between attempts: 5 seconds, then three times as long each time, up to 6 hours. With
twenty attempts the last one comes some three days after the first."""
JITTER = 0.2
REST_SECONDS = 60.0
"""After a failure the webhook's other messages wait so long at most."""
MOST_BYTES = 64 * 1024
_ANY_STATUS = range(300, 600)
ANSWERED = "answered"
"""The code of a failure with a response; its status says which failure."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """``status`` is 0 without a response; ``after`` is the receiver's Retry-After in seconds;
    ``code`` is the kind of failure."""

    status: int = 0
    code: str = ""
    error: str = ""
    after: float = 0.0

    @property
    def gone(self) -> bool:
        return self.status == HTTPStatus.GONE


@dataclass(frozen=True, slots=True)
class MessageSender:
    """Delivers what is due. ``private_addresses`` allows them to every webhook."""

    database: Database
    vault: Vault
    settings: WebhooksSettings
    private_addresses: bool
    now: Callable[[], datetime]
    jitter: random.Random = field(default_factory=random.SystemRandom)

    def deliver(self, number: int) -> None:
        """Sends what is due to a webhook, until something fails: then the others wait a little."""
        with self.database.reading() as tx:
            webhook = storage.webhook_row(tx, number)
        if webhook is None:
            return
        client = Http(
            self._limits(),
            private_addresses=self.private_addresses or webhook.private_addresses,
            system=f"webhook {number}",
        )
        end = time.monotonic() + TURN_SECONDS
        try:
            for _ in range(MOST):
                if not self._send_next(client, number) or time.monotonic() > end:
                    return
        finally:
            client.close()

    def _send_next(self, client: Http, number: int) -> bool:
        """Returns whether another message may be sent."""
        now = self.now()
        with self.database.writing() as tx:
            webhook = storage.webhook_row(tx, number)
            if webhook is None or not webhook.active:
                return False
            locked = storage.locked_parts(tx, number, now)
            delivery = storage.claim_delivery(tx, number, now, now + self._claim_time())
        if delivery is None:
            return False
        began = time.monotonic()
        outcome = self._send(client, locked, delivery)
        took = round((time.monotonic() - began) * 1000)
        return self._store_attempt(webhook, delivery, outcome, took)

    def _limits(self) -> Limits:
        return Limits(
            calls_at_once=1,
            connect_seconds=CONNECT_SECONDS,
            read_seconds=self.settings.answer_seconds,
            total_seconds=self._total_seconds(),
            attempts=1,
            break_after=MOST + 1,  # what fails is remembered in the database
            most_bytes=MOST_BYTES,
        )

    def _total_seconds(self) -> float:
        return CONNECT_SECONDS + self.settings.answer_seconds

    def _claim_time(self) -> timedelta:
        """Longer than an attempt can take."""
        return timedelta(seconds=60 + self._total_seconds())

    def _send(self, client: Http, locked: storage.Locked, delivery: Delivery) -> _Outcome:
        body = orjson.dumps(delivery.body)
        sent_at = self.now()
        try:
            secrets = [self.vault.unlock(each) for each in locked.secrets]
            seconds = int(sent_at.timestamp())
            headers = signed_headers(secrets, delivery.message, seconds, body)
            headers["Content-Type"] = "application/json"
            answer = client.request(
                "POST",
                self.vault.unlock(locked.address),
                headers=headers,
                body=body,
                repeatable=False,
                returns=_ANY_STATUS,
            )
        except RetryLater as error:
            return _Outcome(0, error.code, _said(error), error.after or 0.0)
        except BridgeError as error:
            return _Outcome(0, error.code, _said(error))
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return _Outcome(answer.status)
        after = retry_after(answer.headers.get("Retry-After", ""), sent_at) or 0.0
        return _Outcome(answer.status, ANSWERED, _meaning(answer.status), after)

    def _store_attempt(
        self, webhook: Webhook, delivery: Delivery, outcome: _Outcome, took: int
    ) -> bool:
        """Stores the outcome of an attempt. Returns whether the next message may be sent."""
        now = self.now()
        attempt = Attempt(now, took, outcome.status, outcome.code, outcome.error)
        with self.database.writing() as tx:
            if not outcome.error:
                storage.note_arrived(tx, delivery, attempt)
                storage.got_through(tx, webhook.id)
                return True
            wait = self.wait_after(delivery.attempts + 1, outcome.after)
            given_up = outcome.gone or wait is None
            again_at = None if wait is None or outcome.gone else now + wait
            storage.note_failed(tx, delivery, attempt, again_at)
            rest = timedelta(seconds=REST_SECONDS)
            found = storage.webhook_row(tx, webhook.id, lock=True) or webhook
            since = found.failing_since
            first = not (delivery.attempts or storage.others_failing(tx, delivery))
            if since is None or first:  # a failure long ago says nothing of the time between
                since = now
            rest_until = now + (rest if wait is None else min(wait, rest))
            storage.note_failing(tx, webhook.id, since, rest_until)
            reason = self._reason_to_end(outcome, since, now)
            if reason:
                storage.switch_off(tx, webhook.id, reason)
                off = storage.webhook_row(tx, webhook.id)
                if off is not None and found.active:
                    record_change(tx, Actor("", CLOCK, now), "disable", found, off)
        _log.info(
            "webhook failed",
            webhook=webhook.id,
            delivery=delivery.id,
            attempt=delivery.attempts + 1,
            status=outcome.status,
            given_up=given_up,
        )
        if reason:
            _log.warning("webhook switched off", webhook=webhook.id)
        return False

    def wait_after(self, attempts: int, requested: float = 0.0) -> timedelta | None:
        """The time until the next attempt, after so many failed; None: it is given up."""
        if attempts >= MOST_ATTEMPTS:
            return None
        seconds = min(LONGEST_SECONDS, FIRST_SECONDS * FACTOR ** (attempts - 1))
        seconds *= self.jitter.uniform(1 - JITTER, 1 + JITTER)
        return timedelta(seconds=max(seconds, min(requested, LONGEST_SECONDS)))

    def _reason_to_end(self, outcome: _Outcome, since: datetime, now: datetime) -> str:
        if outcome.gone:
            return "the receiver says that it is gone (status 410)"
        days = self.settings.disable_days
        if days and now - since >= timedelta(days=days):
            return f"nothing got through for {days:g} days"
        return ""


def _said(error: BridgeError) -> str:
    """What an error says, without the path: with some receivers that is as good as a password."""
    before, mark, after = error.message.partition(": ")
    return f"{after[:1].upper()}{after[1:]}" if mark else before


def _meaning(status: int) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return f"The receiver redirects elsewhere (status {status}): that is not followed."
    return f"The receiver answered with status {status}."


LOOK_SECONDS = 1
"""How often changes and requested runs are looked for."""
MOST_FILLS = 20
"""Transactions per turn that fill the outbox: the scheduler has other work, too."""
PURGE = timedelta(hours=1)


class Dispatcher:
    """Each webhook has a thread of its own while something is sent to it, so that a slow one
    delays no other. One centre, region or token never has more than its share of the threads.
    Safe in several processes at once: what is claimed is sent by one alone."""

    def __init__(self, bridge: Bridge, now: Callable[[], datetime] = utc_now) -> None:
        settings = bridge.settings.webhooks
        self._database = bridge.database
        self._keep = timedelta(days=settings.keep_days)
        self._now = now
        self._pool = WorkerPool(settings.at_once, max(1, settings.at_once // SHARE))
        self._purged: datetime | None = None
        self._away = LastingFailure(
            _log, "webhooks without database", "webhooks have the database again"
        )
        self._sender = MessageSender(
            bridge.database,
            bridge.vault,
            settings,
            bridge.settings.network.private_addresses,
            now,
        )

    def turn(self) -> None:
        """Turns changes into deliveries and starts to send what is due. A database error is logged;
        the next turn tries again."""
        try:
            switch_off_without_token(self._database, by=Actor("", CLOCK, self._now()))
            with self._database.reading() as tx:
                waiting = outbox.any_entries(tx)
            for _ in range(MOST_FILLS):
                if not waiting:
                    break
                with self._database.writing() as tx:
                    waiting = fill_outbox(tx, self._now()) > 0
            with self._database.reading() as tx:
                due = storage.due_webhooks(tx, self._now())
            self._purge()
        except SQLAlchemyError as error:
            self._away.failed(failure_code(error))
            return
        self._away.works()
        for each in due:
            key = f"webhook {each.id}"
            self._pool.add(key, key, partial(self._sender.deliver, each.id), each.owners)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Runs in its own thread while the block lasts."""
        stopped = threading.Event()

        def work() -> None:
            while not stopped.wait(LOOK_SECONDS):
                try:
                    self.turn()
                except Exception as error:  # one bad turn must not end the loop
                    _log.error("webhook dispatch failed", error=type(error).__name__)

        thread = threading.Thread(target=work, name="webhook-dispatcher", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join(LOOK_SECONDS)
            self.close()

    def wait_idle(self, seconds: float) -> bool:
        """Waits for started deliveries; False when they last longer than so many seconds."""
        return self._pool.wait_idle(seconds)

    def close(self, seconds: float = 0.0) -> None:
        """Starts nothing more. The next process claims what was cut off."""
        self._pool.close(seconds)

    def _purge(self) -> None:
        now = self._now()
        if self._purged is None or now - self._purged >= PURGE:
            self._purged = now
            with self._database.writing() as tx:
                storage.purge_deliveries(tx, now - self._keep)
