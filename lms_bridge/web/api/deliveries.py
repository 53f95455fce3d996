"""The log of what webhooks were sent, attempt by attempt; and sending once more."""

from __future__ import annotations

from typing import Any

from flask import Response

from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import document, plain
from lms_bridge.schemas.asked import AskedPage, NothingSchema
from lms_bridge.schemas.shown import ShownDone, page_of
from lms_bridge.schemas.webhooks import ShownDelivery
from lms_bridge.store import deliveries
from lms_bridge.store.api_tables import webhook_delivery
from lms_bridge.store.deliveries import Attempt
from lms_bridge.web.api import replies
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.routing import NUMBER, route
from lms_bridge.web.bridging import the_bridge
from lms_bridge.webhooks import keeping

_TAG = "webhooks"


@route(
    f"/webhooks/{NUMBER}/deliveries",
    scope=Scope.WEBHOOKS,
    answer=page_of(ShownDelivery),
    query=AskedPage,
    tag=_TAG,
)
def list_deliveries(asked: dict[str, Any], number: int) -> Response:
    """What a webhook was sent, the newest first, and what came of each attempt."""
    before, most = replies.after(asked["cursor"]), asked["limit"]
    with the_bridge().database.reading() as tx:
        keeping.find_webhook(tx, number, caller().shown_token().reach)
        mine = webhook_delivery.c.webhook_id == number
        rows = deliveries.log(tx, before, most + 1, mine)
        attempts = deliveries.attempts_of(tx, [row.id for row in rows[:most]])
    last = rows[most - 1].id if len(rows) > most else None
    shown = [_shown_delivery(row, attempts.get(row.id, [])) for row in rows[:most]]
    return replies.shown(replies.page(shown, last))


def _shown_delivery(row: Any, attempts: list[Attempt]) -> dict[str, Any]:
    return {
        "number": row.id,
        **{name: getattr(row, name) for name in ("message", "event", "attempts", "status")},
        "state": deliveries.state_of(row),
        "error": row.error,
        "data": row.body.get("data", {}),
        **{
            name: plain(getattr(row, name))
            for name in ("created_at", "attempted_at", "next_attempt", "delivered_at")
        },
        "log": [document(each) for each in attempts],
    }


@route(
    f"/deliveries/{NUMBER}/resend",
    method="POST",
    scope=Scope.WEBHOOKS,
    body=NothingSchema(),
    answer=ShownDone,
    example={},
    tag=_TAG,
)
def resend_delivery(_: dict[str, Any], number: int) -> Response:
    """Sends a message once more, under its old id."""
    reach = caller().shown_token().reach
    keeping.resend_delivery(the_bridge().database, number, reach, by=caller().by())
    return replies.shown({"message": "It is sent within seconds."})
