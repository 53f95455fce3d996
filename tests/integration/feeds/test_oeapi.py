"""The Open Education API: shapes, pages, filters, refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lms_bridge.domain.model import Modality, Offering, OfferingStatus
from tests.integration.feeds.oeapi_schemas import (
    COURSE,
    OFFERING,
    ORGANIZATION,
    PROBLEM,
    Schema,
    page_of,
)
from tests.integration.feeds.world import World, full, plain

ROOT = "/oeapi/v5"
OFFERINGS, COURSES, ORGANIZATIONS = page_of(OFFERING), page_of(COURSE), page_of(ORGANIZATION)


def read(world: World, path: str, schema: Schema) -> Any:
    response = world.get(f"{ROOT}{path}")
    assert response.headers["Content-Type"] == "application/json"
    found = response.json()
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(schema, format_checker=checker).validate(found)
    return found


def codes(world: World, query: str) -> list[str]:
    found = read(world, f"/offerings?{query}", OFFERINGS)
    return [each["primaryCode"]["code"] for each in found["items"]]


def test_offerings_courses_and_centres_lead_to_each_other(world: World) -> None:
    world.publish(full(), *(plain(number) for number in range(8)))
    [shown] = read(world, "/offerings?primaryCode=AFR-1", OFFERINGS)["items"]
    assert read(world, f"/offerings/{shown['offeringId']}", OFFERING) == shown
    course = read(world, f"/courses/{shown['course']}", COURSE)
    assert course["abbreviation"] == "CYB"
    centre = read(world, f"/organizations/{shown['organization']}", ORGANIZATION)
    assert centre["shortName"] == "AFR"
    root = read(world, f"/organizations/{centre['parent']}", ORGANIZATION)
    assert root["organizationType"] == "root"
    of_course = read(world, f"/courses/{shown['course']}/offerings", OFFERINGS)
    of_centre = read(world, f"/organizations/{shown['organization']}/offerings", OFFERINGS)
    assert of_course["items"] == of_centre["items"] == [shown]
    assert read(world, f"/organizations/{shown['organization']}/courses", COURSES)["items"] == [
        course
    ]
    whole = read(world, f"/offerings/{shown['offeringId']}?expand=course,organization", OFFERING)
    assert whole == {**shown, "course": course, "organization": centre}


def test_an_offering_has_the_fields_of_the_standard(lite: World) -> None:
    lite.publish(full())
    [shown] = read(lite, "/offerings", OFFERINGS)["items"]
    assert shown["startDate"] == "2040-03-02"
    assert shown["endDate"] == "2040-03-12"
    assert shown["enrollStartDate"] == "2040-01-01"
    assert shown["modeOfDelivery"] == ["hybrid"]
    assert shown["teachingLanguage"] == "eng"
    assert shown["maxNumberStudents"] == 30
    assert shown["priceInformation"] == [
        {"costType": "total costs", "amount": "150.5", "currency": "USD"}
    ]
    assert shown["ext"]["level"] == "advanced"
    assert shown["ext"]["topics"] == ["Cybersecurity", "Policy, and; regulation"]
    assert shown["link"] == f"{lite.address}/catalogue/AFR-1"


def test_an_offering_without_dates_starts_at_any_time(lite: World) -> None:
    lite.publish(Offering("EUR-9", "EUR", "E", "Any time", modality=Modality.SELF_PACED))
    [shown] = read(lite, "/offerings", OFFERINGS)["items"]
    assert shown["flexibleEntryPeriodStart"] == shown["startDate"]
    assert shown["endDate"] == "9999-12-31"
    assert shown["teachingLanguage"] == "und"


SELF_PACED = Modality.SELF_PACED
ENTRY = ("startDate", "endDate", "flexibleEntryPeriodStart", "flexibleEntryPeriodEnd")


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ({}, ("1970-01-01", "9999-12-31", "1970-01-01", None)),
        (
            {"registration_opens": "2040-01-04T21:00", "registration_closes": "2040-02-20T21:00"},
            ("2040-01-05", "9999-12-31", "2040-01-05", "2040-02-20"),
        ),
        (  # nobody enters before registration opens
            {"starts_at": "2020-03-02T00:00", "registration_opens": "2040-06-01T00:00"},
            ("2020-03-02", "9999-12-31", "2040-06-01", None),
        ),
        (  # registration may open before the course
            {"starts_at": "2040-03-02T00:00", "registration_opens": "2040-01-01T00:00"},
            ("2040-03-02", "9999-12-31", "2040-03-02", None),
        ),
        (  # an end at midnight in Nairobi
            {"ends_at": "2040-03-12T21:00"},
            ("1970-01-01", "2040-03-12", "1970-01-01", "2040-03-12"),
        ),
        (
            {"starts_at": "2020-03-02T00:00", "ends_at": "2020-03-12T21:00"},
            ("2020-03-02", "2020-03-12", "2020-03-02", "2020-03-12"),
        ),
    ],
)
def test_the_time_in_which_a_self_paced_course_is_entered_follows_its_windows(
    lite: World, times: dict[str, str], shown: tuple[str | None, ...]
) -> None:
    moments: dict[str, Any] = {
        name: datetime.fromisoformat(f"{text}Z") for name, text in times.items()
    }
    record = Offering("EUR-9", "EUR", "E", "Any time", modality=SELF_PACED)
    lite.publish(replace(record, time_zone="Africa/Nairobi", **moments))
    [found] = read(lite, "/offerings?since=2000-01-01", OFFERINGS)["items"]
    assert tuple(found.get(name) for name in ENTRY) == shown


def test_the_list_leaves_out_what_may_be_begun_at_any_time_once_it_is_over(lite: World) -> None:
    record = Offering("EUR-9", "EUR", "E", "Any time", modality=SELF_PACED)
    past = datetime(2020, 3, 13, tzinfo=UTC)
    lite.publish(
        record,
        replace(record, code="EUR-closed", status=OfferingStatus.CLOSED),
        replace(record, code="EUR-ended", ends_at=past),
    )
    assert codes(lite, "") == ["EUR-9"]
    assert sorted(codes(lite, "since=2000-01-01")) == ["EUR-9", "EUR-closed", "EUR-ended"]


def test_a_list_until_a_day_has_what_ends_at_the_midnight_after_it(lite: World) -> None:
    lite.publish(plain(1, ends_at=datetime(2040, 5, 8, tzinfo=UTC), time_zone="UTC"))
    [shown] = read(lite, "/offerings?until=2040-05-07", OFFERINGS)["items"]
    assert shown["endDate"] == "2040-05-07"
    assert codes(lite, "until=2040-05-06") == []


def test_each_course_comes_once_by_its_newest_offering(world: World) -> None:
    world.publish(*(plain(number) for number in range(20)))
    found = read(world, "/courses?pageSize=10&sort=courseId", COURSES)
    assert [course["abbreviation"] for course in found["items"]] == [f"E{n}" for n in range(7)]
    names = {course["name"][0]["value"] for course in found["items"]}
    assert names == {f"Spectrum management {number}" for number in range(13, 20)}


def test_the_pages_hold_every_offering_once(world: World) -> None:
    world.publish(*(plain(number) for number in range(25)))
    seen = []
    for number in (1, 2, 3):
        page = read(world, f"/offerings?pageNumber={number}", OFFERINGS)
        assert page["pageSize"] == 10
        assert page["pageNumber"] == number
        assert page["totalPages"] == 3
        assert page["hasPreviousPage"] == (number > 1)
        assert page["hasNextPage"] == (number < 3)
        seen += [each["primaryCode"]["code"] for each in page["items"]]
    assert seen == [f"EUR-{number}" for number in range(25)]  # by their start
    assert read(world, "/offerings?pageNumber=9", OFFERINGS)["items"] == []
    assert codes(world, "sort=-startDate&pageSize=20")[0] == "EUR-24"


def test_offerings_are_filtered(world: World) -> None:
    world.publish(full(), plain(1), plain(5))
    world.publish(Offering("EUR-9", "EUR", "E", "Any time", modality=Modality.SELF_PACED))
    for query, desired in {
        "q=management": ["EUR-1", "EUR-5"],
        "teachingLanguage=ara": ["AFR-1"],
        "teachingLanguage=fra": ["EUR-1", "EUR-5"],
        "modeOfDelivery=on+campus": ["EUR-1", "EUR-5"],
        "modeOfDelivery=hybrid,online": ["AFR-1", "EUR-9"],
        "modeOfDelivery=situated": [],
        "since=2040-05-03": ["EUR-5", "EUR-9"],
        "since=2000-01-01&until=2040-03-12": ["AFR-1"],
        "until=2040-03-11": [],
        "resultExpected=false": [],
        "offeringType=program": [],
    }.items():
        assert sorted(codes(world, query)) == desired, query
    assert read(world, "/courses?level=master", COURSES)["items"] == []
    assert len(read(world, "/courses?level=undefined&primaryCode=CYB", COURSES)["items"]) == 1


def test_the_list_shows_future_offerings_by_default(lite: World) -> None:
    over = plain(1)
    assert over.starts_at
    assert over.ends_at
    lite.publish(
        plain(2),
        plain(1, starts_at=over.starts_at.replace(year=2020), ends_at=None),
    )
    assert codes(lite, "") == ["EUR-2"]
    assert codes(lite, "since=2000-01-01") == ["EUR-1", "EUR-2"]


@pytest.mark.parametrize(
    "path",
    [
        "/offerings?pageSize=11",
        "/offerings?pageNumber=0",
        "/offerings?pageNumber=x",
        "/offerings?sort=price",
        "/offerings?nonsense=1",
        "/offerings?since=tomorrow",
        "/offerings?resultExpected=maybe",
        "/courses?teachingLanguage=english",
        "/courses?modeOfDelivery=mail",
        "/organizations?q=x",
    ],
)
def test_an_invalid_query_is_refused(lite: World, path: str) -> None:
    refused(lite, path, 400)


def test_an_unknown_identifier_is_not_found(world: World) -> None:
    world.publish(plain(1))
    [shown] = read(world, "/offerings", OFFERINGS)["items"]
    world.change("EUR-1", status=OfferingStatus.CANCELLED)
    strange = "00000000-0000-8001-8000-000000000000"
    for path in (
        f"/offerings/{shown['offeringId']}",
        f"/courses/{shown['course']}",
        f"/courses/{shown['course']}/offerings",
        f"/offerings/{strange}",
        f"/courses/{strange}",
        f"/organizations/{strange}",
        f"/organizations/{strange}/offerings",
        "/offerings/EUR-1",
        "/courses/%00",
        "/programs",
    ):
        refused(world, path, 400 if "%00" in path else 404)


def refused(world: World, path: str, status: int) -> None:
    response = world.get(f"{ROOT}{path}", status)
    if path == "/programs":
        return  # no route, so not this blueprint's to answer
    assert response.headers["Content-Type"] == "application/problem+json"
    Draft202012Validator(PROBLEM).validate(response.json())
    assert response.json()["status"] == str(status)
