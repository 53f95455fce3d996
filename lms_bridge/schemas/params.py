"""What requests to the interface ask for: filters of lists, and what actions need to know."""

from __future__ import annotations

from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate, validates_schema

from lms_bridge.domain.availability import MEANINGS, Availability
from lms_bridge.domain.clock import OVERLAP
from lms_bridge.domain.model import EnrolmentStatus, Flow, Kind, Level, Modality, OfferingStatus
from lms_bridge.domain.network import MembershipStatus
from lms_bridge.domain.reviews import ReviewPoint
from lms_bridge.schemas.fields import Choice, Line, Lines, Moment, RichText
from lms_bridge.schemas.records import LearnerId, LearnerSchema

MOST = 100
"""The most entries on one page."""


class ChangedSince(Moment):
    """Since when somebody follows changes. What changed a little earlier is listed, too."""

    def __init__(self) -> None:
        super().__init__(
            metadata={"description": "Changed then, later, or in the ten minutes before."}
        )

    def _deserialize(self, *given: Any, **named: Any) -> Any:
        moment = super()._deserialize(*given, **named)
        return None if moment is None else moment - OVERLAP


class PageParams(Schema):
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


class OfCentreParams(PageParams):
    centre = Line(longest=40, metadata={"description": "Of this centre alone."})


class CentresParams(PageParams):
    region = Line(longest=40, metadata={"description": "The key of a region, as `africa`."})
    cycle = Line(longest=40, metadata={"description": "Has a membership in this cycle."})
    status = Choice(
        MembershipStatus,
        metadata={"description": "What it is today by its memberships, or by those in `cycle`."},
    )
    area = Line(
        longest=255,
        metadata={
            "description": "Has this priority area, by its present or a former name, in the "
            "memberships that `cycle` and `status` leave; without these, today."
        },
    )


class OfferingsParams(OfCentreParams):
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
    availability = Choice(
        Availability,
        metadata={
            "description": "What the dates say now: "
            + "; ".join(f"`{word}`: {meaning}" for word, meaning in MEANINGS.items())
        },
    )
    language = Line(longest=35, metadata={"description": "As offerings name it: `en`."})
    starts_from = Moment(metadata={"description": "Starts then or later."})
    starts_to = Moment(
        end_of_day=True, metadata={"description": "Starts then or earlier; a date counts whole."}
    )
    text = Line(
        longest=100,
        metadata={
            "description": "Words in the texts, topics or centre's names. Accents and case do "
            "not matter, and of the last word the beginning is enough."
        },
    )
    modified_since = ChangedSince()


class RegistrationsParams(OfCentreParams):
    offering = Line(longest=80, metadata={"description": "In the offering of this code."})
    learner = Line(longest=100, metadata={"description": "Of the learner of this Academy id."})
    status = Choice(EnrolmentStatus)
    modified_since = ChangedSince()


class ResultsParams(OfCentreParams):
    offering = Line(longest=80, metadata={"description": "In the offering of this code."})
    learner = Line(longest=100, metadata={"description": "Of the learner of this Academy id."})
    modified_since = ChangedSince()


class HoldsParams(OfCentreParams):
    status = fields.String(
        load_default="pending",
        validate=validate.OneOf(["pending", "approved", "rejected", "outdated", "settled", "all"]),
    )


class ItemsParams(PageParams):
    kind = Choice(Kind)
    state = Line(longest=30, metadata={"description": "What it came to, as `failed`."})
    offering = Line(
        longest=80,
        metadata={"description": "The offering of this code, or an enrolment or result in it."},
    )
    learner = Line(
        longest=100,
        metadata={"description": "The learner of this Academy id, or their enrolment or result."},
    )


class ReasonSchema(Schema):
    """Why something is done; kept with the offering, for whoever looks at it next."""

    reason = Line(longest=1000, load_default="")


class ObjectionSchema(ReasonSchema):
    """Why an outline or a report is sent back, and which of the experts' points it is about."""

    point = Choice(ReviewPoint, load_default=None, allow_none=True)


class ReportSchema(ReasonSchema):
    """What the coordinator writes after a training. The bridge adds its own counts."""

    summary = RichText(load_default="")
    evaluation = RichText(load_default="")
    difficulties = RichText(load_default="")
    recommendations = RichText(load_default="")


class CommentSchema(Schema):
    """A comment on one of the experts' five points."""

    point = Choice(ReviewPoint, required=True)
    text = RichText(required=True, validate=validate.Length(min=1, error="is empty"))


class OutlineSchema(Schema):
    """What a centre says of a training besides the offering's own fields."""

    mandate = RichText(
        load_default="", metadata={"description": "Why it is relevant to the ITU mandate."}
    )
    membership = RichText(
        load_default="", metadata={"description": "Why it is relevant to the membership."}
    )
    instructors = Lines(load_default=())
    grading = RichText(load_default="", metadata={"description": "How participants are graded."})
    notes = RichText(load_default="")


class CompletionSchema(Schema):
    """Fields of an offering, in the form of a schedule's rows. Their values are checked with the
    offering's other fields, so they are taken as they come here."""

    class Meta:
        unknown = INCLUDE


class CertifySchema(Schema):
    """Whose certificates are released: those of the named learners, or of all who completed."""

    learners = fields.List(
        LearnerId(longest=100), load_default=list, validate=validate.Length(max=1000)
    )


class RegisterSchema(Schema):
    learner = fields.Nested(
        LearnerSchema, required=True, error_messages={"type": "is not a person"}
    )


class QuestionsSchema(Schema):
    """What the organiser asks whoever registers, in its order. Each question is answered."""

    questions = fields.List(
        Line(longest=300, required=True),
        required=True,
        validate=validate.Length(max=20),
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


class RunFlowsSchema(Schema):
    """Which flows are to run: all, unless some are named."""

    flows = fields.List(Choice(Flow), load_default=list, validate=validate.Length(max=3))
