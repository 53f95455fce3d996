"""JSON-LD, as a processor of it expands it, in words that schema.org has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pyld import jsonld
from rdflib.namespace import SDO

from lms_bridge.domain.model import Modality, Offering, OfferingStatus
from tests.integration.feeds.world import World, full, meeting, plain

SCHEMA = "http://schema.org/"
NEWER = {"courseSchedule"}
"""Words that schema.org has, and that the package's list does not have yet."""


def expanded(document: Any) -> Any:
    """The document without its context. What schema.org's own context says of the words used here
    is repeated: its vocabulary, and which values are addresses."""
    address = {"@type": "@id"}
    context = {
        "@vocab": SCHEMA,
        **dict.fromkeys(("url", "eventStatus", "eventAttendanceMode"), address),
    }

    def load(url: str, _: Any) -> dict[str, Any]:
        assert url == "https://schema.org"
        found = {"@context": context}
        return {"contextUrl": None, "documentUrl": url, "document": found}

    return jsonld.expand(document, {"documentLoader": load})


def words(node: Any) -> Iterator[str]:
    """Every type and property of an expanded document."""
    if isinstance(node, list):
        for each in node:
            yield from words(each)
    elif isinstance(node, Mapping):
        yield from node.get("@type", [])
        for name, value in node.items():
            if not name.startswith("@"):
                yield name
                yield from words(value)


def check(document: Any) -> None:
    found = set(words(expanded(document)))
    assert f"{SCHEMA}CourseInstance" in found
    for word in found:
        assert word.startswith(SCHEMA)
        assert word.removeprefix(SCHEMA) in NEWER or word.removeprefix(SCHEMA) in SDO, word


def courses(world: World, query: str = "") -> list[dict[str, Any]]:
    response = world.get(f"/catalogue.jsonld{query}")
    assert response.headers["Content-Type"] == "application/ld+json"
    found = response.json()
    assert found["@type"] == "DataFeed"
    return [each["item"] for each in found["dataFeedElement"]]


def embedded(world: World, code: str) -> tuple[str, Any]:
    """(the page, the course in it)"""
    html = world.get(f"/catalogue/{code}").text
    [text] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html, re.DOTALL)
    assert html.count("<script") == 1
    return html, json.loads(text)


def test_an_offering_is_a_course_with_an_instance(world: World) -> None:
    world.publish(full(meetings=(meeting(2, place="Room 4"),)))
    check(world.get("/catalogue.jsonld").json())
    [course] = courses(world)
    [instance] = course["hasCourseInstance"]
    assert course["@id"] == f"{world.address}/catalogue/AFR-1#course"
    assert course["offers"]["price"] == "150.5"
    assert course["offers"]["category"] == "Paid"
    assert course["provider"]["name"] == "Sample Centre Nairobi"
    assert course["description"] == "All you need\n5 < 6"
    assert instance["startDate"] == "2040-03-02T00:30:00+03:00"
    assert instance["courseWorkload"] == "PT12H30M"
    assert instance["courseMode"] == "Blended"
    assert instance["location"] == {"@type": "Place", "name": "Room 1; Nairobi, Kenya"}
    assert instance["eventStatus"] == "https://schema.org/EventScheduled"
    assert instance["subEvent"][0]["startDate"] == "2040-03-02T12:00:00+03:00"


def test_unknown_fields_are_left_out(lite: World) -> None:
    lite.publish(Offering("EUR-1", "EUR", "", "Only a title", modality=Modality.SELF_PACED))
    check(lite.get("/catalogue.jsonld").json())
    [course] = courses(lite)
    [instance] = course["hasCourseInstance"]
    assert course["description"] == "Only a title"
    assert course["offers"]["category"] == "Free"
    assert not {"about", "educationalLevel", "teaches"} & course.keys()
    assert not {"startDate", "courseWorkload", "subEvent"} & instance.keys()
    assert instance["location"]["url"] == f"{lite.address}/catalogue/EUR-1"


def test_without_hours_the_schedule_says_when_it_is(lite: World) -> None:
    lite.publish(full(hours=None, meetings=(meeting(2), meeting(3))))
    check(lite.get("/catalogue.jsonld").json())
    [course] = courses(lite)
    [instance] = course["hasCourseInstance"]
    schedule = instance["courseSchedule"]
    assert schedule["@type"] == "Schedule"
    assert (schedule["startDate"], schedule["repeatCount"]) == (instance["startDate"], 2)
    assert schedule["scheduleTimezone"] == "Africa/Nairobi"
    assert "courseWorkload" not in instance


def test_a_postponed_offering_is_marked(lite: World) -> None:
    lite.publish(plain(1))
    lite.change("EUR-1", status=OfferingStatus.POSTPONED)
    [course] = courses(lite)
    assert course["hasCourseInstance"][0]["eventStatus"] == "https://schema.org/EventPostponed"


def test_the_page_of_an_offering_holds_its_course(world: World) -> None:
    world.publish(full())
    html, course = embedded(world, "AFR-1")
    check(course)
    [same] = courses(world)
    assert course == {"@context": "https://schema.org", **same}
    assert "</script><script>" in course["name"]  # it came through, and ended nothing
    assert "ann.other" not in html
    assert "javascript:" not in html


def test_the_catalogue_leads_to_its_feeds(lite: World) -> None:
    lite.publish(plain(1))
    html = lite.get("/catalogue?region=europe&text=a%26b").text
    found = re.findall(r'<link rel="alternate" type="([^"]+)" [^>]*href="([^"]+)"', html)
    assert {kind for kind, _ in found} == {
        "text/calendar",
        "application/atom+xml",
        "text/csv",
        "application/ld+json",
    }
    for kind, address in found:
        response = lite.get(address.replace("&amp;", "&"))
        assert response.headers["Content-Type"].startswith(kind)


def test_a_large_catalogue_is_complete_and_filtered(world: World) -> None:
    world.publish(*(plain(number) for number in range(1001)))
    assert len(courses(world)) == 1001
    assert len(courses(world, "?topic=spectrum+management&text=1000")) == 1
    assert courses(world, "?centre=EUR&level=advanced") == []
