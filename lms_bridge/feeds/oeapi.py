"""JSON in the shape of the Open Education API (OEAPI), version 5: courses, offerings, centres.

Fields that the specification requires and nobody told the bridge of are filled as it allows: a
level in its own words does not exist for these courses (``undefined``), nor does a language for an
offering that names none (``und``). What has no field there stands in ``ext``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from lms_bridge.domain.model import Modality
from lms_bridge.feeds.addresses import Addresses
from lms_bridge.feeds.entry import Entry, Giver
from lms_bridge.feeds.ids import academy_id, course_id, giver_id, offering_id
from lms_bridge.feeds.languages import UNKNOWN, three_letters
from lms_bridge.feeds.text import line, plain
from lms_bridge.feeds.times import first_and_last_day, utc

PAGE_SIZES = (10, 20, 50, 100, 250)
ACADEMY_NAME = "ITU Academy"
DELIVERY = {
    Modality.INSTRUCTOR_LED: ("online", "distance-learning"),
    Modality.SELF_PACED: ("online", "distance-learning"),
    Modality.FACE_TO_FACE: ("on campus",),
    Modality.BLENDED: ("hybrid",),
}
LEVEL = "undefined"
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


def course(entry: Entry, addresses: Addresses) -> Node:
    """A course, as its newest offering tells of it."""
    offering = entry.offering
    node: Node = {
        "courseId": str(course_id(entry)),
        "primaryCode": {"codeType": "identifier", "code": offering.course_code},
        "name": _typed(entry, line(offering.title)),
        "abbreviation": line(offering.course_code)[:_LONGEST_ABBREVIATION],
        "description": _typed(entry, plain(offering.description) or line(offering.title)),
        "teachingLanguage": _language(entry),
        "level": LEVEL,
        "link": addresses.under("/catalogue", text=offering.course_code),
        "organization": str(giver_id(entry.giver.code)),
        "ext": _ext(entry),
    }
    if offering.modality is not None:
        node["modeOfDelivery"] = list(DELIVERY[offering.modality])
    if offering.hours:
        node["studyLoad"] = {"studyLoadUnit": "hour", "value": float(offering.hours)}
    for name, text in (
        ("qualificationRequirements", offering.requirements),
        ("admissionRequirements", offering.audience),
    ):
        if text:
            node[name] = _typed(entry, plain(text))
    if offering.objectives:
        node["learningOutcomes"] = [_typed(entry, plain(offering.objectives))]
    return node


def offering(entry: Entry, addresses: Addresses) -> Node:
    """An offering of a course. One that may be begun at any time starts with its registration and
    has no end that anybody knows of; then ``flexibleEntryPeriodStart`` says so."""
    given = entry.offering
    node: Node = {
        "offeringId": str(offering_id(entry)),
        "primaryCode": {"codeType": "offeringCode", "code": given.code},
        "offeringType": "course",
        "name": _typed(entry, line(given.title)),
        "abbreviation": line(given.code)[:_LONGEST_ABBREVIATION],
        "description": _typed(entry, plain(given.description) or line(given.title)),
        "teachingLanguage": _language(entry),
        "resultExpected": True,
        "link": addresses.offering(given.code),
        "course": str(course_id(entry)),
        "organization": str(giver_id(entry.giver.code)),
        "priceInformation": [_cost(entry)],
        "ext": {**_ext(entry), "status": given.status, "registration": given.registration},
        **_dates(entry),
    }
    if given.modality is not None:
        node["modeOfDelivery"] = list(DELIVERY[given.modality])
    if given.seats is not None and given.seats >= 0:
        node["maxNumberStudents"] = given.seats
    return node


def organization(giver: Giver) -> Node:
    """A centre."""
    name = line(giver.name) or giver.code
    return {
        "organizationId": str(giver_id(giver.code)),
        "primaryCode": {"codeType": "organizationId", "code": giver.code},
        "organizationType": "academy",
        "name": [{"language": "en", "value": name}],
        "shortName": giver.code,
        "parent": str(academy_id()),
        "ext": {"region": giver.region, "sample": giver.sample},
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


def _typed(entry: Entry, text: str) -> list[Node]:
    """A text with its language, which is that of the offering where it has only one."""
    tags = entry.offering.languages
    tag = tags[0].lower().partition("-")[0] if len(tags) == 1 else "und"
    known = 2 <= len(tag) <= 4 and tag.isascii() and tag.isalpha()
    return [{"language": tag if known else "und", "value": text}]


def _language(entry: Entry) -> str:
    tags = entry.offering.languages
    return three_letters(tags[0]) if tags else UNKNOWN


def _cost(entry: Entry) -> Node:
    price = max(entry.offering.price or Decimal(0), Decimal(0))
    amount = format(price.normalize(), "f")
    return {
        "costType": "total costs",
        "amount": amount,
        "currency": entry.offering.currency or "USD",
    }


def _dates(entry: Entry) -> Node:
    given, days = entry.offering, first_and_last_day(entry)
    opens, closes = (
        moment.astimezone(entry.zone).date() if moment else None
        for moment in (given.registration_opens, given.registration_closes)
    )
    first, last = days or (opens or _OPEN_FROM, _OPEN_UNTIL)
    node: Node = {"startDate": first, "endDate": last}
    if days is None:
        node["flexibleEntryPeriodStart"] = first
    if opens is not None:
        node["enrollStartDate"] = opens
    if closes is not None:
        node["enrollEndDate"] = closes
    return {name: day.isoformat() for name, day in node.items()}


def _ext(entry: Entry) -> Node:
    offering = entry.offering
    return {
        "level": offering.level,
        "topics": list(offering.topics),
        "languages": list(offering.languages),
        "region": entry.giver.region,
        "sample": entry.giver.sample,
        "changedAt": utc(entry.changed_at) if entry.changed_at else None,
    }
