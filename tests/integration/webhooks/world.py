"""What happens between a change and its receiver, with a clock on the wall that tests move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from lms_bridge.audit import COMMAND, Actor
from lms_bridge.domain.access import EVERYTHING, DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.events import Event, Webhook
from lms_bridge.domain.model import EnrolmentStatus, Flow, OfferingStatus
from lms_bridge.reference import reference
from lms_bridge.store import enrolments, offerings
from lms_bridge.store.api_tables import webhook_delivery
from lms_bridge.sync.desired_state import desire_offerings
from lms_bridge.webhooks import storage
from lms_bridge.webhooks.dispatcher import Dispatcher
from lms_bridge.webhooks.service import NewWebhook, add_webhook
from lms_bridge.webhooks.storage import Attempt
from tests.integration.api.world import Change, World, open_world
from tests.integration.webhooks.receiver import Receiver

PATIENCE = 120.0


@dataclass
class Post:
    """A world, its dispatcher, and a receiver."""

    world: World
    receiver: Receiver
    now: datetime = field(default_factory=lambda: utc_now().replace(microsecond=0))
    dispatcher: Dispatcher = field(init=False)

    def __post_init__(self) -> None:
        self.dispatcher = self.new_dispatcher()

    def new_dispatcher(self) -> Dispatcher:
        return Dispatcher(self.world.bridge, lambda: self.now)

    def close(self) -> None:
        self.receiver.gate.set()
        self.dispatcher.close(PATIENCE)
        self.world.bridge.close()

    def go(self, **amount: float) -> None:
        """Time passes for the dispatcher. What it signs would be too old for receivers that check:
        they look at the real clock."""
        self.now += timedelta(**amount)

    def add(
        self,
        reach: DataScope = EVERYTHING,
        events: Sequence[Event] = tuple(Event),
        *,
        path: str = "",
        trusted: bool = True,
    ) -> Webhook:
        """Adds a webhook. Receivers check its signature, unless they are not to trust it."""
        made, secret = add_webhook(
            self.world.bridge.database,
            self.world.bridge.vault,
            NewWebhook(
                "sample", self.receiver.address + path, events, reach, private_addresses=True
            ),
            list(reference().regions),
            by=self.by(),
        )
        self.receiver.secret = secret if trusted else ""
        return made

    def by(self, who: str = "test") -> Actor:
        return Actor(who, COMMAND, self.now)

    def turn(self) -> None:
        """Tells and sends until nothing is due."""
        for _ in range(50):
            self.dispatcher.turn()
            assert self.dispatcher.wait_idle(PATIENCE), "a delivery did not end"
            if not self.due():
                return
        raise AssertionError("there is always something due")

    def due(self) -> list[Row[Any]]:
        return [
            row
            for row in self.rows()
            if row.next_attempt and row.next_attempt <= self.now and self.awake(row.webhook_id)
        ]

    def awake(self, number: int) -> bool:
        hook = self.hook(number)
        return hook.active and (hook.rest_until is None or hook.rest_until <= self.now)

    def attempts(self) -> list[list[Attempt]]:
        """The attempts of each delivery."""
        numbers = [row.id for row in self.rows()]
        with self.world.bridge.database.reading() as tx:
            found = storage.attempts_of(tx, numbers)
        return [found.get(number, []) for number in numbers]

    def rows(self) -> list[Row[Any]]:
        with self.world.bridge.database.reading() as tx:
            return list(tx.execute(select(webhook_delivery).order_by(webhook_delivery.c.id)))

    def hook(self, number: int) -> Webhook:
        with self.world.bridge.database.reading() as tx:
            found = storage.webhook_row(tx, number)
        assert found is not None
        return found

    # ---- what happens at the centres ------------------------------------------------------

    def change_offering(self, code: str, **changes: Any) -> None:
        with self.world.bridge.database.writing() as tx:
            id_, record = offerings.offerings_by_code(tx, [code])[code]
            offerings.change_offerings(tx, {id_: replace(record, **changes)})

    def set_status(self, code: str, status: OfferingStatus) -> None:
        self.change_offering(code, status=status)

    def acknowledge(self, code: str) -> None:
        """The Academy takes an offering into its catalogue."""
        bridge = self.world.bridge
        with bridge.database.writing() as tx:
            id_, record = offerings.offerings_by_code(tx, [code])[code]
            desire_offerings(tx, {id_: record})
        request = bridge.request(bridge.centre(record.centre), (Flow.OFFERINGS,), full=False)
        report = bridge.sending_runner().run(request)
        assert not report.errors

    def change_enrolment(self, number: int, status: EnrolmentStatus) -> None:
        with self.world.bridge.database.writing() as tx:
            record = enrolments.enrolments(tx, [number])[number].record
            enrolments.change_enrolments(tx, {number: replace(record, status=status)})


def open_post(address: str, receiver: Receiver, change: Change = lambda settings: settings) -> Post:
    return Post(open_world(address, change), receiver)
