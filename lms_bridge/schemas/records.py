"""Offerings, registrations, rosters and results as sources send them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from marshmallow import (
    EXCLUDE,
    Schema,
    ValidationError,
    fields,
    post_load,
    pre_load,
    validates_schema,
)

from lms_bridge.domain.model import (
    EnrolmentStatus,
    Learner,
    Level,
    Meeting,
    Modality,
    OfferingStatus,
    RegistrationType,
)
from lms_bridge.schemas import codes
from lms_bridge.schemas.fields import (
    Amount,
    Choice,
    Email,
    Languages,
    Line,
    Lines,
    Moment,
    RichText,
    StandardCode,
    WebAddress,
    Zone,
)
from lms_bridge.schemas.load import complaint
from lms_bridge.schemas.parts import StrictInteger

_MILLION = Decimal(1_000_000)


class LocalSchema(Schema):
    """A schema whose times without an offset are meant in ``default_zone``."""

    class Meta:
        unknown = EXCLUDE

    def __init__(self, *, default_zone: str = "UTC", **options: Any) -> None:
        super().__init__(**options)
        self.default_zone = default_zone


class MeetingSchema(LocalSchema):
    starts_at = Moment(required=True)
    ends_at = Moment(required=True, end_of_day=True)
    place = Line(load_default="")

    @validates_schema
    def _in_order(self, data: dict[str, Any], **_: Any) -> None:
        if data["ends_at"] <= data["starts_at"]:
            raise complaint("is not after the start", "wrong-order", "ends_at")

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Meeting:
        return Meeting(**data)


MOST_LANGUAGES = 50


class TextsSchema(Schema):
    """An offering's texts in one language."""

    title = Line()
    location = Line()
    description = RichText()
    audience = RichText()
    requirements = RichText()
    objectives = RichText()


