"""What happens between a change and its receiver, with a clock on the wall that tests move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from lms_bridge.domain.access import EVERYTHING, Reach
from lms_bridge.domain.events import Event, Webhook
from lms_bridge.domain.model import EnrolmentStatus, OfferingStatus
from lms_bridge.jobs.courier import Courier
from lms_bridge.reference import reference
from lms_bridge.store import deliveries, enrolments, offerings, webhooks
from lms_bridge.store.api_tables import webhook_delivery
from lms_bridge.store.deliveries import Attempt
from lms_bridge.sync.auditing import COMMAND, By
from lms_bridge.sync.work import utc_now
from lms_bridge.webhooks.keeping import Wish, add_webhook
from tests.integration.api.world import Change, World, open_world
from tests.integration.webhooks.receiver import Receiver

PATIENCE = 30.0


@dataclass
class Post:
    """A world, its courier, and a receiver."""

    world: World
    receiver: Receiver
    now: datetime = field(default_factory=lambda: utc_now().replace(microsecond=0))
    courier: Courier = field(init=False)

    def __post_init__(self) -> None:
        self.courier = self.new_courier()

    def new_courier(self) -> Courier:
        return Courier(self.world.bridge, lambda: self.now)

    def close(self) -> None:
        self.receiver.gate.set()
        self.courier.close(PATIENCE)
        self.world.bridge.close()

    def go(self, **amount: float) -> None:
        """Time passes for the courier. What it signs would be too old for receivers that check:
        they look at the real clock."""
        self.now += timedelta(**amount)

    def add(
        self,
        reach: Reach = EVERYTHING,
        events: Sequence[Event] = tuple(Event),
        *,
        path: str = "",
        trusted: bool = True,
    ) -> Webhook:
        """Adds a webhook. Receivers check its signature, unless they are not to trust it."""
        made, secret = add_webhook(
            self.world.bridge.database,
            self.world.bridge.vault,
            Wish("sample", self.receiver.address + path, events, reach, private_addresses=True),
            list(reference().regions),
            by=self.by(),
        )
        self.receiver.secret = secret if trusted else ""
        return made

    def by(self, who: str = "test") -> By:
        return By(who, COMMAND, self.now)

    def turn(self) -> None:
        """Tells and sends until nothing is due."""
        for _ in range(50):
            self.courier.turn()
            assert self.courier.wait_idle(PATIENCE), "a delivery did not end"
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
            found = deliveries.attempts_of(tx, numbers)
        return [found.get(number, []) for number in numbers]

    def rows(self) -> list[Row[Any]]:
        with self.world.bridge.database.reading() as tx:
            return list(tx.execute(select(webhook_delivery).order_by(webhook_delivery.c.id)))

    def hook(self, number: int) -> Webhook:
        with self.world.bridge.database.reading() as tx:
            found = webhooks.find(tx, number)
        assert found is not None
        return found

    # ---- what happens at the centres ------------------------------------------------------

    def change_offering(self, code: str, **changes: Any) -> None:
        with self.world.bridge.database.writing() as tx:
            id_, record = offerings.offerings_by_code(tx, [code])[code]
            offerings.change_offerings(tx, {id_: replace(record, **changes)})

    def set_status(self, code: str, status: OfferingStatus) -> None:
        self.change_offering(code, status=status)

    def change_enrolment(self, number: int, status: EnrolmentStatus) -> None:
        with self.world.bridge.database.writing() as tx:
            record = enrolments.enrolments(tx, [number])[number].record
            enrolments.change_enrolments(tx, {number: replace(record, status=status)})


def open_post(address: str, receiver: Receiver, change: Change = lambda settings: settings) -> Post:
    return Post(open_world(address, change), receiver)
