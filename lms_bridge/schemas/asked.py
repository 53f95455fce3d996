"""What requests to the interface ask for: filters of lists, and what actions need to know."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from lms_bridge.domain.model import (
    EnrolmentStatus,
    Kind,
    Level,
    Modality,
    OfferingStatus,
)
from lms_bridge.schemas.enrolment import LearnerSchema
from lms_bridge.schemas.fields import Choice, Line, Moment

MOST = 100
"""The most entries on one page."""


class AskedPage(Schema):
    cursor = fields.String(
        load_default="",
        validate=validate.Length(max=100),
        metadata={"description": "`next` of the page before."},
    )
    limit = fields.Integer(
        load_default=50,
        validate=validate.Range(min=1, max=MOST),
        metadata={"description": "Entries on the page."},
    )


class AskedOfCentre(AskedPage):
    centre = Line(longest=40, metadata={"description": "Of this centre alone."})


class AskedOfferings(AskedOfCentre):
    view = fields.String(
        load_default="catalogue",
        validate=validate.OneOf(["catalogue", "mine"]),
        metadata={
            "description": "`catalogue`: what the public may see; `mine`: all offerings that the "
            "token reaches, whatever their status."
        },
    )
    region = Line(longest=40, metadata={"description": "The key of a region, as `africa`."})
    topic = Line(metadata={"description": "A topic or priority area, in any case."})
    modality = Choice(Modality)
    level = Choice(Level)
    status = Choice(OfferingStatus)
    language = Line(longest=35, metadata={"description": "As offerings name it: `en`."})
    starts_from = Moment(metadata={"description": "Starts then or later."})
    starts_to = Moment(
        end_of_day=True, metadata={"description": "Starts then or earlier; a date counts whole."}
    )
    text = Line(longest=100, metadata={"description": "Words that the title holds."})
    modified_since = Moment(metadata={"description": "Changed then or later."})


class AskedRegistrations(AskedOfCentre):
    offering = Line(longest=80, metadata={"description": "In the offering of this code."})
    learner = Line(longest=100, metadata={"description": "Of the learner of this Academy id."})
    status = Choice(EnrolmentStatus)
    modified_since = Moment(metadata={"description": "Changed then or later."})


class AskedResults(AskedOfCentre):
    offering = Line(longest=80, metadata={"description": "In the offering of this code."})
    learner = Line(longest=100, metadata={"description": "Of the learner of this Academy id."})
    modified_since = Moment(metadata={"description": "Changed then or later."})


class AskedHolds(AskedOfCentre):
    status = fields.String(
        load_default="pending",
        validate=validate.OneOf(["pending", "approved", "rejected", "outdated", "settled", "all"]),
    )


class ReasonSchema(Schema):
    """Why something is done; kept with the offering, for whoever looks at it next."""

    reason = Line(longest=1000, load_default="")


class RegisterSchema(Schema):
    learner = fields.Nested(
        LearnerSchema, required=True, error_messages={"type": "is not a person"}
    )


class NothingSchema(Schema):
    """Some actions need to know nothing: an empty object."""


class MatchSchema(Schema):
    """Which account is the learner's: its id at the centre, or that one is to be created."""

    account = Line(longest=255)
    create = fields.Boolean(load_default=False)

    @validates_schema
    def _one_of_them(self, data: dict[str, Any], **_: Any) -> None:
        if bool(data.get("account")) == data["create"]:
            raise ValidationError("give either an account or create: true", "account")


class ResendSchema(Schema):
    """Which records wait no longer: all that failed, or those of one kind."""

    kind = Choice(Kind, load_default=None, allow_none=True)
