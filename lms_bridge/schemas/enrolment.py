"""Registrations, rosters and results as sources send them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields, post_load, validates_schema

from lms_bridge.domain.identity import email_key
from lms_bridge.domain.model import EnrolmentStatus, Learner
from lms_bridge.schemas.fields import Amount, Choice, Line, Moment
from lms_bridge.schemas.offering import LocalSchema

LONGEST_EMAIL = 254
_EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;.]+(?:\.[^@\s<>,;.]+)+")
_STABLE_ID = re.compile(r"[\w.@:+-]{1,100}")
_SCORE = {"least": Decimal(-1_000_000), "most": Decimal(1_000_000)}


class LearnerSchema(LocalSchema):
    """A person as the Academy sends them. ``id`` is the Academy's stable id."""

    id = Line(required=True, longest=100)
    given_name = Line(load_default="", longest=100)
    family_name = Line(load_default="", longest=100)
    email = Line(required=True, longest=LONGEST_EMAIL)
    language = Line(load_default="", longest=35)
    country = Line(load_default="", longest=2)

    @validates_schema
    def _usable(self, data: dict[str, Any], **_: Any) -> None:
        if not _STABLE_ID.fullmatch(data["id"]):
            raise ValidationError("has characters other than letters, digits and . _ @ : + -", "id")
        if not _EMAIL.fullmatch(data["email"]):
            raise ValidationError("is not an e-mail address", "email")
        if len(email_key(data["email"])) > LONGEST_EMAIL:
            raise ValidationError(f"is longer than {LONGEST_EMAIL} characters", "email")
        if not (data["given_name"] or data["family_name"]):
            raise ValidationError("is empty, and so is the family name", "given_name")

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Learner:
        return Learner(academy_id=data.pop("id"), **data)


class RegistrationSchema(LocalSchema):
    """One registration. ``offering`` is the offering's external id at the Academy or its code."""

    offering = Line(required=True, longest=255)
    learner = fields.Nested(
        LearnerSchema, required=True, error_messages={"type": "is not a person"}
    )
    status = Choice(EnrolmentStatus, required=True)
    starts_at = Moment(allow_none=True, load_default=None)
    ends_at = Moment(end_of_day=True, allow_none=True, load_default=None)

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
    completed = fields.Boolean(load_default=False, error_messages={"invalid": "is not yes or no"})
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
