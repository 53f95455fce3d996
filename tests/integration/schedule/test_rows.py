"""Each row of a push is answered: what became of it, or which field is wrong and what would do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from lms_bridge.domain.model import Kind
from lms_bridge.store import source_links
from lms_bridge.store.tables import item, run
from lms_bridge.sync.offerings import offering_code
from tests.integration.api.world import World, offering
from tests.integration.schedule.pushing import CSV, ICS, Centre, outcomes, problems, row


def test_created_then_updated_then_unchanged(either: World) -> None:
    one = Centre(either)
    first = one.push([row(1), row(2)])
    assert outcomes(first) == [(1, "created"), (2, "created")]
    assert [each["code"] for each in first.get_json()["rows"]] == [
        offering_code("ONE", "S-1"),
        offering_code("ONE", "S-2"),
    ]
    again = one.push([row(1), row(2)])
    assert outcomes(again) == [(1, "unchanged"), (2, "unchanged")]
    third = one.push([row(2, title="Another title"), row(1), row(3)])
    assert outcomes(third) == [(1, "updated"), (2, "unchanged"), (3, "created")]
    assert third.get_json()["summary"]["message"] == "3 rows: 1 created, 1 updated, 1 unchanged."
    assert one.titles()["Another title"]
    assert "Sample course 2" not in one.titles()
    # what the same words say in other forms of the same values changes nothing either
    assert outcomes(one.push([row(1, modality="Blended", hours=None)])) == [(1, "unchanged")]


def test_the_rest_is_applied(world: World) -> None:
    one = Centre(world)
    answer = one.push([row(1), row(2, modality="sometimes"), row(3)])
    assert outcomes(answer) == [(1, "created"), (2, "refused"), (3, "created")]
    (problem,) = answer.get_json()["rows"][1]["problems"]
    assert problem["field"] == "modality"
    assert problem["code"] == "not-one-of"
    assert "blended" in problem["allowed"]
    summary = answer.get_json()["summary"]
    assert summary["message"] == (
        "3 rows: 2 created, 1 refused. What is refused changed nothing; everything else is applied."
    )
    with world.bridge.database.reading() as tx:
        runs = tx.execute(select(run.c.trigger, run.c.asked_by, run.c.counts)).one()
        items = tx.execute(select(item.c.external_id, item.c.state, item.c.code)).all()
    assert runs.trigger == "api"
    assert runs.asked_by.startswith("token ")
    assert {tuple(each) for each in items} == {
        ("S-1", "taken in", ""),
        ("S-3", "taken in", ""),
        ("S-2", "refused", "invalid-record"),
    }


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"titel": "x"}, "titel", "unknown-field"),
        (
            {
                "meetings": [
                    {"starts_at": "2060-03-01T09:00", "ends_at": "2060-03-01T10:00", "room": "4"}
                ]
            },
            "meetings.0.room",
            "unknown-field",
        ),
        ({"title": ""}, "title", "empty"),
        ({"title": "x" * 501}, "title", "too-long"),
        ({"title": ["x"]}, "title", "not-a-text"),
        ({"problem": "x"}, "problem", "unknown-field"),
        ({"hours": "many"}, "hours", "not-a-number"),
        ({"seats": -1}, "seats", "out-of-range"),
        ({"starts_at": "1.3.2060"}, "starts_at", "not-a-date"),
        ({"ends_at": "2060-02-01"}, "ends_at", "wrong-order"),
        ({"topics": 5}, "topics", "not-a-list"),
        ({"time_zone": "Africa/Nairobbi"}, "time_zone", "no-such-zone"),
        (
            {"time_zone": "Europe/Paris", "starts_at": "2026-03-29T02:30"},
            "starts_at",
            "time-skipped",
        ),
        (
            {"time_zone": "Europe/Paris", "starts_at": "2026-10-25T02:30"},
            "starts_at",
            "time-ambiguous",
        ),
        (
            {
                "time_zone": "Europe/Paris",
                "meetings": [{"starts_at": "2026-10-25T02:30", "ends_at": "2026-10-25T05:00"}],
            },
            "meetings.0.starts_at",
            "time-ambiguous",
        ),
        ({"centre": "TWO"}, "centre", "another-centre"),
        ({"description": "\ud800", "title": 10**30}, "", "not-json"),
    ],
)
def test_refused_with_its_field(
    world: World, fields: dict[str, Any], field: str, code: str
) -> None:
    one = Centre(world)
    answer = one.push([row(1), {**row(2), **fields}])
    assert outcomes(answer) == [(1, "created"), (2, "refused")]
    assert problems(answer) == {2: (field, code)}


def test_an_ambiguous_time_is_told_with_both_that_it_may_be(world: World) -> None:
    one = Centre(world)
    local = row(1, time_zone="Europe/Paris", starts_at="2026-10-25T02:30")
    (problem,) = one.push([local]).get_json()["rows"][0]["problems"]
    assert problem["allowed"] == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]
    for each in problem["allowed"]:
        assert outcomes(one.push([{**local, "starts_at": each}]))[0][1] != "refused"


def test_ids_that_come_twice_are_both_refused(world: World) -> None:
    one = Centre(world)
    answer = one.push([row(1), row(2), row(1, title="Other")])
    assert outcomes(answer) == [(1, "refused"), (2, "created"), (3, "refused")]
    assert problems(answer) == {1: ("id", "duplicate-id"), 3: ("id", "duplicate-id")}
    assert "1, 3" in answer.get_json()["rows"][0]["problems"][0]["message"]


def test_an_offering_has_several_names(world: World) -> None:
    one = Centre(world)
    code = one.push([row(1)]).get_json()["rows"][0]["code"]
    by_code = one.push([{**row(1, title="By its code"), "id": code}])
    assert outcomes(by_code) == [(1, "updated")]
    assert by_code.get_json()["rows"][0]["code"] == code
    both = one.push([row(1, title="Third"), {**row(1), "id": code}])
    assert outcomes(both) == [(1, "updated"), (2, "refused")]
    assert problems(both) == {2: ("", "duplicate-id")}
    assert sorted(one.titles()) == sorted(
        ["Third", "Sample course ONE-open", "Sample course ONE-apply", "Sample course ONE-planned"]
    )


def test_two_centres_may_use_the_same_ids(either: World) -> None:
    one, two = Centre(either), Centre(either, "TWO")
    assert outcomes(one.push([row(1)])) == [(1, "created")]
    assert outcomes(two.push([row(1)])) == [(1, "created")]
    assert outcomes(one.push([row(1)])) == [(1, "unchanged")]
    assert outcomes(two.push([row(1, title="Mine")])) == [(1, "updated")]
    assert "Mine" not in one.titles()
    assert outcomes(two.put([row(2)], query="?dry_run=true"))[0][1] == "created"


def test_another_centre_s_offering_is_not_touched(world: World) -> None:
    one = Centre(world)
    answer = one.push([{**row(1), "id": "TWO-open"}, {**row(1), "id": "TWO-planned"}])
    assert outcomes(answer) == [(1, "refused"), (2, "refused")]
    assert set(problems(answer).values()) == {("id", "another-centre")}
    assert Centre(world, "TWO").titles().keys() == {
        "Sample course TWO-open",
        "Sample course TWO-planned",
    }


def test_what_the_lms_keeps_is_changed_there(world: World) -> None:
    with world.bridge.database.writing() as tx:
        source_links.showed(
            tx,
            [
                {
                    "system": "centre:ONE",
                    "kind": Kind.OFFERING,
                    "centre": "ONE",
                    "record_id": world.ids["ONE-open"],
                    "external_id": "17",
                    "scope": "all",
                    "source_hash": b"x" * 16,
                }
            ],
        )
    world.add(replace(offering("ONE-18"), code=offering_code("ONE", "18")))
    one = Centre(world)
    (held, *_) = one.get().get_json()["offerings"]
    assert outcomes(one.push([held])) == [(1, "unchanged")]
    changed = one.push([{**held, "title": "Mine"}])
    assert problems(changed) == {1: ("", "owned-elsewhere")}
    assert "Change it there" in changed.get_json()["rows"][0]["problems"][0]["message"]


def test_rules_are_told_as_warnings(world: World) -> None:
    one = Centre(world)
    meeting = {"starts_at": "2060-03-01T09:00", "ends_at": "2060-03-01T12:00"}
    later = {"starts_at": "2060-03-01T11:00", "ends_at": "2060-03-01T13:00"}
    bad = row(1, meetings=[later, meeting], level=None, status="planned")
    for expected in ("created", "unchanged"):
        answer = one.push([bad, row(2, status="planned")])
        first, second = answer.get_json()["rows"]
        assert first["outcome"] == expected
        assert [each["code"] for each in first["warnings"]] == ["no-level", "meetings-overlap"]
        assert second["warnings"] == []


def test_a_trial_shows_each_change_and_makes_none(either: World) -> None:
    one = Centre(either)
    one.push([row(1)])
    before = (one.get().headers["ETag"], one.titles())
    answer = one.push([row(1, title="New", hours=4), row(2)], query="?dry_run=true")
    first, second = answer.get_json()["rows"]
    assert outcomes(answer) == [(1, "updated"), (2, "created")]
    assert first["changes"] == [
        {"field": "title", "before": "Sample course 1", "after": "New"},
        {"field": "hours", "before": None, "after": "4"},
    ]
    assert {"field": "title", "before": None, "after": "Sample course 2"} in second["changes"]
    assert "trial" in answer.get_json()["summary"]["message"]
    assert (one.get().headers["ETag"], one.titles()) == before
    assert outcomes(one.push([row(1, title="New", hours=4), row(2)])) == outcomes(answer)


# ---- CSV ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_tables(world: World, mark: bytes, delimiter: str) -> None:
    lines = ["id|title|starts at|topics", 'A|"Caf\u00e9\r\nsecond line"|2060-03-01|"a; b"', "B|B||"]
    body = mark + "\r\n".join(lines).replace("|", delimiter).encode()
    one = Centre(world)
    assert outcomes(one.push(body, media=CSV)) == [(2, "created"), (3, "created")]
    assert "Caf\u00e9 second line" in one.titles()
    assert outcomes(one.push(body, media=CSV)) == [(2, "unchanged"), (3, "unchanged")]


def test_a_half_broken_table_keeps_its_numbers(world: World) -> None:
    body = (
        b"id;title\nA;First\nB\n;Nameless\nC;Caf\xe9\nD;Fine\nA;Again\n#sample;This is an example\n"
        b'E;"open'
    )
    answer = Centre(world).push(body, media=CSV)
    assert dict(outcomes(answer)) == {
        2: "refused",
        3: "refused",
        4: "refused",
        5: "refused",
        6: "created",
        7: "refused",
        9: "refused",
    }
    assert problems(answer) == {
        2: ("id", "duplicate-id"),
        3: ("", "wrong-number-of-cells"),
        4: ("id", "missing"),
        5: ("", "wrong-encoding"),
        7: ("id", "duplicate-id"),
        9: ("", "not-csv"),
    }
    told = answer.get_json()["rows"][3]["problems"][0]["message"]
    assert "Windows-1252" in told
    assert 'column "title"' in told


def test_an_unknown_column_is_named_with_its_nearest(world: World) -> None:
    answer = Centre(world).push(b"id,titel,foo\nA,x,y\n", media=CSV)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "file-unreadable")
    assert '"titel" (meant: title?)' in answer.get_json()["detail"]
    assert '"foo"' in answer.get_json()["detail"]
    assert "Nothing was changed." in answer.get_json()["detail"]
    assert "modality" in answer.get_json()["remedy"]


def test_the_template_can_be_pushed_as_it_is(world: World) -> None:
    one = Centre(world)
    body = world.get("/centres/ONE/schedule/template", one.token).get_data()
    answer = one.push(body, media=CSV)
    assert outcomes(answer) == []
    filled = body + b"A,My course" + b"," * (body.split(b"\r\n")[0].count(b",") - 1) + b"\r\n"
    assert outcomes(one.push(filled, media=CSV)) == [(4, "created")]


# ---- calendars ----------------------------------------------------------------------------------


def calendar(*events: str) -> bytes:
    text = "".join(f"BEGIN:VEVENT\r\n{each}\r\nEND:VEVENT\r\n" for each in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{text}END:VCALENDAR\r\n".encode()


def test_a_calendar_of_another_program(world: World) -> None:
    one = Centre(world)
    body = calendar(
        "UID:a@x\r\nSUMMARY:Over\\, and\r\n  out\r\nDTSTART;VALUE=DATE:20600301\r\n"
        "DTEND;VALUE=DATE:20600313\r\nCATEGORIES:One\\,two,Three\r\nSTATUS:TENTATIVE\r\n"
        "BEGIN:VALARM\r\nSUMMARY:Not this\r\nEND:VALARM\r\nURL:https://example.org/a\r\n"
        "LOCATION:Room 4",
        "UID:b@x\r\nSUMMARY:Windows\r\n"
        "DTSTART;TZID=W. Europe Standard Time:20600301T090000\r\n"
        "DTEND;TZID=W. Europe Standard Time:20600302T170000",
    )
    assert outcomes(one.push(body, media=ICS)) == [(1, "created"), (2, "created")]
    found = {each["id"]: each for each in one.get().get_json()["offerings"]}
    first, second = found["a@x"], found["b@x"]
    assert first["title"] == "Over, and out"
    assert (first["starts_at"], first["ends_at"]) == (
        "2060-03-01T00:00:00Z",
        "2060-03-12T23:59:59Z",
    )
    assert first["topics"] == ["One,two", "Three"]
    assert (first["status"], first["location"]) == ("planned", "Room 4")
    assert first["address"] == "https://example.org/a"
    assert (second["starts_at"], second["time_zone"]) == ("2060-03-01T08:00:00Z", "Europe/Berlin")


@pytest.mark.parametrize(
    ("event", "field", "code"),
    [
        ("RRULE:FREQ=WEEKLY", "rrule", "repeating-event"),
        ("RECURRENCE-ID:20600301T090000Z", "recurrence-id", "repeating-event"),
        ("RELATED-TO:a", "related-to", "repeating-event"),
        ("DURATION:P2D", "duration", "not-taken"),
        ("DTSTART:2060-03-01", "dtstart", "not-a-date"),
        ("DTSTART;TZID=Moon/Sea:20600301T090000", "time_zone", "no-such-zone"),
        ("DTSTART;TZID=Europe/Paris:20261025T023000", "starts_at", "time-ambiguous"),
        (
            "DTSTART;TZID=Europe/Paris:20600301T000000\r\nDTEND;TZID=Asia/Tokyo:20600302T000000",
            "dtend",
            "two-zones",
        ),
        ("X-LMS-BRIDGE-LEVLE:x", "x-lms-bridge-levle", "unknown-field"),
        ("STATUS:MAYBE", "status", "not-one-of"),
        ("broken line", "", "not-icalendar"),
        ("DESCRIPTION;ENCODING=BASE64;VALUE=BINARY:?", "description", "not-a-text"),
    ],
)
def test_events_that_are_no_offerings(world: World, event: str, field: str, code: str) -> None:
    body = calendar("UID:a\r\nSUMMARY:A", f"UID:b\r\nSUMMARY:B\r\n{event}", "UID:c\r\nSUMMARY:C")
    answer = Centre(world).push(body, media=ICS)
    assert outcomes(answer) == [(1, "created"), (2, "refused"), (3, "created")]
    assert problems(answer) == {2: (field, code)}


def test_a_calendar_that_was_cut_off(world: World) -> None:
    body = calendar("UID:a\r\nSUMMARY:A", "UID:b\r\nSUMMARY:B", "SUMMARY:C")
    whole = Centre(world).put(body, media=ICS)
    assert outcomes(whole) == [(1, "created"), (2, "created"), (3, "refused")]
    cut = Centre(world).put(body[: body.index(b"UID:b") + 12], media=ICS)
    assert outcomes(cut) == [(1, "unchanged"), (2, "refused"), (3, "refused")]
    assert cut.get_json()["ended"] == []
    assert "Nothing was taken for ended" in cut.get_json()["notes"][0]
