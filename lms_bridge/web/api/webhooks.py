"""Webhooks: adding them, trying them, and looking after them."""

from __future__ import annotations

from collections.abc import Callable
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
    SecretSchema,
    ShownNewWebhook,
    ShownWebhook,
    WebhookSchema,
)
from lms_bridge.store import webhooks as store
from lms_bridge.sync.work import utc_now
from lms_bridge.web.api import replies
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.centres import no_such_centre
from lms_bridge.web.api.routing import NUMBER, route
from lms_bridge.web.bridging import the_bridge
from lms_bridge.webhooks import keeping

_TAG = "webhooks"
MOST = 50
"""Webhooks that may be added with one token: each is told of every change within its reach."""


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
        found = store.page(tx, caller().shown_token().reach, begin, most + 1)
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
        **{
            name: plain(getattr(webhook, name))
            for name in ("failing_since", "rest_until", "old_until", "created_at")
        },
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
    bridge, token = the_bridge(), caller().shown_token()
    wish = keeping.Wish(
        given["name"], given["address"], _events(token, given), _reach(token, given)
    )
    made, secret = keeping.add_webhook(
        bridge.database,
        bridge.vault,
        wish,
        list(reference().regions),
        by=caller().by(),
        private_addresses=bridge.settings.network.private_addresses,
        most=MOST,
    )
    return _with_secret(made, secret, 201)


def _with_secret(webhook: Webhook, secret: str, status: int = 200) -> Response:
    """The one answer that shows a secret: nothing on the way may keep it."""
    response = replies.shown({**shown_webhook(webhook), "secret": secret})
    response.status_code = status
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
        found = keeping.find_webhook(tx, number, caller().shown_token().reach)
    return replies.shown(shown_webhook(found))


@route(f"/webhooks/{NUMBER}", method="DELETE", scope=Scope.WEBHOOKS, answer=ShownDone, tag=_TAG)
def remove_webhook(number: int) -> Response:
    """Removes a webhook, and the log of what it was sent."""
    token = caller().shown_token()
    keeping.remove_webhook(the_bridge().database, number, token.reach, by=caller().by())
    return _done("The webhook is sent nothing more.")


@route(
    f"/webhooks/{NUMBER}/secret",
    method="POST",
    scope=Scope.WEBHOOKS,
    body=SecretSchema(),
    answer=ShownNewWebhook,
    example={"hours": 24},
    tag=_TAG,
)
def renew_secret(given: dict[str, Any], number: int) -> Response:
    """Gives a webhook another secret, shown in this one answer; for a while both count."""
    bridge, token = the_bridge(), caller().shown_token()
    found, secret = keeping.renew_secret(
        bridge.database,
        bridge.vault,
        number,
        token.reach,
        by=caller().by(),
        hours=given["hours"],
    )
    return _with_secret(found, secret)


# ---- acts that need to know nothing ------------------------------------------------------------


def _add_act(rule: str, name: str, meaning: str, act: Callable[[int, Token], str]) -> None:
    """``act`` does it, and says what comes of it."""

    @route(
        rule,
        method="POST",
        name=name,
        summary=meaning,
        scope=Scope.WEBHOOKS,
        body=NothingSchema(),
        answer=ShownDone,
        example={},
        tag=_TAG,
    )
    def done(_: dict[str, Any], number: int) -> Response:
        return _done(act(number, caller().shown_token()))


def _enable(number: int, token: Token) -> str:
    keeping.enable_webhook(the_bridge().database, number, token.reach, by=caller().by())
    return "The webhook is told again of what changes from now on."


def _ping(number: int, token: Token) -> str:
    message = keeping.ping_webhook(the_bridge().database, number, utc_now(), token.reach)
    return f"The trial {message} is sent within seconds."


_add_act(
    f"/webhooks/{NUMBER}/enable",
    "enable_webhook",
    "Lets a webhook that was switched off be told again of what changes from now on",
    _enable,
)
_add_act(f"/webhooks/{NUMBER}/ping", "ping_webhook", "Sends a trial", _ping)


def _done(message: str) -> Response:
    return replies.shown({"message": message})
