"""The API of webhooks: webhooks, their deliveries, and events that partners post."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from flask import Response, g
from sqlalchemy import Connection

from lms_bridge.api import pagination
from lms_bridge.api.auth import caller
from lms_bridge.api.centres import no_such_centre
from lms_bridge.api.responses import JSON, json_response
from lms_bridge.api.route import NUMBER, route
from lms_bridge.domain.access import DataScope, Scope, Token
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.events import NEEDED, PING, Event, Webhook, scopes_for
from lms_bridge.domain.model import Flow
from lms_bridge.lti.feature import lti_of
from lms_bridge.reference import reference
from lms_bridge.schemas.params import NothingSchema, PageParams
from lms_bridge.schemas.responses import DoneResponse, page_of
from lms_bridge.signing import TOLERANCE_SECONDS
from lms_bridge.store import offerings, run_requests
from lms_bridge.store.api_tables import webhook_delivery
from lms_bridge.web.access import the_bridge
from lms_bridge.webhooks import schemas, service, storage

_TAG = "webhooks"
MOST = 50
"""Webhooks per token. Each of them receives every change in its data scope."""


@route(
    "/webhooks",
    scope=Scope.WEBHOOKS,
    response=page_of(schemas.WebhookResponse),
    query=PageParams,
    tag=_TAG,
)
def list_webhooks(params: dict[str, Any]) -> Response:
    """The webhooks within the token's data scope, of events that it may read."""
    begin, most = pagination.cursor_id(params["cursor"]), params["limit"]
    token = caller().require_token()
    with the_bridge().database.reading() as tx:
        found = storage.webhook_page(tx, token.reach, begin, most + 1)
    last = found[most - 1].id if len(found) > most else None
    shown = [each for each in found[:most] if scopes_for(each.events) <= token.scopes]
    return json_response(pagination.page([schemas.webhook_document(each) for each in shown], last))


@route(
    "/webhooks",
    method="POST",
    scope=Scope.WEBHOOKS,
    body=schemas.WebhookSchema(),
    response=schemas.NewWebhookResponse,
    status=201,
    example={"address": "https://lms.example.org/bridge", "events": ["enrolment.changed"]},
    tag=_TAG,
)
def add_webhook(given: dict[str, Any]) -> Response:
    """Adds a webhook. Only this response shows its secret."""
    bridge, token = the_bridge(), caller().require_token()
    new = service.NewWebhook(
        given["name"],
        given["address"],
        _events(token, given),
        _reach(token, given),
        token_id=token.id,
    )
    made, secret = service.add_webhook(
        bridge.database,
        bridge.vault,
        new,
        list(reference().regions),
        by=caller().by(),
        private_addresses=bridge.settings.network.private_addresses,
        most=MOST,
    )
    return _with_secret(made, secret, 201)


def _with_secret(webhook: Webhook, secret: str, status: int = 200) -> Response:
    """The only response that shows a secret. No cache may keep it."""
    response = json_response({**schemas.webhook_document(webhook), "secret": secret})
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def _events(token: Token, given: dict[str, Any]) -> list[Event]:
    """The events of a new webhook. Raises Refused for an event that the token may not read."""
    events = [Event(each) for each in given["events"]]
    for event in events:
        if NEEDED[event] not in token.scopes:
            raise Refused(
                "scope-missing",
                f"For {event} the token needs the scope {NEEDED[event]}.",
                "Ask for a token with it.",
            )
    return events or [event for event in Event if NEEDED[event] in token.scopes]


def _reach(token: Token, given: dict[str, Any]) -> DataScope:
    """The data scope of a new webhook: the token's, or a part of it."""
    requested = DataScope(given["centre"], given["region"])
    if requested.everything:
        return token.reach
    if requested.centre:
        with the_bridge().database.reading() as tx:
            caller().centre_in_scope(tx, requested.centre, no_such_centre())
    elif not token.reach.everything and requested.region != token.reach.region:
        raise Refused("another-centre", "The token does not cover this data.")
    return requested


@route(f"/webhooks/{NUMBER}", scope=Scope.WEBHOOKS, response=schemas.WebhookResponse, tag=_TAG)
def show_webhook(number: int) -> Response:
    """One webhook, without its secret."""
    with the_bridge().database.reading() as tx:
        found = service.find_webhook(tx, number, caller().require_token())
    return json_response(schemas.webhook_document(found))


@route(
    f"/webhooks/{NUMBER}", method="DELETE", scope=Scope.WEBHOOKS, response=DoneResponse, tag=_TAG
)
def remove_webhook(number: int) -> Response:
    """Removes a webhook and its log."""
    token = caller().require_token()
    service.remove_webhook(the_bridge().database, number, token, by=caller().by())
    return _done("The webhook is sent nothing more.")


