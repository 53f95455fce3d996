"""OneRoster 1.2 CSV, held to the header lists of its CSV binding."""

from __future__ import annotations

import csv
import io
import zipfile

from lms_bridge.domain.model import Offering
from tests.integration.feeds.world import World, full, plain

HEADERS = {
    "manifest.csv": "propertyName,value",
    "orgs.csv": "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId",
    "academicSessions.csv": "sourcedId,status,dateLastModified,title,type,startDate,endDate,"
    "parentSourcedId,schoolYear",
    "courses.csv": "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,"
    "orgSourcedId,subjects,subjectCodes",
    "classes.csv": "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,"
    "classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods",
}
FILES = {
    *("academicSessions", "categories", "classes", "classResources", "courses"),
    *("courseResources", "demographics", "enrollments", "lineItemLearningObjectiveIds"),
    *("lineItems", "lineItemScoreScales", "orgs", "resources", "resultLearningObjectiveIds"),
    *("results", "resultScoreScales", "roles", "scoreScales", "userProfiles", "userResources"),
    "users",
}
Rows = list[dict[str, str]]


def read(world: World, query: str = "") -> dict[str, Rows]:
    response = world.get(f"/catalogue.oneroster.zip{query}")
    assert response.headers["Content-Type"] == "application/zip"
    found = {}
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == set(HEADERS)
        for name in archive.namelist():
            text = archive.read(name).decode()
            assert text.splitlines()[0] == HEADERS[name]
            assert text.count("\r\n") == text.count("\n")
            found[name] = list(csv.DictReader(io.StringIO(text, newline="")))
    return found


def ids(rows: Rows) -> set[str]:
    found = [row["sourcedId"] for row in rows]
    assert len(found) == len(set(found))
    return set(found)


def test_the_manifest_names_every_file_of_the_binding(lite: World) -> None:
    lite.publish(plain(1))
    rows = {row["propertyName"]: row["value"] for row in read(lite)["manifest.csv"]}
    assert rows.pop("manifest.version") == "1.0"
    assert rows.pop("oneroster.version") == "1.2"
    assert rows.pop("source.systemName") == "lms_bridge"
    assert rows.pop("source.systemCode") == ""
    assert rows.keys() == {f"file.{name}" for name in FILES}
    present = {name.removesuffix(".csv") for name in HEADERS} - {"manifest"}
    assert {name for name, value in rows.items() if value == "bulk"} == {
        f"file.{name}" for name in present
    }
    assert set(rows.values()) == {"bulk", "absent"}


def test_every_reference_is_resolved(world: World) -> None:
    world.publish(full(), *(plain(number) for number in range(600)))
    world.publish(Offering("EUR-X", "EUR", "", "Any time"))
    files = read(world)
    orgs, courses = ids(files["orgs.csv"]), ids(files["courses.csv"])
    terms = ids(files["academicSessions.csv"])
    assert len(ids(files["classes.csv"])) == 602
    assert len(courses) == 1 + 7 + 1  # seven course codes among the many
    for row in files["classes.csv"]:
        assert row["courseSourcedId"] in courses
        assert row["schoolSourcedId"] in orgs
        assert row["termSourcedIds"] in terms
        assert row["classType"] == "scheduled"
    assert {row["orgSourcedId"] for row in files["courses.csv"]} < orgs
    for rows in files.values():
        for row in rows:
            assert not row.get("status")  # as bulk files have it
            assert not row.get("dateLastModified")
            assert None not in row


def test_centres_are_schools_and_years_are_sessions(lite: World) -> None:
    lite.publish(full(), plain(1), Offering("EUR-X", "EUR", "", "Any time"))
    files = read(lite)
    schools = {row["identifier"]: row for row in files["orgs.csv"] if row["type"] == "school"}
    [academy] = [row for row in files["orgs.csv"] if row["type"] == "district"]
    assert schools.keys() == {"AFR", "EUR"}
    assert {row["parentSourcedId"] for row in schools.values()} == {academy["sourcedId"]}
    sessions = {row["title"]: row for row in files["academicSessions.csv"]}
    assert sessions.keys() == {"2040", "Any start"}
    assert sessions["2040"]["startDate"] == "2040-01-01"
    assert sessions["2040"]["endDate"] == "2041-01-01"
    [hostile] = [row for row in files["classes.csv"] if row["classCode"] == "AFR-1"]
    assert hostile["title"].startswith("'=Security")  # no formula
    assert hostile["subjects"] == 'Cybersecurity,"Policy, and; regulation"'


def test_a_filtered_archive_is_the_same_twice(lite: World) -> None:
    lite.publish(full(), plain(1))
    files = read(lite, "?region=africa")
    assert [row["classCode"] for row in files["classes.csv"]] == ["AFR-1"]
    path = "/catalogue.oneroster.zip"
    assert lite.get(path).content == lite.get(path).content
