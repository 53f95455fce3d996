"""What the interface shows: the same schemas that records are loaded with, and what is added."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from lms_bridge.domain.lifecycle import EnrolmentAction, OfferingAction
from lms_bridge.domain.model import EnrolmentStatus, Kind
from lms_bridge.schemas.enrolment import LearnerSchema, ResultSchema
from lms_bridge.schemas.fields import Choice, Line, Lines, Moment
from lms_bridge.schemas.offering import OfferingSchema

LONG = ("description", "audience", "requirements", "objectives", "meetings")
"""Fields that a list leaves out: they are as long as all the others together."""


class ShownFinding(Schema):
    """What a rule says. A warning keeps nobody from anything."""

    code = fields.String(required=True)
    message = fields.String(required=True)
    field = fields.String(required=True)
    warning = fields.Boolean(required=True)
    documentation = fields.String(
        required=True, metadata={"description": "Where the rule is explained."}
    )


class ShownMembership(Schema):
    cycle = fields.String()
    status = fields.String()
    starts_on = fields.String()
    ends_on = fields.String()
    priority_areas = Lines()


class ShownCentre(Schema):
    code = Line()
    name = Line()
    region = Line()
    country = Line()
    languages = Lines()
    time_zone = Line()
    memberships = fields.List(fields.Nested(ShownMembership))
    sample = fields.Boolean(metadata={"description": "True for sample data of a demonstration."})
    active = fields.Boolean()


class ShownCourse(Schema):
    centre = Line()
    code = Line()
    title = Line()


class ShownOffering(OfferingSchema):
    code = Line()
    centre = Line()
    listed = fields.Boolean(metadata={"description": "False once its source shows it no longer."})
    changed_at = Moment()
    actions = fields.List(
        Choice(OfferingAction), metadata={"description": "What may be done with it now."}
    )


class ShownOfferingInList(ShownOffering):
    class Meta:
        exclude = (*LONG, "actions", "coordinators", "organisers", "payment_methods", "lms_course")


class ShownAct(Schema):
    """An offering after an action."""

    offering = fields.Nested(ShownOffering)
    warnings = fields.List(fields.Nested(ShownFinding))


class ShownChecks(Schema):
    findings = fields.List(fields.Nested(ShownFinding))


class ShownLearner(LearnerSchema):
    id = Line(attribute="academy_id")


class ShownRegistration(Schema):
    number = fields.Integer()
    centre = Line()
    offering = Line()
    learner = fields.Nested(ShownLearner)
    status = Choice(EnrolmentStatus)
    starts_at = Moment(allow_none=True)
    ends_at = Moment(allow_none=True)
    changed_at = Moment()
    actions = fields.List(
        Choice(EnrolmentAction), metadata={"description": "What may be done with it now."}
    )
    next_step = fields.String(metadata={"description": "What happens now, for a learner who asks."})


class ShownRow(Schema):
    """What became of one row of a file."""

    row = fields.Integer()
    learner = fields.String()
    outcome = fields.String(metadata={"description": "`registered` or `refused`."})
    registration = fields.Nested(ShownRegistration, allow_none=True)
    code = fields.String(metadata={"description": "Why it was refused; else empty."})
    message = fields.String()


class ShownGroup(Schema):
    rows = fields.List(fields.Nested(ShownRow))


class ShownResult(ResultSchema):
    number = fields.Integer(metadata={"description": "That of the registration."})
    centre = Line()
    offering = Line()
    learner = Line()
    changed_at = Moment()


class ShownResultEntered(ShownResult):
    warnings = fields.List(fields.Nested(ShownFinding))


class ShownHold(Schema):
    number = fields.Integer()
    centre = fields.String()
    system = fields.String()
    kind = Choice(Kind)
    reason = fields.String()
    status = fields.String()
    records = Lines()
    out_of = fields.Integer()
    run = fields.Integer()
    created_at = Moment()
    decided_at = Moment(allow_none=True)
    decided_by = fields.String()


class ShownAccount(Schema):
    account = fields.String()
    why = fields.String()


class ShownUnmatched(Schema):
    number = fields.Integer()
    centre = fields.String()
    learner = fields.String()
    reason = fields.String()
    accounts = fields.List(fields.Nested(ShownAccount))
    since = Moment()


class ShownRun(Schema):
    number = fields.Integer()
    centre = fields.String()
    flows = fields.String()
    trigger = fields.String()
    asked_by = fields.String()
    status = fields.String()
    started_at = Moment()
    finished_at = Moment(allow_none=True)
    counts = fields.Dict(keys=fields.String(), values=fields.Integer())
    error_code = fields.String()
    error = fields.String()


class ShownItem(Schema):
    number = fields.Integer()
    system = fields.String()
    kind = fields.String()
    external_id = fields.String()
    action = fields.String()
    state = fields.String()
    fields_ = fields.Dict(
        data_key="fields",
        allow_none=True,
        metadata={
            "description": "`{field: [before, after]}`; null instead of the two where they are "
            "personal or secret."
        },
    )
    code = fields.String()
    message = fields.String()
    at = Moment()


class ShownToken(Schema):
    token = fields.String(metadata={"description": "Its prefix."})
    purpose = fields.String()
    centre = fields.String()
    region = fields.String()
    scopes = fields.List(fields.String())
    expires_at = Moment(allow_none=True)
    per_minute = fields.Integer()


class ShownDone(Schema):
    """What a decision came to."""

    message = fields.String()


def page_of(item: type[Schema]) -> type[Schema]:
    """The schema of a page of a list: ``items``, and ``next``, the cursor of the page after it."""
    made: dict[str, Any] = {
        "items": fields.List(fields.Nested(item), required=True),
        "next": fields.String(
            required=True,
            allow_none=True,
            metadata={"description": "The cursor of the next page; null on the last."},
        ),
    }
    return Schema.from_dict(made, name=f"{item.__name__}Page")
