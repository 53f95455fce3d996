"""Schedules as centres push them: JSON, CSV or iCalendar, one row at a time (docs/api.md)."""

from lms_bridge.schemas.schedule.bodies import (
    CALENDAR,
    CSV,
    FORMATS,
    JSON,
    MOST_BYTES,
    MOST_ROWS,
    Body,
)
from lms_bridge.schemas.schedule.rows import PushedRow
from lms_bridge.schemas.schedule.schema import PushedOfferingSchema

__all__ = [
    "CALENDAR",
    "CSV",
    "FORMATS",
    "JSON",
    "MOST_BYTES",
    "MOST_ROWS",
    "Body",
    "PushedOfferingSchema",
    "PushedRow",
]
