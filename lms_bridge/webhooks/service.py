"""What operators and partners do with webhooks: add, remove, enable, renew, ping, resend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import structlog
from sqlalchemy import Connection, Row

from lms_bridge.audit import Actor, Change, Fields, Subject, changed_fields, record
from lms_bridge.domain.access import EVERYTHING, DataScope, Token, check_reach
from lms_bridge.domain.document import Difference, Json, difference, plain
from lms_bridge.domain.errors import AddressRefused, NotFound, NotNow, Refused
from lms_bridge.domain.events import Event, Webhook, scopes_for
from lms_bridge.http.address_guard import check_address
from lms_bridge.logs import redacted_text
from lms_bridge.schemas.characters import visible
from lms_bridge.secrets import Vault
from lms_bridge.signing import new_secret
from lms_bridge.store import centres
from lms_bridge.store.database import Database
from lms_bridge.webhooks import storage
from lms_bridge.webhooks.outbox import add_ping

_log = structlog.get_logger(__name__)
_VISIBLE = re.compile(r"[\x21-\x7e]{1,2000}")
_RANDOM = re.compile(r"(?=.*\d)[\w~.%+=-]{16,}", re.ASCII)
HIDDEN = "..."
"""What stands in a shown address for a part that may be a secret."""
OLD_HOURS, MOST_OLD_HOURS = 24, 24 * 14
"""How long an old secret stays valid: the default, and the maximum."""


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """The fields of a new webhook. ``token_id``: the token that adds it, if it is one."""

    name: str
    address: str
    events: Sequence[Event] = tuple(Event)
    reach: DataScope = EVERYTHING
    private_addresses: bool = False
    token_id: int | None = None


def add_webhook(
    database: Database,
    vault: Vault,
    new: NewWebhook,
    regions: Sequence[str],
    *,
    by: Actor,
    private_addresses: bool = False,
    most: int = 0,
) -> tuple[Webhook, str]:
    """A new webhook, and the secret that is shown this once. ``private_addresses``: whether every
    webhook may have them; ``most``: how many a token may have, 0: any number.

    Raises:
        NotFound: there is no such centre or region.
        NotNow: the token has as many as it may have.
        Refused: the address cannot be used, or no event is named.
    """
    if not new.events:
        raise Refused("no-event", "A webhook needs one event at least.")
    _check(new.address, new.private_addresses or private_addresses)
    secret = new_secret()
    webhook = Webhook(
        0,
        visible(new.name).strip(),
        shown_address(new.address),
        frozenset(new.events),
        new.reach,
        private_addresses=new.private_addresses,
        created_at=by.at,
        created_by=by.name,
        token_id=new.token_id,
    )
    with database.writing() as tx:
        known = centres.find(tx, new.reach.centre) is not None
        check_reach(new.reach, "A webhook", regions, centre_known=known)
        if most and storage.number_of(tx, new.token_id) >= most:
            raise NotNow(
                "too-many-webhooks",
                f"{most} webhooks depend on this token, and more may not.",
                "Remove those that nobody needs.",
            )
        made = storage.add_webhook_row(tx, webhook, vault.lock(new.address), vault.lock(secret))
        record_change(tx, by, "add", None, made)
    _log_change(made.id, "added", by)
    return made, secret


def record_change(
    tx: Connection,
    by: Actor,
    action: str,
    before: Webhook | None,
    after: Webhook | None,
    more: Fields | None = None,
) -> None:
    """Records a change of a webhook in the audit, with ``more`` fields than its own. ``before`` is
    None for a new webhook, ``after`` for a removed one."""
    webhook = after or before
    if webhook is None:
        return
    name = f"{webhook.id} {redacted_text(webhook.name) or _host(webhook)}"
    fields = {**(more or {}), **changed_fields(_audited(before), _audited(after))}
    record(tx, by, Change(Subject.WEBHOOK, action, webhook.id, name, fields, webhook.reach.centre))


def _audited(webhook: Webhook | None) -> dict[str, Json]:
    if webhook is None:
        return {}
    return {
        "name": redacted_text(webhook.name),
        "host": _host(webhook),
        "events": plain(sorted(webhook.events)),
        "centre": webhook.reach.centre,
        "region": webhook.reach.region,
        "private_addresses": webhook.private_addresses,
        "active": webhook.active,
        "reason": webhook.reason,
        "failing_since": plain(webhook.failing_since),
        "old_until": plain(webhook.old_until),
    }


def _host(webhook: Webhook) -> str:
    """All of the address that is recorded: a path or a query may be as good as a password."""
    return urlsplit(webhook.address).hostname or ""


def _log_change(number: int, change: str, by: Actor) -> None:
    _log.info("webhook changed", webhook=number, change=change, by=by.name)


def shown_address(address: str) -> str:
    """An address without what may be a secret in it: the values of its query, and long parts of its
    path that look random."""
    parts = urlsplit(address)
    path = "/".join(HIDDEN if _RANDOM.fullmatch(each) else each for each in parts.path.split("/"))
    query = "&".join(_shown_pair(each) for each in parts.query.split("&")) if parts.query else ""
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _shown_pair(pair: str) -> str:
    name, mark, _ = pair.partition("=")
    return f"{name}={HIDDEN}" if mark else HIDDEN


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
    tx: Connection, number: int, token: Token | None = None, *, lock: bool = False
) -> Webhook:
    """A webhook that a token may act on; without a token, any. With ``lock`` nobody else changes it
    before the transaction ends.

    Raises:
        NotFound: there is none of that number within the token's reach.
        Refused: the token may not read the events of the webhook.
    """
    reach = token.reach if token else EVERYTHING
    found = storage.webhook_row(tx, number, reach, lock=lock)
    if found is None:
        raise no_such_webhook()
    missing = scopes_for(found.events) - token.scopes if token else ()
    if missing:
        raise Refused(
            "scope-missing",
            f"Webhook {number} has events that this token may not read.",
            f"Use a token that also has {', '.join(sorted(missing))}.",
        )
    return found


def switch_off_without_token(database: Database, *, by: Actor) -> list[int]:
    """Switches webhooks off whose token was revoked or expired; returns their numbers."""
    with database.reading() as tx:
        ended = storage.without_token(tx, by.at)
    if not ended:
        return []
    with database.writing() as tx:
        ended = storage.without_token(tx, by.at)
        for number, reason in ended:
            before = find_webhook(tx, number, lock=True)
            storage.switch_off(tx, number, reason)
            record_change(tx, by, "disable", before, find_webhook(tx, number))
    for number, reason in ended:
        _log.warning("webhook switched off", webhook=number, reason=reason, by=by.name)
    return [number for number, _ in ended]


def remove_webhook(
    database: Database, number: int, token: Token | None = None, *, by: Actor
) -> None:
    """Raises what ``find_webhook`` raises."""
    with database.writing() as tx:
        find_webhook(tx, number, token)
        removed = storage.remove_webhook_row(tx, number)
        if removed is None:
            raise no_such_webhook()
        record_change(tx, by, "remove", removed, None)
    _log_change(number, "removed", by)


def enable_webhook(
    database: Database, number: int, token: Token | None = None, *, by: Actor
) -> None:
    """Switches a webhook on again; later changes are sent. One that was off, or whose token has
    ended, depends from now on the token that switches it on, or on an operator.

    Raises:
        NotFound, Refused: as ``find_webhook``.
    """
    with database.writing() as tx:
        before = find_webhook(tx, number, token, lock=True)
        owner = before.token_id
        if not before.active or number in dict(storage.without_token(tx, by.at)):
            owner = token.id if token else None
        storage.switch_on(tx, number, owner)
        record_change(tx, by, "enable", before, find_webhook(tx, number))
    _log_change(number, "enabled", by)


def renew_secret(
    database: Database,
    vault: Vault,
    number: int,
    token: Token | None = None,
    *,
    by: Actor,
    hours: int = OLD_HOURS,
) -> tuple[Webhook, str]:
    """Another secret, which is shown this once. For so many hours messages are signed with the one
    before, too, so that the receiver can change over in between.

    Raises:
        NotFound, Refused: as ``find_webhook``.
    """
    secret = new_secret()
    until = by.at + timedelta(hours=min(hours, MOST_OLD_HOURS)) if hours > 0 else None
    with database.writing() as tx:
        before = find_webhook(tx, number, token, lock=True)
        storage.renew_secret(tx, number, vault.lock(secret), until)
        found = find_webhook(tx, number)
        record_change(tx, by, "renew", before, found, {"secret": None})
    _log_change(number, "given a new secret", by)
    return found, secret


def ping_webhook(database: Database, number: int, at: datetime, token: Token | None = None) -> str:
    """Queues a test message; returns its id.

    Raises:
        NotFound, Refused: as ``find_webhook``.
        NotNow: it is switched off.
    """
    with database.writing() as tx:
        found = find_webhook(tx, number, token, lock=True)
        _check_active(tx, found, at)
        storage.wake(tx, number)
        return add_ping(tx, found, at)


def find_delivery(
    tx: Connection, number: int, token: Token | None = None
) -> tuple[Row[Any], Webhook]:
    """A delivery, and its webhook.

    Raises:
        NotFound: there is none of that number within the token's reach.
        Refused: as ``find_webhook``.
    """
    row = storage.find_delivery(tx, number)
    try:
        if row is not None:
            return row, find_webhook(tx, row.webhook_id, token)
    except NotFound:
        pass
    raise NotFound("no-such-delivery", "There is no such delivery.")


def resend_delivery(
    database: Database, number: int, token: Token | None = None, *, by: Actor
) -> None:
    """Sends a delivery once more, whatever came of it.

    Raises:
        NotFound, Refused: as ``find_delivery``.
        NotNow: its webhook is switched off.
    """
    with database.writing() as tx:
        row, found = find_delivery(tx, number, token)
        _check_active(tx, found, by.at)
        storage.send_again(tx, number, by.at)
        storage.wake(tx, row.webhook_id)
        record_change(tx, by, "resend", found, found, _sent_again(row))


def _sent_again(row: Row[Any]) -> Difference:
    before = {"state": storage.state_of(row), "attempts": row.attempts}
    after: dict[str, Json] = {"delivery": row.id, "event": row.event}
    return difference(before, {**after, "state": storage.WAITING, "attempts": 0})


def _check_active(tx: Connection, webhook: Webhook, at: datetime) -> None:
    """One whose token has ended is as good as off: the next turn of the dispatcher ends it."""
    if not webhook.active or webhook.id in dict(storage.without_token(tx, at)):
        raise NotNow("webhook-off", "The webhook is switched off.", allowed=["enable"])
