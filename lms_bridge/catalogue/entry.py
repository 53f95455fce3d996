"""One offering of the public catalogue as feeds show it, with lasting identifiers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from hashlib import blake2b
from typing import Any, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from lms_bridge.domain.dates import zone_of
from lms_bridge.domain.document import Json, decimal_of
from lms_bridge.domain.model import (
    Level,
    Meeting,
    Modality,
    Offering,
    OfferingStatus,
    RegistrationType,
)
from lms_bridge.domain.translations import matching, usable
from lms_bridge.schemas.fields import has_user


@dataclass(frozen=True, slots=True)
class Addresses:
    """Absolute addresses under ``base``, the bridge's own public address without a last slash."""

    base: str

    def under(self, path: str, **params: str) -> str:
        """A path of this server with a query; empty texts are left out."""
        query = urlencode({name: value for name, value in params.items() if value})
        return f"{self.base}{path}?{query}" if query else f"{self.base}{path}"

    @property
    def catalogue(self) -> str:
        return f"{self.base}/catalogue"

    def offering(self, code: str) -> str:
        """The page of an offering."""
        return f"{self.base}/catalogue/{quote(code, safe='/')}"


_SPACE = UUID("5d2c4c0e-5f0a-5b6e-9d4b-0c6a1f6b7e21")
"""The name space of this software's own names."""
_NUMBERS = 1 << 48


class IdentifierKind(IntEnum):
    """What an identifier is of."""

    OFFERING = 1
    COURSE = 2


def stable_id(*parts: str) -> UUID:
    """An identifier made of names alone (version 5): the same wherever the names are the same,
    also after the bridge was set up anew."""
    return uuid5(_SPACE, "\n".join(parts))


def record_identifier(of: IdentifierKind, record_id: int, name: str) -> UUID:
    """An identifier that contains the record's number (version 8, section 5.8). It has 48 bits of
    number, then its kind, then a hash of the name. So two bridges never make the same one.

    Raises:
        ValueError: the number is negative or has more than 48 bits.
    """
    if not 0 <= record_id < _NUMBERS:
        raise ValueError("the number does not fit an identifier")
    mark = int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "big")
    whole = record_id << 80 | 8 << 76 | of << 64 | 2 << 62 | mark >> 2
    return UUID(int=whole)


def record_id_of(identifier: str, of: IdentifierKind) -> int | None:
    """The record's number in a findable identifier of that kind; None where it is not one. Whether
    the record's identifier is really this one is for the caller to see."""
    try:
        given = UUID(identifier)
    except ValueError:
        return None
    if given.version != 8 or given.int >> 64 & 0xFFF != of:
        return None
    return given.int >> 80


def academy_id() -> UUID:
    """The Academy itself: what the centres belong to."""
    return stable_id("academy")


def provider_id(code: str) -> UUID:
    return stable_id("centre", code)


def offering_id(entry: CatalogueEntry) -> UUID:
    return record_identifier(IdentifierKind.OFFERING, entry.record_id, entry.offering.code)


def course_id(entry: CatalogueEntry) -> UUID:
    name = f"{entry.provider.code}\n{entry.offering.course_code}"
    return record_identifier(IdentifierKind.COURSE, entry.course_id, name)


Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Provider:
    """The centre that gives an offering, with its public facts."""

    code: str
    name: str
    region: str
    country: str
    sample: bool


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One offering of the catalogue.

    ``offering`` has no coordinators and no ``lms_course``: these are not public.
    ``changed_at`` is when the Academy last took something in about it (UTC); None where the audit
    does not know. ``withdrawn`` says that the catalogue showed it once and does so no longer.
    """

    record_id: int
    course_id: int
    offering: Offering
    provider: Provider
    changed_at: datetime | None = None
    withdrawn: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that the offering's days are meant in."""
        return zone_of(self.offering.time_zone)

    def in_language(self, wanted: Sequence[str]) -> CatalogueEntry:
        """The same with the texts of the first of these languages that the offering has."""
        translations = self.offering.translations
        found = matching(translations, wanted)
        texts: dict[str, Any] = dict(translations[found]) if found else {}
        return replace(self, offering=replace(self.offering, **texts)) if texts else self


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
        hours=decimal_of(fields.get("hours")),
        registration=_word(RegistrationType, fields.get("registration")) or RegistrationType.DIRECT,
        registration_opens=_moment(fields.get("registration_opens")),
        registration_closes=_moment(fields.get("registration_closes")),
        seats=_whole(fields.get("seats")),
        price=decimal_of(fields.get("price")),
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
        translations=usable(fields.get("translations")),
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


def _whole(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _web_address(address: str) -> str:
    """An address that a reader may follow: anything else could be a script."""
    usable = address.startswith(("https://", "http://")) and not has_user(address)
    return address if usable else ""


def _meetings(value: Json) -> Iterable[Meeting]:
    for each in value if isinstance(value, list) else []:
        if not isinstance(each, dict):
            continue
        starts, ends = _moment(each.get("starts_at")), _moment(each.get("ends_at"))
        if starts is not None and ends is not None:
            yield Meeting(starts, ends, _text(each, "place"))
