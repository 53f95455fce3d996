"""Adding webhooks and looking after them, as operators and partners ask for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row

from lms_bridge.addresses import check_address
from lms_bridge.domain.access import EVERYTHING, Reach
from lms_bridge.domain.document import Difference, Json, difference
from lms_bridge.domain.errors import AddressRefused, NotFound, NotNow, Refused
from lms_bridge.domain.events import Event, Webhook
from lms_bridge.secrets import Vault
from lms_bridge.store import centres, deliveries, webhooks
from lms_bridge.store.database import Database
from lms_bridge.sync.auditing import By
from lms_bridge.webhooks import auditing
from lms_bridge.webhooks.signing import new_secret
from lms_bridge.webhooks.telling import add_ping

_log = structlog.get_logger(__name__)
_VISIBLE = re.compile(r"[\x21-\x7e]{1,2000}")
OLD_HOURS, MOST_OLD_HOURS = 24, 24 * 14
"""How long the secret before a new one counts, where nobody says so; and how long at most."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The webhook that somebody asks for."""

    name: str
    address: str
    events: Sequence[Event] = tuple(Event)
    reach: Reach = EVERYTHING
    private_addresses: bool = False


def add_webhook(
    database: Database,
    vault: Vault,
    wish: Wish,
    regions: Sequence[str],
    *,
    by: By,
    private_addresses: bool = False,
    most: int = 0,
) -> tuple[Webhook, str]:
    """A new webhook, and the secret that is shown this once. ``private_addresses``: whether every
    webhook may have them; ``most``: how many ``by`` may have, 0: any number.

    Raises:
        NotFound: there is no such centre or region.
        NotNow: ``by`` has as many as it may have.
        Refused: the address cannot be used, or no event is named.
    """
    if not wish.events:
        raise Refused("no-event", "A webhook needs one event at least.")
    if wish.reach.centre and wish.reach.region:
        raise Refused("two-reaches", "A webhook is for a centre or for a region, not for both.")
    if wish.reach.region and wish.reach.region not in regions:
        raise NotFound(
            "no-such-region", "There is no such region.", f"Known: {', '.join(regions)}."
        )
    _check(wish.address, wish.private_addresses or private_addresses)
    secret = new_secret()
    record = Webhook(
        0,
        wish.name.strip(),
        wish.address,
        frozenset(wish.events),
        wish.reach,
        private_addresses=wish.private_addresses,
        created_at=by.at,
        created_by=by.who,
    )
    with database.writing() as tx:
        if wish.reach.centre and centres.find(tx, wish.reach.centre) is None:
            raise NotFound("no-such-centre", "There is no such centre.", "See `centre list`.")
        if most and webhooks.number_of(tx, by.who) >= most:
            raise NotNow(
                "too-many-webhooks",
                f"{most} webhooks were added with this token, and more are not.",
                "Remove those that nobody needs.",
            )
        made = webhooks.add(tx, record, vault.lock(secret))
        auditing.note(tx, by, "add", None, made)
    _told(made.id, "added", by)
    return made, secret


def _told(number: int, change: str, by: By) -> None:
    _log.info("webhook changed", webhook=number, change=change, by=by.who)


def _check(address: str, private_addresses: bool) -> None:
    if not _VISIBLE.fullmatch(address):
        raise Refused("address-refused", "The address cannot be read.")
    try:
        check_address(address, private_addresses=private_addresses)
    except AddressRefused as error:
        raise Refused("address-refused", error.message, error.remedy) from None


def no_such_webhook() -> NotFound:
    return NotFound("no-such-webhook", "There is no such webhook.")


def find_webhook(
    tx: Connection, number: int, reach: Reach = EVERYTHING, *, lock: bool = False
) -> Webhook:
    """With ``lock`` nobody else changes it before the transaction ends.

    Raises:
        NotFound: there is none of that number within the reach.
    """
    found = webhooks.find(tx, number, reach, lock=lock)
    if found is None:
        raise no_such_webhook()
    return found


def remove_webhook(database: Database, number: int, reach: Reach = EVERYTHING, *, by: By) -> None:
    """Raises NotFound when there is no such webhook."""
    with database.writing() as tx:
        find_webhook(tx, number, reach)
        removed = webhooks.remove(tx, number)
        if removed is None:
            raise no_such_webhook()
        auditing.note(tx, by, "remove", removed, None)
    _told(number, "removed", by)


def enable_webhook(database: Database, number: int, reach: Reach = EVERYTHING, *, by: By) -> None:
    """Lets a webhook that was switched off be told again of what changes from now on.

    Raises:
        NotFound: there is no such webhook.
    """
    with database.writing() as tx:
        before = find_webhook(tx, number, reach, lock=True)
        webhooks.switch_on(tx, number)
        auditing.note(tx, by, "enable", before, find_webhook(tx, number))
    _told(number, "enabled", by)


def renew_secret(
    database: Database,
    vault: Vault,
    number: int,
    reach: Reach = EVERYTHING,
    *,
    by: By,
    hours: int = OLD_HOURS,
) -> tuple[Webhook, str]:
    """Another secret, which is shown this once. For so many hours messages are signed with the one
    before, too, so that the receiver can change over in between.

    Raises:
        NotFound: there is no such webhook.
    """
    secret = new_secret()
    until = by.at + timedelta(hours=min(hours, MOST_OLD_HOURS)) if hours > 0 else None
    with database.writing() as tx:
        before = find_webhook(tx, number, reach, lock=True)
        webhooks.renew_secret(tx, number, vault.lock(secret), until)
        found = find_webhook(tx, number)
        auditing.note(tx, by, "renew", before, found, auditing.SECRET)
    _told(number, "given another secret", by)
    return found, secret


def ping_webhook(database: Database, number: int, at: datetime, reach: Reach = EVERYTHING) -> str:
    """Asks for a trial; gives the id of its message.

    Raises:
        NotFound: there is no such webhook.
        NotNow: it is switched off.
    """
    with database.writing() as tx:
        found = find_webhook(tx, number, reach)
        _check_active(found)
        webhooks.wake(tx, number)
        return add_ping(tx, found, at)


def find_delivery(tx: Connection, number: int, reach: Reach = EVERYTHING) -> Row[Any]:
    """Raises NotFound when there is none of that number within the reach."""
    row = deliveries.find(tx, number)
    if row is None or webhooks.find(tx, row.webhook_id, reach) is None:
        raise NotFound("no-such-delivery", "There is no such delivery.")
    return row


def resend_delivery(database: Database, number: int, reach: Reach = EVERYTHING, *, by: By) -> None:
    """Sends a delivery once more, whatever came of it.

    Raises:
        NotFound: there is no such delivery.
        NotNow: its webhook is switched off.
    """
    with database.writing() as tx:
        row = find_delivery(tx, number, reach)
        found = find_webhook(tx, row.webhook_id, reach)
        _check_active(found)
        deliveries.again(tx, number, by.at)
        webhooks.wake(tx, row.webhook_id)
        auditing.note(tx, by, "resend", found, found, _sent_again(row))


def _sent_again(row: Row[Any]) -> Difference:
    before = {"state": deliveries.state_of(row), "attempts": row.attempts}
    after: dict[str, Json] = {"delivery": row.id, "event": row.event}
    return difference(before, {**after, "state": deliveries.WAITING, "attempts": 0})


def _check_active(webhook: Webhook) -> None:
    if not webhook.active:
        raise NotNow("webhook-off", "The webhook is switched off.", allowed=["enable"])
