"""What a feed is made of: one offering as the Academy acknowledged it, and its centre."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from lms_bridge.domain.document import Json
from lms_bridge.domain.model import (
    Level,
    Meeting,
    Modality,
    Offering,
    OfferingStatus,
    RegistrationType,
)

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Giver:
    """The centre that gives an offering, as far as the public is told."""

    code: str
    name: str
    region: str
    country: str
    sample: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One offering of the catalogue.

    ``offering`` has no coordinators and no ``lms_course``: the public is not told of them.
    ``changed_at`` is when the Academy last took something in about it (UTC); None where the audit
    does not know. ``withdrawn`` says that the catalogue showed it once and does so no longer.
    """

    record_id: int
    course_id: int
    offering: Offering
    giver: Giver
    changed_at: datetime | None = None
    withdrawn: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that the offering's days are meant in."""
        try:
            return ZoneInfo(self.offering.time_zone)
        except (ValueError, OSError, LookupError):
            return ZoneInfo("UTC")


def public_offering(code: str, centre: str, fields: Mapping[str, Json]) -> Offering:
    """The offering of an acknowledged document.

    The Academy may hold values that the bridge would never send; one that makes no sense here
    counts as not given, so that it spoils no feed.
    """
    return Offering(
        code=code,
        centre=centre,
        course_code=_text(fields, "course_code") or code,
        title=_text(fields, "title") or code,
        modality=_word(Modality, fields.get("modality")),
        level=_word(Level, fields.get("level")),
        status=_word(OfferingStatus, fields.get("status")) or OfferingStatus.PUBLISHED,
        starts_at=_moment(fields.get("starts_at")),
        ends_at=_moment(fields.get("ends_at")),
        time_zone=_text(fields, "time_zone") or "UTC",
        hours=_amount(fields.get("hours")),
        registration=_word(RegistrationType, fields.get("registration")) or RegistrationType.DIRECT,
        registration_opens=_moment(fields.get("registration_opens")),
        registration_closes=_moment(fields.get("registration_closes")),
        seats=_whole(fields.get("seats")),
        price=_amount(fields.get("price")),
        currency=_text(fields, "currency"),
        payment_methods=_texts(fields.get("payment_methods")),
        languages=_texts(fields.get("languages")),
        topics=_texts(fields.get("topics")),
        organisers=_texts(fields.get("organisers")),
        location=_text(fields, "location"),
        description=_text(fields, "description"),
        audience=_text(fields, "audience"),
        requirements=_text(fields, "requirements"),
        objectives=_text(fields, "objectives"),
        address=_web_address(_text(fields, "address")),
        meetings=tuple(_meetings(fields.get("meetings"))),
    )


def _text(fields: Mapping[str, Json], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _texts(value: Json) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, str))


def _word(words: type[Word], value: Json) -> Word | None:
    try:
        return words(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _moment(value: Json) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and value else None
        return moment.astimezone(UTC) if moment is not None else None
    except (ValueError, OverflowError):
        return None


def _amount(value: Json) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _whole(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _web_address(address: str) -> str:
    """An address that a reader may follow: anything else could be a script."""
    return address if address.startswith(("https://", "http://")) else ""


def _meetings(value: Json) -> Iterable[Meeting]:
    for each in value if isinstance(value, list) else []:
        if not isinstance(each, dict):
            continue
        starts, ends = _moment(each.get("starts_at")), _moment(each.get("ends_at"))
        if starts is not None and ends is not None:
            yield Meeting(starts, ends, _text(each, "place"))
