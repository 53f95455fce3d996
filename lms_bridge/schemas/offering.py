"""Offerings as sources send them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marshmallow import (
    EXCLUDE,
    Schema,
    fields,
    post_load,
    pre_load,
    validates_schema,
)

from lms_bridge.domain.model import (
    Level,
    Meeting,
    Modality,
    OfferingStatus,
    RegistrationType,
)
from lms_bridge.schemas.complaints import complaint
from lms_bridge.schemas.fields import Amount, Choice, Line, Lines, Moment, RichText, Zone
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
    ends_at = Moment(required=True)
    place = Line(load_default="")

    @validates_schema
    def _in_order(self, data: dict[str, Any], **_: Any) -> None:
        if data["ends_at"] <= data["starts_at"]:
            raise complaint("is not after the start", "wrong-order", "ends_at")

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Meeting:
        return Meeting(**data)


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
    seats = StrictInteger(
        allow_none=True,
        load_default=None,
        validate=lambda seats: _between(seats, 0, 1_000_000),
    )
    price = Amount(least=Decimal(0), most=_MILLION, allow_none=True, load_default=None)
    currency = Line(longest=3, load_default="")
    payment_methods = Lines(load_default=())
    languages = Lines(load_default=())
    topics = Lines(load_default=())
    coordinators = Lines(load_default=())
    organisers = Lines(load_default=())
    location = Line(load_default="")
    description = RichText(load_default="")
    audience = RichText(load_default="")
    requirements = RichText(load_default="")
    objectives = RichText(load_default="")
    address = Line(longest=2000, load_default="")
    lms_course = Line(longest=255, load_default="")
    meetings = fields.List(fields.Nested(MeetingSchema), load_default=list)

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
        if data["price"] is not None and not data["currency"]:
            data["currency"] = "USD"
        return data


def _between(number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise complaint(f"is not between {least} and {most}", "out-of-range")


def _not_before(data: dict[str, Any], first: str, last: str, text: str) -> None:
    opens, closes = data.get(first), data.get(last)
    if opens and closes and closes < opens:
        raise complaint(text, "wrong-order", last)
