"""The API's schemas of schedules and pushes."""

from __future__ import annotations

from enum import StrEnum

from marshmallow import Schema, fields, validate

from lms_bridge.schemas.fields import Choice
from lms_bridge.schemas.records import OfferingSchema
from lms_bridge.schemas.responses import FindingResponse


class ScheduleForm(StrEnum):
    """The forms in which a schedule is shown."""

    JSON = "json"
    CSV = "csv"
    CALENDAR = "ics"


class FormParams(Schema):
    format = Choice(ScheduleForm, load_default=ScheduleForm.JSON)


class PushParams(Schema):
    dry_run = fields.Boolean(
        load_default=False,
        metadata={"description": "Show every change, field by field, and make none."},
    )


class ScheduledResponse(OfferingSchema):
    id = fields.String(required=True, metadata={"description": "The centre's own."})


class ScheduleResponse(Schema):
    """A schedule, in the form in which it may be pushed."""

    offerings = fields.List(fields.Nested(ScheduledResponse))


class ProblemResponse(Schema):
    field = fields.String(metadata={"description": "Empty where it is the row as a whole."})
    code = fields.String(required=True)
    message = fields.String(metadata={"description": "Goes on from the field's name."})
    allowed = fields.List(fields.String())


class ChangeResponse(Schema):
    field = fields.String()
    before = fields.Raw(allow_none=True)
    after = fields.Raw(allow_none=True)


class PushedRowResponse(Schema):
    row = fields.Integer(
        metadata={"description": "From 1; in a CSV file as a spreadsheet counts, with the header."}
    )
    id = fields.String()
    code = fields.String(metadata={"description": "What the bridge calls the offering."})
    outcome = fields.String(
        validate=validate.OneOf(["created", "updated", "unchanged", "held", "refused"])
    )
    problems = fields.List(fields.Nested(ProblemResponse))
    warnings = fields.List(fields.Nested(FindingResponse))
    changes = fields.List(
        fields.Nested(ChangeResponse), metadata={"description": "Only with `dry_run=true`."}
    )


class EndedResponse(Schema):
    """An offering that a whole schedule no longer names."""

    id = fields.String()
    code = fields.String()
    outcome = fields.String(validate=validate.OneOf(["ended", "held", "kept"]))


class SummaryResponse(Schema):
    rows = fields.Integer()
    created = fields.Integer()
    updated = fields.Integer()
    unchanged = fields.Integer()
    held = fields.Integer()
    refused = fields.Integer()
    ended = fields.Integer()
    message = fields.String()


class PushResponse(Schema):
    """What became of a pushed schedule."""

    centre = fields.String()
    dry_run = fields.Boolean()
    whole = fields.Boolean()
    summary = fields.Nested(SummaryResponse)
    hold = fields.Integer(
        allow_none=True,
        metadata={"description": "The hold that waits for a person; 0 in a dry run; else null."},
    )
    notes = fields.List(fields.String())
    rows = fields.List(fields.Nested(PushedRowResponse))
    ended = fields.List(fields.Nested(EndedResponse))
