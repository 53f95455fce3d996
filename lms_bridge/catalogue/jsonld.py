"""JSON-LD in the words of schema.org: ``Course`` and ``CourseInstance``, for search engines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from lms_bridge.catalogue.entry import Addresses, CatalogueEntry
from lms_bridge.catalogue.text import line, local, local_end, plain, utc
from lms_bridge.domain.availability import ON_OFFER
from lms_bridge.domain.dates import registration_end
from lms_bridge.domain.model import Meeting, Modality, Offering, OfferingStatus
from lms_bridge.domain.translations import main_language

MEDIA_TYPE = "application/ld+json"
CONTEXT = "https://schema.org"

_MODES = {
    Modality.INSTRUCTOR_LED: ("Online", "OnlineEventAttendanceMode"),
    Modality.SELF_PACED: ("Online", "OnlineEventAttendanceMode"),
    Modality.FACE_TO_FACE: ("Onsite", "OfflineEventAttendanceMode"),
    Modality.BLENDED: ("Blended", "MixedEventAttendanceMode"),
}
_EVENTS = {
    OfferingStatus.CANCELLED: "EventCancelled",
    OfferingStatus.POSTPONED: "EventPostponed",
}
Node = dict[str, Any]


def data_feed(
    entries: Iterable[CatalogueEntry],
    addresses: Addresses,
    *,
    name: str,
    source: str,
    at: datetime | None,
) -> Iterator[bytes]:
    """A ``DataFeed`` whose items are courses, each with the one instance that the offering is."""
    head: Node = {"@context": CONTEXT, "@type": "DataFeed", "@id": source, "name": name}
    if at is not None:
        head["dateModified"] = utc(at)
    yield orjson.dumps(head)[:-1] + b',"dataFeedElement":['
    before = b""
    for entry in entries:
        item: Node = {"@type": "DataFeedItem", "item": course(entry, addresses)}
        if entry.changed_at is not None:
            item["dateModified"] = utc(entry.changed_at)
        yield before + orjson.dumps(item)
        before = b",\n"
    yield b"]}\n"


def in_page(entry: CatalogueEntry, addresses: Addresses) -> str:
    """The course as the content of a ``script`` element.

    Nothing in it can end the element, begin a comment or look like an entity, because JSON can
    escape these characters (HTML, section 4.12.1.3, Restrictions for contents of script elements).
    """
    text = orjson.dumps({"@context": CONTEXT, **course(entry, addresses)}).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def course(entry: CatalogueEntry, addresses: Addresses) -> Node:
    """The node of a course, without its context."""
    offering = entry.offering
    page = addresses.offering(offering.code)
    return _given(
        {
            "@type": "Course",
            "@id": f"{page}#course",
            "url": page,
            "name": line(offering.title),
            "description": plain(offering.description) or line(offering.title),
            "courseCode": offering.course_code,
            "educationalLevel": offering.level.value if offering.level else None,
            "inLanguage": list(offering.languages),
            "about": [line(topic) for topic in offering.topics],
            "teaches": plain(offering.objectives),
            "coursePrerequisites": plain(offering.requirements),
            "audience": _audience(offering),
            "provider": _provider(entry, addresses),
            "offers": _offer(entry),
            "workTranslation": list(_translations(offering)),
            "hasCourseInstance": [_instance(entry, page)],
        }
    )


def _translations(offering: Offering) -> Iterator[Node]:
    """The course in its other languages. They have no page of their own."""
    main = main_language(offering)
    for tag, texts in offering.translations.items():
        if tag != main:
            yield _given(
                {
                    "@type": "Course",
                    "inLanguage": tag,
                    "name": line(texts.get("title", "") or offering.title),
                    "description": plain(texts.get("description", "")),
                    "teaches": plain(texts.get("objectives", "")),
                    "coursePrerequisites": plain(texts.get("requirements", "")),
                }
            )


def _given(node: Node) -> Node:
    """The node without what is not known."""
    return {name: value for name, value in node.items() if value not in (None, "", [])}


def _audience(offering: Offering) -> Node | None:
    text = plain(offering.audience)
    return {"@type": "EducationalAudience", "audienceType": text} if text else None


def _provider(entry: CatalogueEntry, addresses: Addresses) -> Node:
    address = addresses.under("/catalogue", centre=entry.provider.code)
    return _given(
        {
            "@type": "Organization",
            "name": line(entry.provider.name) or entry.provider.code,
            "url": address,
            "identifier": entry.provider.code,
        }
    )


def _offer(entry: CatalogueEntry) -> Node | None:
    """How to get a place. What is over, postponed or withdrawn is not on offer."""
    offering = entry.offering
    if entry.withdrawn or offering.status not in ON_OFFER:
        return None
    price = offering.price or Decimal(0)
    node: Node = {
        "@type": "Offer",
        "category": "Paid" if price else "Free",
        "price": format(price.normalize(), "f"),
    }
    if offering.currency:
        node["priceCurrency"] = offering.currency
    if offering.registration_opens is not None:
        node["validFrom"] = utc(offering.registration_opens)
    closes = registration_end(offering)
    if closes is not None:
        node["validThrough"] = utc(closes)
    return node


def _instance(entry: CatalogueEntry, page: str) -> Node:
    offering, zone = entry.offering, entry.zone
    mode, attendance = _MODES[offering.modality] if offering.modality else (None, None)
    cancelled = "EventCancelled" if entry.withdrawn else "EventScheduled"
    return _given(
        {
            "@type": "CourseInstance",
            "@id": f"{page}#instance",
            "name": line(offering.title),
            "courseMode": mode,
            "eventAttendanceMode": f"{CONTEXT}/{attendance}" if attendance else None,
            "eventStatus": f"{CONTEXT}/{_EVENTS.get(offering.status, cancelled)}",
            "startDate": local(offering.starts_at, zone) if offering.starts_at else None,
            "endDate": _end(offering, zone),
            "courseWorkload": _hours(offering.hours),
            "courseSchedule": _schedule(entry),
            "location": _location(offering, page),
            "maximumAttendeeCapacity": offering.seats,
            "inLanguage": list(offering.languages),
            "subEvent": [_session(entry, meeting) for meeting in offering.meetings],
        }
    )


def _end(offering: Offering, zone: ZoneInfo) -> str | None:
    ends = offering.ends_at
    return local_end(ends, zone, offering.starts_at) if ends else None


def _schedule(entry: CatalogueEntry) -> Node | None:
    """When the course is, for readers that want the workload or this (schema.org Schedule)."""
    offering, zone = entry.offering, entry.zone
    if offering.starts_at is None or offering.hours:
        return None
    return _given(
        {
            "@type": "Schedule",
            "startDate": local(offering.starts_at, zone),
            "endDate": _end(offering, zone),
            "repeatCount": len(offering.meetings) or None,
            "scheduleTimezone": str(zone),
        }
    )


def _location(offering: Offering, page: str) -> Node | None:
    if offering.modality in (Modality.INSTRUCTOR_LED, Modality.SELF_PACED):
        return {"@type": "VirtualLocation", "url": offering.address or page}
    return {"@type": "Place", "name": line(offering.location)} if offering.location else None


def _session(entry: CatalogueEntry, meeting: Meeting) -> Node:
    place = line(meeting.place)
    return _given(
        {
            "@type": "Event",
            "name": line(entry.offering.title),
            "startDate": local(meeting.starts_at, entry.zone),
            "endDate": local(meeting.ends_at, entry.zone),
            "location": {"@type": "Place", "name": place} if place else None,
        }
    )


def _hours(hours: Decimal | None) -> str | None:
    """A duration of ISO 8601, such as ``PT12H30M``."""
    if not hours or hours < 0:
        return None
    minutes = round(timedelta(hours=float(hours)) / timedelta(minutes=1))
    whole, rest = divmod(minutes, 60)
    return f"PT{whole}H{rest}M" if rest else f"PT{whole}H"
