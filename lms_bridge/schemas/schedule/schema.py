"""The schema of offerings for those who are there to be asked: nothing is left out or guessed."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, fields, post_load

from lms_bridge.domain.model import Meeting
from lms_bridge.schemas.fields import Zone
from lms_bridge.schemas.offering import MeetingSchema, OfferingSchema


class PushedMeetingSchema(MeetingSchema):
    """A meeting, whose local times are meant in its ``time_zone`` or in its offering's."""

    class Meta:
        unknown = RAISE

    exact_times = True
    time_zone = Zone()

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Meeting:
        data.pop("time_zone", None)
        return Meeting(**data)


class PushedOfferingSchema(OfferingSchema):
    """An offering of a pushed schedule: a field that is not known is refused, and so is a local
    time that comes twice."""

    class Meta:
        unknown = RAISE

    exact_times = True
    meetings = fields.List(fields.Nested(PushedMeetingSchema), load_default=list)
