"""Webhooks: adding them, trying them, and the log of what they were sent."""

from __future__ import annotations

from typing import Any

from flask import Response

from lms_bridge.domain.access import Reach, Scope, Token
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.events import NEEDED, Event, Webhook
from lms_bridge.reference import reference
from lms_bridge.schemas.asked import AskedPage, NothingSchema
from lms_bridge.schemas.shown import ShownDone, page_of
from lms_bridge.schemas.webhooks import (
    ShownDelivery,
    ShownNewWebhook,
    ShownWebhook,
    WebhookSchema,
)
from lms_bridge.store import deliveries
from lms_bridge.store import webhooks as store
from lms_bridge.store.api_tables import webhook_delivery
from lms_bridge.sync.work import utc_now
from lms_bridge.web.api import replies
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.centres import no_such_centre
from lms_bridge.web.api.routing import route
from lms_bridge.web.bridging import the_bridge
from lms_bridge.webhooks import keeping

NUMBER = "<int(max=2147483647):number>"
_TAG = "webhooks"


def _token() -> Token:
    token = caller().token
    if token is None:
        raise RuntimeError("every route here has a scope")
    return token


@route(
    "/webhooks",
    scope=Scope.WEBHOOKS,
    answer=page_of(ShownWebhook),
    query=AskedPage,
    tag=_TAG,
)
def list_webhooks(asked: dict[str, Any]) -> Response:
    """The webhooks that are told of nothing beyond the token's reach."""
    begin, most = replies.after(asked["cursor"]), asked["limit"]
    with the_bridge().database.reading() as tx:
        found = store.page(tx, _token().reach, begin, most + 1)
    last = found[most - 1].id if len(found) > most else None
    return replies.shown(replies.page([shown_webhook(each) for each in found[:most]], last))


def shown_webhook(webhook: Webhook) -> dict[str, Any]:
    return {
        "number": webhook.id,
        "name": webhook.name,
        "address": webhook.address,
        "events": sorted(webhook.events),
        "centre": webhook.reach.centre,
        "region": webhook.reach.region,
        "active": webhook.active,
        "reason": webhook.reason,
        "failing_since": plain(webhook.failing_since),
        "created_at": plain(webhook.created_at),
    }


@route(
    "/webhooks",
    method="POST",
    scope=Scope.WEBHOOKS,
    body=WebhookSchema(),
    answer=ShownNewWebhook,
    status=201,
    example={"address": "https://lms.example.org/bridge", "events": ["enrolment.changed"]},
    tag=_TAG,
)
def add_webhook(given: dict[str, Any]) -> Response:
    """Adds a webhook. Its secret is shown in this one answer"""
    bridge, token = the_bridge(), _token()
    wish = keeping.Wish(
        given["name"], given["address"], _events(token, given), _reach(token, given)
    )
    made, secret = keeping.add_webhook(
        bridge.database,
        bridge.vault,
        wish,
        list(reference().regions),
        by=token.name,
        at=utc_now(),
        private_addresses=bridge.settings.network.private_addresses,
    )
    response = replies.shown({**shown_webhook(made), "secret": secret})
    response.status_code = 201
    response.headers["Cache-Control"] = "no-store"
    return response


def _events(token: Token, given: dict[str, Any]) -> list[Event]:
    """Raises Refused when the token may not read what it wants to be told of."""
    wanted = [Event(each) for each in given["events"]]
    for event in wanted:
        if NEEDED[event] not in token.scopes:
            raise Refused(
                "scope-missing",
                f"To be told of {event} the token needs the scope {NEEDED[event]}.",
                "Ask for a token with it.",
            )
    return wanted or [event for event in Event if NEEDED[event] in token.scopes]


def _reach(token: Token, given: dict[str, Any]) -> Reach:
    """The reach of the new webhook: the token's, or a part of it."""
    asked = Reach(given["centre"], given["region"])
    if asked.everything:
        return token.reach
    if asked.centre:
        with the_bridge().database.reading() as tx:
            caller().check_reach(tx, asked.centre, no_such_centre())
    elif not token.reach.everything and asked.region != token.reach.region:
        raise Refused("another-centre", "This is beyond the token's reach.")
    return asked


@route(f"/webhooks/{NUMBER}", scope=Scope.WEBHOOKS, answer=ShownWebhook, tag=_TAG)
def show_webhook(number: int) -> Response:
    """One webhook, without its secret."""
    with the_bridge().database.reading() as tx:
        found = keeping.find_webhook(tx, number, _token().reach)
    return replies.shown(shown_webhook(found))


@route(f"/webhooks/{NUMBER}", method="DELETE", scope=Scope.WEBHOOKS, answer=ShownDone, tag=_TAG)
def remove_webhook(number: int) -> Response:
    """Removes a webhook, and the log of what it was sent."""
    keeping.remove_webhook(the_bridge().database, number, _token().reach)
    return _done("The webhook is sent nothing more.")


@route(
    f"/webhooks/{NUMBER}/enable",
    method="POST",
    scope=Scope.WEBHOOKS,
    body=NothingSchema(),
    answer=ShownDone,
    example={},
    tag=_TAG,
)
def enable_webhook(_: dict[str, Any], number: int) -> Response:
    """Lets a webhook that was switched off be told again of what changes from now on."""
    keeping.enable_webhook(the_bridge().database, number, _token().reach)
    return _done("The webhook is told again of what changes from now on.")


@route(
    f"/webhooks/{NUMBER}/ping",
    method="POST",
    scope=Scope.WEBHOOKS,
    body=NothingSchema(),
    answer=ShownDone,
    example={},
    tag=_TAG,
)
def ping_webhook(_: dict[str, Any], number: int) -> Response:
    """Sends a trial."""
    message = keeping.ping_webhook(the_bridge().database, number, utc_now(), _token().reach)
    return _done(f"The trial {message} is sent within seconds.")


@route(
    f"/webhooks/{NUMBER}/deliveries",
    scope=Scope.WEBHOOKS,
    answer=page_of(ShownDelivery),
    query=AskedPage,
    tag=_TAG,
)
def list_deliveries(asked: dict[str, Any], number: int) -> Response:
    """What a webhook was sent, the newest first, and what came of it."""
    before, most = replies.after(asked["cursor"]), asked["limit"]
    with the_bridge().database.reading() as tx:
        keeping.find_webhook(tx, number, _token().reach)
        mine = webhook_delivery.c.webhook_id == number
        rows = deliveries.log(tx, before, most + 1, mine)
    last = rows[most - 1].id if len(rows) > most else None
    return replies.shown(replies.page([_shown_delivery(row) for row in rows[:most]], last))


def _shown_delivery(row: Any) -> dict[str, Any]:
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
    keeping.resend_delivery(the_bridge().database, number, utc_now(), _token().reach)
    return _done("It is sent within seconds.")


def _done(message: str) -> Response:
    return replies.shown({"message": message})
