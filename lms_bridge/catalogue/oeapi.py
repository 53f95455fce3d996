"""JSON in the shape of the Open Education API (OEAPI), version 5: courses, offerings, centres.

The specification requires some fields that the bridge does not know. The level is ``undefined``,
and the language of an offering without one is ``und``. Other fields are in ``ext``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from lms_bridge.catalogue.entry import (
    Addresses,
    CatalogueEntry,
    Provider,
    academy_id,
    course_id,
    offering_id,
    provider_id,
)
from lms_bridge.catalogue.text import UNKNOWN, first_and_last_day, line, plain, three_letters, utc
from lms_bridge.domain.dates import first_day, is_dated, last_day, registration_end
from lms_bridge.domain.model import Modality
from lms_bridge.domain.translations import main_language

PAGE_SIZES = (10, 20, 50, 100, 250)
ACADEMY_NAME = "ITU Academy"
DELIVERY = {
    Modality.INSTRUCTOR_LED: ("online", "distance-learning"),
    Modality.SELF_PACED: ("online", "distance-learning"),
    Modality.FACE_TO_FACE: ("on campus",),
    Modality.BLENDED: ("hybrid",),
}
LEVEL = "undefined"
NO_CURRENCY = "XXX"
"""ISO 4217: no currency. The specification requires one, also of what is free."""
_LONGEST_ABBREVIATION = 256
_OPEN_FROM, _OPEN_UNTIL = date(1970, 1, 1), date(9999, 12, 31)
Node = dict[str, Any]


def page(items: Sequence[Node], *, number: int, size: int, total: int) -> Node:
    """One page of a list, with the fields of the specification's pagination."""
    pages = max(1, -(-total // size))
    return {
        "pageSize": size,
        "pageNumber": number,
        "hasPreviousPage": number > 1,
        "hasNextPage": number < pages,
        "totalPages": pages,
        "items": list(items),
    }


def course(entry: CatalogueEntry, addresses: Addresses) -> Node:
    """A course with the data of its newest offering."""
    offering = entry.offering
    node: Node = {
        "courseId": str(course_id(entry)),
        "primaryCode": {"codeType": "identifier", "code": offering.course_code},
        "name": _typed(entry, "title"),
        "abbreviation": line(offering.course_code)[:_LONGEST_ABBREVIATION],
        "description": _description(entry),
        "teachingLanguage": _language(entry),
        "level": LEVEL,
        "link": addresses.under("/catalogue", text=offering.course_code),
        "organization": str(provider_id(entry.provider.code)),
        "ext": _ext(entry),
    }
    if offering.modality is not None:
        node["modeOfDelivery"] = list(DELIVERY[offering.modality])
    if offering.hours:
        node["studyLoad"] = {"studyLoadUnit": "hour", "value": float(offering.hours)}
    for name, field in (
        ("qualificationRequirements", "requirements"),
        ("admissionRequirements", "audience"),
    ):
        if getattr(offering, field):
            node[name] = _typed(entry, field, plain)
    if offering.objectives:
        node["learningOutcomes"] = [_typed(entry, "objectives", plain)]
    return node


def offering(entry: CatalogueEntry, addresses: Addresses) -> Node:
    """An offering of a course. One that may be begun at any time starts with its registration and
    has no end that anybody knows of; then ``flexibleEntryPeriodStart`` says so."""
    given = entry.offering
    node: Node = {
        "offeringId": str(offering_id(entry)),
        "primaryCode": {"codeType": "offeringCode", "code": given.code},
        "offeringType": "course",
        "name": _typed(entry, "title"),
        "abbreviation": line(given.code)[:_LONGEST_ABBREVIATION],
        "description": _description(entry),
        "teachingLanguage": _language(entry),
        "resultExpected": True,
        "link": addresses.offering(given.code),
        "course": str(course_id(entry)),
        "organization": str(provider_id(entry.provider.code)),
        "priceInformation": [_cost(entry)],
        "ext": {**_ext(entry), "status": given.status, "registration": given.registration},
        **_dates(entry),
    }
    if given.modality is not None:
        node["modeOfDelivery"] = list(DELIVERY[given.modality])
    if given.seats is not None and given.seats >= 0:
        node["maxNumberStudents"] = given.seats
    return node


def organization(provider: Provider) -> Node:
    """A centre."""
    name = line(provider.name) or provider.code
    return {
        "organizationId": str(provider_id(provider.code)),
        "primaryCode": {"codeType": "organizationId", "code": provider.code},
        "organizationType": "academy",
        "name": [{"language": "en", "value": name}],
        "shortName": provider.code,
        "parent": str(academy_id()),
        "ext": {"region": provider.region, "sample": provider.sample},
    }


def root() -> Node:
    """What all centres belong to: there has to be one organisation of this type."""
    return {
        "organizationId": str(academy_id()),
        "primaryCode": {"codeType": "organizationId", "code": "academy"},
        "organizationType": "root",
        "name": [{"language": "en", "value": ACADEMY_NAME}],
        "shortName": ACADEMY_NAME,
    }


def _typed(entry: CatalogueEntry, field: str, form: Callable[[str], str] = line) -> list[Node]:
    """A text in every language that the offering has it in, the main one first.

    Without translations its language is that of the offering, if it has only one.
    """
    offering = entry.offering
    texts = {main_language(offering): getattr(offering, field)}
    for tag, others in offering.translations.items():
        texts.setdefault(tag, others.get(field, ""))
    texts = {tag: text for tag, text in texts.items() if text}
    return [{"language": _short(tag), "value": form(text)} for tag, text in texts.items()]


def _description(entry: CatalogueEntry) -> list[Node]:
    has_text = plain(entry.offering.description)
    return _typed(entry, "description", plain) if has_text else _typed(entry, "title")


def _short(tag: str) -> str:
    first = tag.lower().partition("-")[0]
    known = 2 <= len(first) <= 4 and first.isascii() and first.isalpha()
    return first if known else "und"


def _language(entry: CatalogueEntry) -> str:
    tags = entry.offering.languages
    return three_letters(tags[0]) if tags else UNKNOWN


def _cost(entry: CatalogueEntry) -> Node:
    price = max(entry.offering.price or Decimal(0), Decimal(0))
    amount = format(price.normalize(), "f")
    return {
        "costType": "total costs",
        "amount": amount,
        "currency": entry.offering.currency or NO_CURRENCY,
    }


def _dates(entry: CatalogueEntry) -> Node:
    given, days, zone = entry.offering, first_and_last_day(entry), entry.zone
    opening, closing = given.registration_opens, registration_end(given)
    opens = first_day(opening, zone) if opening else None
    closes = last_day(closing, zone) if closing else None
    first, last = days or (opens or _OPEN_FROM, _OPEN_UNTIL)
    flexible = days is None or not is_dated(given)
    if flexible:
        last = last_day(given.ends_at, zone) if given.ends_at else _OPEN_UNTIL
    node: Node = {"startDate": min(first, last), "endDate": last}
    if flexible:
        enters = max(first, opens) if opens else first
        node["flexibleEntryPeriodStart"] = enters
        if closes is not None:
            node["flexibleEntryPeriodEnd"] = max(enters, closes)
    if opens is not None:
        node["enrollStartDate"] = opens
    if closes is not None:
        node["enrollEndDate"] = closes
    return {name: day.isoformat() for name, day in node.items()}


def _ext(entry: CatalogueEntry) -> Node:
    offering = entry.offering
    return {
        "level": offering.level,
        "topics": list(offering.topics),
        "languages": list(offering.languages),
        "region": entry.provider.region,
        "sample": entry.provider.sample,
        "changedAt": utc(entry.changed_at) if entry.changed_at else None,
    }
