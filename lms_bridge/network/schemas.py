"""The API's schemas of cycles, areas, memberships, roll-overs and profiles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from marshmallow import Schema, fields, validate

from lms_bridge.domain.document import document
from lms_bridge.domain.network import Cycle, MembershipStatus
from lms_bridge.network.figures import NAMES
from lms_bridge.schemas.fields import Choice, Line, Lines, Moment
from lms_bridge.schemas.load import complaint
from lms_bridge.schemas.params import PageParams
from lms_bridge.schemas.parts import StrictInteger
from lms_bridge.schemas.responses import MembershipResponse

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Day(fields.Date):
    """A day, as ISO 8601 writes it: 2026-03-31."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> Any:
        try:
            if isinstance(value, str) and _DAY.fullmatch(value):
                return date.fromisoformat(value)
        except ValueError:
            pass  # the 31st of February
        raise complaint("is not a date such as 2026-03-31", "not-a-date")


class CycleResponse(Schema):
    name = fields.String()
    programme = fields.String()
    starts_on = fields.Date()
    ends_on = fields.Date(allow_none=True, metadata={"description": "Its last day; null: none."})
    status = Choice(MembershipStatus, metadata={"description": "What it is today."})
    complete = fields.Boolean(metadata={"description": "Whether the list of areas is whole."})
    most_per_centre = fields.Integer(
        allow_none=True,
        metadata={"description": "Most areas of a centre; null: unknown."},
    )
    areas = Lines()
    former = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "`{name before: area now}` of areas renamed or merged."},
    )


def cycle_document(record: Cycle, today: date) -> dict[str, Any]:
    return {**document(record), "status": str(record.period.status(today))}


class _CycleFields(Schema):
    programme = Line(longest=255)
    ends_on = Day(allow_none=True, metadata={"description": "Its last day; null: none."})
    complete = fields.Boolean()
    most_per_centre = StrictInteger(allow_none=True, validate=validate.Range(1, 100))
    overlap = fields.Boolean(
        load_default=False,
        metadata={"description": "Whether it may share days with another cycle."},
    )


class NewCycleSchema(_CycleFields):
    name = Line(longest=40, required=True)
    starts_on = Day(required=True)
    areas = Lines(load_default=(), most=200)
    areas_of = Line(
        longest=40, load_default="", metadata={"description": "Takes the areas of this cycle."}
    )


class CycleChangeSchema(_CycleFields):
    starts_on = Day()


class AreaSchema(Schema):
    name = Line(longest=255, required=True)


class RenameSchema(Schema):
    area = Line(longest=255, required=True)
    name = Line(longest=255, required=True, metadata={"description": "Its new name."})


class MergeSchema(Schema):
    areas = Lines(required=True, most=200)
    into = Line(longest=255, required=True, metadata={"description": "The area that stays."})


class MembershipsParams(PageParams):
    centre = Line(longest=40)
    region = Line(longest=40, metadata={"description": "The key of a region, as `africa`."})
    cycle = Line(longest=40)
    status = Choice(MembershipStatus, metadata={"description": "What it is today."})


class NewMembershipSchema(Schema):
    centre = Line(longest=40, required=True)
    cycle = Line(longest=40, required=True)
    starts_on = Day(allow_none=True, load_default=None)
    ends_on = Day(allow_none=True, load_default=None)
    priority_areas = Lines(load_default=())
    reason = Line(longest=1000, load_default="")


class EndSchema(Schema):
    last_day = Day(required=True)
    reason = Line(longest=1000, load_default="")


class RenewSchema(Schema):
    starts_on = Day(
        allow_none=True,
        load_default=None,
        metadata={"description": "The first day again, of one that is over; null: today."},
    )
    ends_on = Day(
        allow_none=True, load_default=None, metadata={"description": "null: that of the cycle."}
    )
    reason = Line(longest=1000, load_default="")


class AreasSchema(Schema):
    priority_areas = Lines(required=True)


