"""Sending what is due to one webhook, one message after the other, and keeping what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus

import orjson
import structlog

from lms_bridge.domain.errors import BridgeError, RetryLater
from lms_bridge.domain.events import Webhook
from lms_bridge.domain.ports import Limits
from lms_bridge.http import Http, retry_after
from lms_bridge.secrets import Vault
from lms_bridge.settings import Webhooks
from lms_bridge.store import deliveries, webhooks
from lms_bridge.store.database import Database
from lms_bridge.store.deliveries import Attempt, Delivery
from lms_bridge.sync.auditing import CLOCK, By
from lms_bridge.webhooks import auditing
from lms_bridge.webhooks.signing import signed_headers

_log = structlog.get_logger(__name__)
MOST = 50
"""Messages that are sent to one webhook before others may have their turn."""
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
"""The code of a failure that the receiver told of: its status says which."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """``status`` is 0 where nothing was answered; ``after`` the seconds that were asked for;
    ``code`` what kind of failure it was."""

    status: int = 0
    code: str = ""
    error: str = ""
    after: float = 0.0

    @property
    def gone(self) -> bool:
        return self.status == HTTPStatus.GONE


@dataclass(frozen=True, slots=True)
class Postman:
    """Delivers what is due. ``private_addresses`` allows them to every webhook."""

    database: Database
    vault: Vault
    settings: Webhooks
    private_addresses: bool
    now: Callable[[], datetime]
    jitter: random.Random = field(default_factory=random.SystemRandom)

    def deliver(self, number: int) -> None:
        """Sends what is due to a webhook, until something fails: then the others wait a little."""
        with self.database.reading() as tx:
            webhook = webhooks.find(tx, number)
            locked = webhooks.secrets_of(tx, number, self.now())
        if webhook is None or not webhook.active:
            return
        client = Http(
            self._limits(),
            private_addresses=self.private_addresses or webhook.private_addresses,
            system=f"webhook {number}",
        )
        try:
            for _ in range(MOST):
                now = self.now()
                with self.database.writing() as tx:
                    delivery = deliveries.claim(tx, number, now, now + self._claim_time())
                if delivery is None:
                    return
                began = time.monotonic()
                outcome = self._send(client, webhook, locked, delivery)
                took = round((time.monotonic() - began) * 1000)
                if not self._keep(webhook, delivery, outcome, took):
                    return
        finally:
            client.close()

    def _limits(self) -> Limits:
        return Limits(
            calls_at_once=1,
            read_seconds=self.settings.answer_seconds,
            attempts=1,
            break_after=MOST + 1,  # what fails is remembered in the database
            most_bytes=MOST_BYTES,
        )

    def _claim_time(self) -> timedelta:
        # Longer than an attempt can take: a name with several addresses, an answer that trickles.
        return timedelta(seconds=60 + 6 * self.settings.answer_seconds)

    def _send(
        self, client: Http, webhook: Webhook, locked: Sequence[bytes], delivery: Delivery
    ) -> _Outcome:
        body = orjson.dumps(delivery.body)
        sent_at = self.now()
        try:
            secrets = [self.vault.unlock(each) for each in locked]
            seconds = int(sent_at.timestamp())
            headers = signed_headers(secrets, delivery.message, seconds, body)
            headers["Content-Type"] = "application/json"
            answer = client.request(
                "POST",
                webhook.address,
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

    def _keep(self, webhook: Webhook, delivery: Delivery, outcome: _Outcome, took: int) -> bool:
        """Keeps what came of an attempt, which took so many milliseconds; whether the next message
        may be sent."""
        now = self.now()
        attempt = Attempt(now, took, outcome.status, outcome.code, outcome.error)
        with self.database.writing() as tx:
            if not outcome.error:
                deliveries.arrived(tx, delivery, attempt)
                webhooks.got_through(tx, webhook.id)
                return True
            wait = self.wait_after(delivery.attempts + 1, outcome.after)
            given_up = outcome.gone or wait is None
            again_at = None if wait is None or outcome.gone else now + wait
            deliveries.failed(tx, delivery, attempt, again_at)
            rest = timedelta(seconds=REST_SECONDS)
            found = webhooks.find(tx, webhook.id, lock=True) or webhook
            since = found.failing_since
            first = not (delivery.attempts or deliveries.others_failing(tx, delivery))
            if since is None or first:  # a failure long ago says nothing of the time between
                since = now
            rest_until = now + (rest if wait is None else min(wait, rest))
            webhooks.note_failing(tx, webhook.id, since, rest_until)
            reason = self._reason_to_end(outcome, since, now)
            if reason:
                webhooks.switch_off(tx, webhook.id, reason)
                off = webhooks.find(tx, webhook.id)
                if off is not None and found.active:
                    auditing.note(tx, By("", CLOCK, now), "disable", found, off)
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

    def wait_after(self, attempts: int, asked: float = 0.0) -> timedelta | None:
        """The time until the next attempt, after so many failed; None: it is given up."""
        if attempts >= MOST_ATTEMPTS:
            return None
        seconds = min(LONGEST_SECONDS, FIRST_SECONDS * FACTOR ** (attempts - 1))
        seconds *= self.jitter.uniform(1 - JITTER, 1 + JITTER)
        return timedelta(seconds=max(seconds, min(asked, LONGEST_SECONDS)))

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