class Translations(fields.Dict):
    """{BCP 47 tag: texts}. Empty texts, and languages without any, are left out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(StandardCode(codes.language), fields.Nested(TextsSchema), **options)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> dict[str, dict[str, str]]:
        if isinstance(value, dict) and len(value) > MOST_LANGUAGES:
            raise complaint(f"has more than {MOST_LANGUAGES} languages", "too-many")
        loaded = super()._deserialize(value, *args, **options)  # type: ignore[no-untyped-call]  # forgotten there
        full = {
            tag: {n: text for n, text in texts.items() if text} for tag, texts in loaded.items()
        }
        return {tag: texts for tag, texts in full.items() if tag and texts}


class Seats(StrictInteger):
    example = "; ".join((StrictInteger.example, "leave it empty where there is no limit"))


class OfferingSchema(LocalSchema):
    """An offering's fields, as any source may send them.

    Only ``title`` is required. Loading gives the keyword arguments of ``Offering`` less ``code``
    and ``centre``, which are the bridge's to decide.
    """

    title = Line(required=True)
    course_code = Line(longest=100, load_default="")
    modality = Choice(Modality, allow_none=True, load_default=None)
    level = Choice(Level, allow_none=True, load_default=None)
    status = Choice(OfferingStatus, load_default=OfferingStatus.PUBLISHED)
    starts_at = Moment(allow_none=True, load_default=None)
    ends_at = Moment(end_of_day=True, allow_none=True, load_default=None)
    time_zone = Zone()
    hours = Amount(least=Decimal(0), most=Decimal(10_000), allow_none=True, load_default=None)
    registration = Choice(RegistrationType, load_default=RegistrationType.DIRECT)
    registration_opens = Moment(allow_none=True, load_default=None)
    registration_closes = Moment(end_of_day=True, allow_none=True, load_default=None)
    seats = Seats(
        allow_none=True,
        load_default=None,
        validate=lambda seats: _between(seats, 0, 1_000_000),
    )
    price = Amount(
        least=Decimal(0),
        most=_MILLION,
        remark="leave it empty where there is no price",
        allow_none=True,
        load_default=None,
    )
    currency = StandardCode(codes.currency, load_default="")
    payment_methods = Lines(load_default=())
    languages = Languages(load_default=())
    topics = Lines(load_default=())
    coordinators = Lines(load_default=())
    organisers = Lines(load_default=())
    location = Line(load_default="")
    description = RichText(load_default="")
    audience = RichText(load_default="")
    requirements = RichText(load_default="")
    objectives = RichText(load_default="")
    address = WebAddress(longest=2000, load_default="")
    lms_course = Line(longest=255, load_default="")
    meetings = fields.List(fields.Nested(MeetingSchema), load_default=list)
    translations = Translations(load_default=dict)

    @pre_load
    def _meetings_in_zone(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Meetings that name no time zone are meant in their offering's."""
        meetings = data.get("meetings")
        if not isinstance(meetings, list):
            return data
        zone = data.get("time_zone") or self.default_zone
        return {
            **data,
            "meetings": [
                {"time_zone": zone, **meeting} if isinstance(meeting, dict) else meeting
                for meeting in meetings
            ],
        }

    @validates_schema
    def _dates_in_order(self, data: dict[str, Any], **_: Any) -> None:
        _not_before(data, "starts_at", "ends_at", "is before the start")
        _not_before(
            data, "registration_opens", "registration_closes", "is before the registration opens"
        )

    @post_load
    def _complete(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        data.setdefault("time_zone", self.default_zone)
        data["meetings"] = tuple(data["meetings"])
        return data


def _between(number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise complaint(
            codes.refusal(str(number), f"is not between {least} and {most}"), "out-of-range"
        )


def _not_before(data: dict[str, Any], first: str, last: str, text: str) -> None:
    opens, closes = data.get(first), data.get(last)
    if opens and closes and closes < opens:
        raise complaint(text, "wrong-order", last)


LONGEST_EMAIL = 254
_STABLE_ID = re.compile(r"([\w.-]{1,40}~)?[\w.@:+-]{1,100}")
_SCORE: dict[str, Any] = {"least": Decimal(-1_000_000), "most": Decimal(1_000_000)}


class LearnerId(Line):
    """The Academy's stable id of a person."""

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        text = super()._deserialize(value, *args, **options)
        if not _STABLE_ID.fullmatch(text):
            raise complaint("has characters other than letters, digits and . _ @ : + -", "invalid")
        return text


class LearnerSchema(LocalSchema):
    """A person as the Academy sends them. ``id`` is the Academy's stable id."""

    id = LearnerId(required=True, longest=100)
    given_name = Line(load_default="", longest=100)
    family_name = Line(load_default="", longest=100)
    email = Email(required=True, longest=LONGEST_EMAIL)
    language = StandardCode(codes.language, personal=True, load_default="")
    country = StandardCode(codes.country, personal=True, load_default="")

    @validates_schema
    def _usable(self, data: dict[str, Any], **_: Any) -> None:
        if not (data["given_name"] or data["family_name"]):
            raise ValidationError("is empty, and so is the family name", "given_name")

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Learner:
        return Learner(academy_id=data.pop("id"), **data)


class RegistrationSchema(LocalSchema):
    """One registration. ``offering`` is the offering's external id at the Academy or its code.

    ``account`` says whose id the learner's is, for the message about one that cannot be used.
    ``status_without_place`` counts instead of the status for learners who never had a place.
    """

    offering = Line(required=True, longest=255)
    learner = fields.Nested(
        LearnerSchema, required=True, error_messages={"type": "is not a person"}
    )
    status = Choice(EnrolmentStatus, required=True)
    status_without_place = Choice(EnrolmentStatus, allow_none=True, load_default=None)
    starts_at = Moment(allow_none=True, load_default=None)
    ends_at = Moment(end_of_day=True, allow_none=True, load_default=None)

    @pre_load
    def _usable_id(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        account, learner = data.get("account"), data.get("learner")
        if not account or not isinstance(learner, dict):
            return data
        given = str(learner.get("id") or "")
        if not _STABLE_ID.fullmatch(given):
            which = str(account)
            what = f'of {which} is "{given}"' if given else f"of {which} is empty"
            remedy = "Give the account an ID number of letters, digits and the signs . _ @ : + -"
            raise complaint(f"{what}. {remedy}", "invalid", "learner.id")
        return data

    @validates_schema
    def _dates_in_order(self, data: dict[str, Any], **_: Any) -> None:
        starts, ends = data.get("starts_at"), data.get("ends_at")
        if starts and ends and ends < starts:
            raise ValidationError("is before the start", "ends_at")


class ResultSchema(LocalSchema):
    """One learner's result. A score without a scale is on 0 to 100."""

    score = Amount(allow_none=True, load_default=None, **_SCORE)
    scale_min = Amount(load_default=Decimal(0), **_SCORE)
    scale_max = Amount(load_default=Decimal(100), **_SCORE)
    completed = fields.Boolean(
        allow_none=True, load_default=None, error_messages={"invalid": "is not true or false"}
    )
    completed_at = Moment(allow_none=True, load_default=None)
    graded_at = Moment(allow_none=True, load_default=None)

    @validates_schema
    def _on_scale(self, data: dict[str, Any], **_: Any) -> None:
        if data["score"] is not None and data["scale_max"] <= data["scale_min"]:
            raise ValidationError("is not above the lowest score", "scale_max")


class RosterSchema(LocalSchema):
    """One person on a roster, as far as the bridge needs them."""

    state = fields.String(
        required=True, validate=lambda state: _one_of(state, ("active", "suspended"))
    )


def _one_of(value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValidationError(f"is not one of: {', '.join(allowed)}")
