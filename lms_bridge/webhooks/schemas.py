"""The API's schemas of webhooks, their deliveries, and posted events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy import Row

from lms_bridge.domain.document import document, plain
from lms_bridge.domain.events import PING, Event, Webhook
from lms_bridge.schemas.fields import Line, Moment
from lms_bridge.schemas.parts import StrictInteger
from lms_bridge.webhooks import storage

REGISTRATION_CHANGED, OFFERING_CHANGED = "registration.changed", "offering.changed"
POSTED = (REGISTRATION_CHANGED, OFFERING_CHANGED, PING)
"""The types of the events that may be posted here."""


class WebhookSchema(Schema):
    """A webhook to be added. Without events: all that the token may read."""

    address = fields.String(
        required=True,
        validate=validate.Length(1, 2000),
        metadata={
            "description": "Where events are sent to; https, and no address inside a net. It is "
            "shown without what may be a secret in it."
        },
    )
    name = Line(longest=255, load_default="")
    events = fields.List(
        fields.String(validate=validate.OneOf([event.value for event in Event])), load_default=list
    )
    centre = Line(longest=40, load_default="", metadata={"description": "Of this centre alone."})
    region = Line(longest=40, load_default="", metadata={"description": "Of this region alone."})


class SecretSchema(Schema):
    """How long the secret before the new one counts, too."""

    hours = StrictInteger(
        load_default=24,
        validate=validate.Range(0, 336),
        metadata={"description": "For so many hours both count, so that you can change over."},
    )


class WebhookResponse(Schema):
    number = fields.Integer()
    name = fields.String()
    address = fields.String()
    events = fields.List(fields.String())
    centre = fields.String()
    region = fields.String()
    active = fields.Boolean()
    reason = fields.String(metadata={"description": "Why it is switched off."})
    failing_since = Moment(allow_none=True)
    rest_until = Moment(
        allow_none=True, metadata={"description": "After a failure nothing is sent before then."}
    )
    old_until = Moment(
        allow_none=True,
        metadata={"description": "Messages are signed with the secret before, too, until then."},
    )
    created_at = Moment(allow_none=True)


class NewWebhookResponse(WebhookResponse):
    secret = fields.String(metadata={"description": "Shown this once: signatures are made by it."})


class AttemptResponse(Schema):
    at = Moment()
    milliseconds = fields.Integer(metadata={"description": "How long it took."})
    status = fields.Integer(metadata={"description": "Of the answer; 0: there was none."})
    code = fields.String(
        metadata={"description": "What kind of failure it was; empty: it arrived."}
    )
    error = fields.String()


class DeliveryResponse(Schema):
    number = fields.Integer()
    message = fields.String(metadata={"description": "The `webhook-id` of every attempt."})
    event = fields.String()
    state = fields.String(metadata={"description": "`delivered`, `waiting` or `dead`."})
    attempts = fields.Integer()
    status = fields.Integer(metadata={"description": "Of the last answer; 0: there was none."})
    error = fields.String()
    data = fields.Dict(keys=fields.String())
    created_at = Moment()
    attempted_at = Moment(allow_none=True)
    next_attempt = Moment(allow_none=True)
    delivered_at = Moment(allow_none=True)
    log = fields.List(
        fields.Nested(AttemptResponse),
        metadata={"description": "Every attempt, the first one first."},
    )


def webhook_document(webhook: Webhook) -> dict[str, Any]:
    """A webhook without its secret, as ``WebhookResponse`` describes it."""
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


def delivery_document(row: Row[Any], attempts: Sequence[storage.Attempt]) -> dict[str, Any]:
    """A delivery with every attempt, as ``DeliveryResponse`` describes it."""
    return {
        "number": row.id,
        **{name: getattr(row, name) for name in ("message", "event", "attempts", "status")},
        "state": storage.state_of(row),
        "error": row.error,
        "data": row.body.get("data", {}),
        **{
            name: plain(getattr(row, name))
            for name in ("created_at", "attempted_at", "next_attempt", "delivered_at")
        },
        "log": [document(each) for each in attempts],
    }


class _EventData(Schema):
    """What an event is about: an offering by its code, or a whole centre."""

    class Meta:
        unknown = EXCLUDE

    offering = Line(longest=80, load_default="")
    centre = Line(longest=40, load_default="")


class EventSchema(Schema):
    """An event, in the form of the Standard Webhooks specification."""

    class Meta:
        unknown = EXCLUDE

    type = fields.String(required=True, validate=validate.OneOf(POSTED))
    data = fields.Nested(_EventData, load_default=dict)

    @validates_schema
    def _about_something(self, data: dict[str, Any], **_: Any) -> None:
        about = data["data"]
        if data["type"] != PING and not (about.get("offering") or about.get("centre")):
            raise ValidationError("name an offering or a centre", "data")


class TakenResponse(Schema):
    """The effect of an event: the bridge requested runs of these centres."""

    message = fields.String()
    centres = fields.List(fields.String())