@route(
    f"/webhooks/{NUMBER}/secret",
    method="POST",
    scope=Scope.WEBHOOKS,
    body=schemas.SecretSchema(),
    response=schemas.NewWebhookResponse,
    example={"hours": 24},
    tag=_TAG,
)
def renew_secret(given: dict[str, Any], number: int) -> Response:
    """Makes a new secret, which only this response shows. For a while both secrets sign."""
    bridge, token = the_bridge(), caller().require_token()
    found, secret = service.renew_secret(
        bridge.database,
        bridge.vault,
        number,
        token,
        by=caller().by(),
        hours=given["hours"],
    )
    return _with_secret(found, secret)


def _add_act(rule: str, name: str, meaning: str, act: Callable[[int, Token], str]) -> None:
    """A route that calls ``act``, which returns a message for people."""

    @route(
        rule,
        method="POST",
        name=name,
        summary=meaning,
        scope=Scope.WEBHOOKS,
        body=NothingSchema(),
        response=DoneResponse,
        example={},
        tag=_TAG,
    )
    def done(_: dict[str, Any], number: int) -> Response:
        return _done(act(number, caller().require_token()))


def _enable(number: int, token: Token) -> str:
    service.enable_webhook(the_bridge().database, number, token, by=caller().by())
    return "The webhook receives changes from now on."


def _ping(number: int, token: Token) -> str:
    message = service.ping_webhook(the_bridge().database, number, utc_now(), token)
    return f"The test message {message} is sent within seconds."


_add_act(
    f"/webhooks/{NUMBER}/enable",
    "enable_webhook",
    "Switches a webhook on again; it receives changes from now on",
    _enable,
)
_add_act(f"/webhooks/{NUMBER}/ping", "ping_webhook", "Sends a test message", _ping)


def _done(message: str) -> Response:
    return json_response({"message": message})


@route(
    f"/webhooks/{NUMBER}/deliveries",
    scope=Scope.WEBHOOKS,
    response=page_of(schemas.DeliveryResponse),
    query=PageParams,
    tag=_TAG,
)
def list_deliveries(params: dict[str, Any], number: int) -> Response:
    """The messages of a webhook, the newest first, with each attempt."""
    before, most = pagination.cursor_id(params["cursor"]), params["limit"]
    with the_bridge().database.reading() as tx:
        service.find_webhook(tx, number, caller().require_token())
        mine = webhook_delivery.c.webhook_id == number
        rows = storage.delivery_log(tx, before, most + 1, mine)
        attempts = storage.attempts_of(tx, [row.id for row in rows[:most]])
    last = rows[most - 1].id if len(rows) > most else None
    shown = [schemas.delivery_document(row, attempts.get(row.id, [])) for row in rows[:most]]
    return json_response(pagination.page(shown, last))


@route(
    f"/deliveries/{NUMBER}/resend",
    method="POST",
    scope=Scope.WEBHOOKS,
    body=NothingSchema(),
    response=DoneResponse,
    example={},
    tag=_TAG,
)
def resend_delivery(_: dict[str, Any], number: int) -> Response:
    """Sends a message again, with its old id."""
    token = caller().require_token()
    service.resend_delivery(the_bridge().database, number, token, by=caller().by())
    return json_response({"message": "It is sent within seconds."})


# Posted events: the Academy reports a change, and a run of the centre starts at once.

_FLOWS: Mapping[str, tuple[Flow, ...]] = {
    schemas.REGISTRATION_CHANGED: (Flow.ENROLMENTS,),
    schemas.OFFERING_CHANGED: (Flow.OFFERINGS,),
}
_MESSAGE = "posted event"


@route(
    "/events",
    method="POST",
    scope=Scope.SEND_EVENTS,
    signed=True,
    body=schemas.EventSchema(),
    response=schemas.TakenResponse,
    status=202,
    example={"type": schemas.REGISTRATION_CHANGED, "data": {"offering": "ALPHA-1"}},
    tag="events",
)
def post_event(given: dict[str, Any]) -> Response:
    """Accepts an event; a run of its centre begins within seconds."""
    bridge, now = the_bridge(), utc_now()
    with bridge.database.reading() as tx:
        centres = [] if given["type"] == PING else [_centre(tx, given["data"])]
    message = g.get("event_id", "")
    if centres or message:
        with bridge.database.writing() as tx:
            seconds = 2 * TOLERANCE_SECONDS
            if message and not lti_of(bridge).context.nonces.use(_MESSAGE, message, seconds, tx):
                return _accepted("This event was accepted before.", [])
            if centres:
                run_requests.request_run(tx, centres, _FLOWS[given["type"]], now, caller().name)
    return _accepted("The event is accepted.", centres)


def _centre(tx: Connection, about: Mapping[str, str]) -> str:
    """The centre of an event, or of its offering.

    Raises:
        NotFound: the sender's data scope has no such centre or offering.
    """
    if not about["offering"]:
        return caller().centre_in_scope(tx, about["centre"], no_such_centre()).code
    missing = NotFound("no-such-offering", "There is no such offering.")
    found = offerings.offering_by_code(tx, about["offering"])
    if found is None:
        raise missing
    return caller().centre_in_scope(tx, found[1].centre, missing).code


def _accepted(message: str, centres: list[str]) -> Response:
    body = orjson.dumps({"message": message, "centres": centres})
    return Response(body, 202, mimetype=JSON)
