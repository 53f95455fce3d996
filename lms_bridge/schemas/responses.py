"""What the interface shows: the same schemas that records are loaded with, and what is added."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from lms_bridge.domain.availability import Availability
from lms_bridge.domain.lifecycle import EnrolmentAction, OfferingAction
from lms_bridge.domain.model import EnrolmentStatus, Flow, Kind, OfferingStatus
from lms_bridge.domain.network import MembershipStatus
from lms_bridge.domain.reviews import ReportState, ReviewPoint
from lms_bridge.schemas.fields import Choice, Line, Lines, Moment
from lms_bridge.schemas.params import OutlineSchema
from lms_bridge.schemas.records import LearnerId, LearnerSchema, OfferingSchema, ResultSchema

LONG = ("description", "audience", "requirements", "objectives", "meetings", "translations")
"""Fields that a list leaves out: they are as long as all the others together."""


class FindingResponse(Schema):
    """What a rule says. A warning keeps nobody from anything."""

    code = fields.String(required=True)
    message = fields.String(required=True)
    field = fields.String(required=True)
    warning = fields.Boolean(required=True)
    documentation = fields.String(
        required=True, metadata={"description": "Where the rule is explained."}
    )


class MembershipResponse(Schema):
    number = fields.Integer()
    centre = fields.String()
    cycle = fields.String()
    status = Choice(MembershipStatus, metadata={"description": "What it is today."})
    starts_on = fields.Date()
    ends_on = fields.Date(allow_none=True, metadata={"description": "Its last day; null: none."})
    priority_areas = Lines()


class CentreResponse(Schema):
    code = Line()
    name = Line()
    region = Line()
    country = Line()
    languages = Lines()
    time_zone = Line()
    names = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "`{language: name}` in other languages."},
    )
    city = fields.String()
    site = fields.String()
    contact = fields.String()
    logo = fields.String(metadata={"description": "The address of an image; https."})
    status = fields.String(
        metadata={
            "description": "`active`, `upcoming` or `ended` by its memberships; empty: it has none."
        }
    )
    priority_areas = Lines(metadata={"description": "Those of today."})
    memberships = fields.List(fields.Nested(MembershipResponse))
    sample = fields.Boolean(metadata={"description": "True for sample data of a demonstration."})
    active = fields.Boolean()


class CourseResponse(Schema):
    centre = Line()
    code = Line()
    title = Line()


class OfferingResponse(OfferingSchema):
    code = Line()
    centre = Line()
    listed = fields.Boolean(metadata={"description": "False once its source shows it no longer."})
    changed_at = Moment()
    availability = Choice(
        Availability, metadata={"description": "What its status and its dates say now."}
    )
    actions = fields.List(
        Choice(OfferingAction), metadata={"description": "What may be done with it now."}
    )

    review_deadline = Moment(
        allow_none=True,
        metadata={
            "description": "When silence counts as no objection. Null: no outline is under review, "
            "or a comment broke the silence."
        },
    )
    status_reason = fields.String(
        metadata={
            "description": "Why it was postponed, cancelled or sent back; for readers with access "
            "to the centre."
        }
    )


class OfferingInListResponse(OfferingResponse):
    class Meta:
        exclude = (
            *LONG,
            *("actions", "review_deadline", "status_reason"),
            *("coordinators", "organisers", "payment_methods", "lms_course"),
        )


class ActResponse(Schema):
    """An offering after an action."""

    offering = fields.Nested(OfferingResponse)
    warnings = fields.List(fields.Nested(FindingResponse))


class StatusChangeResponse(Schema):
    """One line of an offering's history."""

    at = Moment()
    by = fields.String(metadata={"description": "Empty where time did it."})
    action = fields.String(metadata={"description": "The action, or `silence`."})
    before = Choice(OfferingStatus)
    after = Choice(OfferingStatus)
    reason = fields.String()
    point = fields.String(metadata={"description": "Of an objection: the experts' point."})


class HistoryResponse(Schema):
    items = fields.List(fields.Nested(StatusChangeResponse))


class CommentResponse(Schema):
    at = Moment()
    by = fields.String()
    point = Choice(ReviewPoint)
    text = fields.String()


class PointResponse(Schema):
    point = Choice(ReviewPoint)
    meaning = fields.String()


class ReviewRoundResponse(Schema):
    """One submission of an outline, and what came of it."""

    submitted_at = Moment()
    submitted_by = fields.String()
    deadline = Moment(allow_none=True)
    outline = fields.Dict(metadata={"description": "The offering and its outline, as submitted."})
    comments = fields.List(fields.Nested(CommentResponse))
    outcome = fields.String(
        metadata={"description": "`waiting`, `no_objection`, `silence`, `objection`, `cancelled`."}
    )
    decided_at = Moment(allow_none=True)
    decided_by = fields.String()
    point = fields.String()
    reason = fields.String()


class ReviewResponse(Schema):
    offering = fields.String()
    status = Choice(OfferingStatus)
    deadline = Moment(allow_none=True)
    silence_counts = fields.Boolean(
        metadata={"description": "Whether silence until the deadline ends the review."}
    )
    points = fields.List(fields.Nested(PointResponse))
    outline = fields.Nested(OutlineSchema)
    rounds = fields.List(fields.Nested(ReviewRoundResponse))


class EndReportResponse(Schema):
    """An end-of-training report, and what became of it."""

    state = Choice(ReportState)
    at = Moment()
    by = fields.String()
    summary = fields.String()
    evaluation = fields.String()
    difficulties = fields.String()
    recommendations = fields.String()
    figures = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "What the bridge counted when the report came."},
    )
    decided_at = Moment(allow_none=True)
    decided_by = fields.String()
    reason = fields.String(metadata={"description": "Why it was sent back."})