class DecidedResponse(Schema):
    """A membership after a decision."""

    membership = fields.Nested(MembershipResponse)
    warnings = fields.List(fields.String())
    offerings = fields.List(
        fields.String(),
        metadata={"description": "Codes of offerings on offer that start after its last day."},
    )


class MoveSchema(Schema):
    region = Line(longest=40, required=True, metadata={"description": "Key of the new region."})
    moved_on = Day(
        allow_none=True,
        load_default=None,
        metadata={"description": "Its first day in the new region; null: today."},
    )


class ProfileSchema(Schema):
    """Fields of a profile; those that are not named stay."""

    names = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 35)),
        values=Line(longest=255),
        metadata={"description": "`{language: name}`; an empty name is removed."},
    )
    country = Line(longest=2)
    city = Line(longest=255)
    site = Line(longest=2000)
    contact = Line(longest=255)
    logo = Line(longest=2000, metadata={"description": "The address of an image; https."})


class RollOverParams(PageParams):
    status = fields.String(
        load_default="pending",
        validate=validate.OneOf(["pending", "approved", "rejected", "outdated", "all"]),
    )


class RollOverSchema(Schema):
    """A plan that takes the centres of a region from one cycle to the next."""

    region = Line(longest=40, required=True)
    old = Line(longest=40, required=True, metadata={"description": "The cycle that ends."})
    new = Line(longest=40, required=True, metadata={"description": "The cycle that begins."})
    leave = Lines(
        load_default=(), most=1000, metadata={"description": "Centres that are not taken over."}
    )
    areas = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 40)),
        values=Lines(),
        load_default=dict,
        metadata={"description": "`{centre: areas in the new cycle}`, where they change."},
    )


class RollOverLineResponse(Schema):
    centre = fields.String()
    action = fields.String(metadata={"description": "`take`, `leave` or `stays`."})
    why = fields.String()
    old_ends_on = fields.String(
        allow_none=True, metadata={"description": "The last day in the old cycle."}
    )
    new_starts_on = fields.String(allow_none=True)
    areas_before = Lines()
    areas_after = Lines()
    dropped = Lines(metadata={"description": "Areas that the new cycle does not have."})


class RollOverResponse(Schema):
    number = fields.Integer()
    region = fields.String()
    old = fields.String()
    new = fields.String()
    status = fields.String()
    lines = fields.List(fields.Nested(RollOverLineResponse))
    made_at = Moment()
    made_by = fields.String()
    decided_at = Moment(allow_none=True)
    decided_by = fields.String()


class ReportParams(Schema):
    region = Line(
        longest=40,
        load_default="",
        metadata={"description": "Only what was given in this region."},
    )
    centre = Line(
        longest=40, load_default="", metadata={"description": "Only what this centre gave."}
    )
    format = fields.String(load_default="json", validate=validate.OneOf(["json", "csv"]))


def _figures() -> dict[str, Any]:
    numbers: dict[str, Any] = {name: fields.Integer() for name in NAMES}
    return numbers | {"completion_percent": fields.Float(allow_none=True)}


FiguresResponse = Schema.from_dict(_figures(), name="Figures")
CentreFiguresResponse = Schema.from_dict(
    {
        **{name: fields.String() for name in ("centre", "name", "region")},
        **_figures(),
    },
    name="CentreFigures",
)
RegionFiguresResponse = Schema.from_dict(
    {"region": fields.String(), **_figures()}, name="RegionFigures"
)


class ReportResponse(Schema):
    """What the network did in a year. A course of several centres counts at each, and once in a
    region and in the total."""

    year = fields.Integer()
    least_courses = fields.Integer(
        metadata={"description": "The courses that a centre gives in a year at least."}
    )
    centres = fields.List(fields.Nested(CentreFiguresResponse))
    regions = fields.List(fields.Nested(RegionFiguresResponse))
    total = fields.Nested(FiguresResponse)