class ReportsResponse(Schema):
    items = fields.List(fields.Nested(EndReportResponse))


class CertificateRowResponse(Schema):
    learner = fields.String()
    number = fields.Integer(metadata={"description": "That of the registration; 0: there is none."})
    outcome = fields.String(
        metadata={"description": "`certified`, `already_certified` or `refused`."}
    )
    code = fields.String(metadata={"description": "Why it was refused; else empty."})
    message = fields.String()


class CertificatesResponse(Schema):
    rows = fields.List(fields.Nested(CertificateRowResponse))


class ChecksResponse(Schema):
    findings = fields.List(fields.Nested(FindingResponse))


class LearnerResponse(LearnerSchema):
    id = LearnerId(attribute="academy_id")


class AnswerResponse(Schema):
    question = fields.String()
    answer = fields.String()


class QuestionsResponse(Schema):
    questions = fields.List(fields.String())


class RegistrationResponse(Schema):
    number = fields.Integer()
    centre = Line()
    offering = Line()
    learner = fields.Nested(LearnerResponse)
    status = Choice(EnrolmentStatus)
    starts_at = Moment(allow_none=True)
    ends_at = Moment(allow_none=True)
    changed_at = Moment()
    actions = fields.List(
        Choice(EnrolmentAction), metadata={"description": "What may be done with it now."}
    )
    next_step = fields.String(metadata={"description": "What happens now, for a learner who asks."})
    answers = fields.List(
        fields.Nested(AnswerResponse),
        metadata={"description": "To the organiser's questions, as they were asked."},
    )


class RowResponse(Schema):
    """What became of one row of a file."""

    row = fields.Integer()
    learner = fields.String()
    outcome = fields.String(metadata={"description": "`registered` or `refused`."})
    registration = fields.Nested(RegistrationResponse, allow_none=True)
    code = fields.String(metadata={"description": "Why it was refused; else empty."})
    message = fields.String()


class GroupResponse(Schema):
    rows = fields.List(fields.Nested(RowResponse))


class ResultResponse(ResultSchema):
    number = fields.Integer(metadata={"description": "That of the registration."})
    centre = Line()
    offering = Line()
    learner = Line()
    changed_at = Moment()


class ResultEnteredResponse(ResultResponse):
    warnings = fields.List(fields.Nested(FindingResponse))


class FlowStateResponse(Schema):
    flow = Choice(Flow)
    status = fields.String(metadata={"description": "That of its last run."})
    run = fields.Integer(allow_none=True, metadata={"description": "Its last run."})
    failing_since = Moment(allow_none=True, metadata={"description": "Null: it does not fail."})
    good_at = Moment(
        allow_none=True, metadata={"description": "When its last good run ended; null: long ago."}
    )


class ConflictResponse(Schema):
    """One field of a record that the target changed by itself. A personal one has no values."""

    record = Line()
    field = fields.String()
    ours = fields.Raw(allow_none=True, metadata={"description": "What the bridge sent."})
    theirs = fields.Raw(allow_none=True, metadata={"description": "What the target holds."})
    personal = fields.Boolean()


class HoldResponse(Schema):
    number = fields.Integer()
    centre = fields.String()
    system = fields.String()
    kind = Choice(Kind)
    reason = fields.String()
    status = fields.String()
    records = Lines()
    conflicts = fields.List(fields.Nested(ConflictResponse))
    causes = Lines()
    out_of = fields.Integer()
    if_approved = fields.String()
    if_rejected = fields.String()
    run = fields.Integer()
    created_at = Moment()
    decided_at = Moment(allow_none=True)
    decided_by = fields.String()


class AccountResponse(Schema):
    account = fields.String()
    why = fields.String()


class BadFieldResponse(Schema):
    field = fields.String()
    value = fields.String()


class QuarantineResponse(Schema):
    number = fields.Integer()
    centre = fields.String()
    system = fields.String()
    kind = fields.String()
    external_id = fields.String()
    title = fields.String()
    address = fields.String()
    fields_at_fault = fields.List(
        fields.Nested(BadFieldResponse), allow_none=True, data_key="fields"
    )
    code = fields.String()
    reason = fields.String()
    remedy = fields.String()
    since = Moment()
    run = fields.Integer()


class UnmatchedResponse(Schema):
    number = fields.Integer()
    centre = fields.String()
    learner = fields.String()
    reason = fields.String()
    accounts = fields.List(fields.Nested(AccountResponse))
    since = Moment()


class WaitResponse(Schema):
    what = fields.String()
    kind = fields.String()
    number = fields.Integer()
    since = Moment(allow_none=True)
    why = fields.String()
    command = fields.String()


class CentreStateResponse(Schema):
    """``status`` is the worst of the last runs of its flows; empty if none ran yet."""

    centre = fields.String()
    active = fields.Boolean(metadata={"description": "False: it is paused, and nothing runs."})
    status = fields.String()
    flows = fields.List(fields.Nested(FlowStateResponse))
    waits = fields.List(
        fields.Nested(WaitResponse),
        metadata={"description": "What waits now: how many, since when, why, and what helps."},
    )


class RunResponse(Schema):
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
    waits = fields.List(fields.Nested(WaitResponse))


class ItemResponse(Schema):
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


class TokenResponse(Schema):
    token = fields.String(metadata={"description": "Its prefix."})
    purpose = fields.String()
    centre = fields.String()
    region = fields.String()
    scopes = fields.List(fields.String())
    expires_at = Moment(allow_none=True)
    per_minute = fields.Integer()


class DoneResponse(Schema):
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
