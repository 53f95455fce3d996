"""Each row of a push is answered: what became of it, or which field is wrong and what would do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from lms_bridge.domain.model import Kind
from lms_bridge.store import source_links
from lms_bridge.store.run_tables import item, run
from lms_bridge.sync.offerings import offering_code
from tests.integration.api.world import World, offering
from tests.integration.schedule.pushing import CSV, ICS, Centre, outcomes, problems, row


def test_a_row_is_created_then_updated_then_unchanged(either: World) -> None:
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


def test_good_rows_beside_a_bad_one_are_applied(world: World) -> None:
    one = Centre(world)
    answer = one.push([row(1), row(2, modality="sometimes"), row(3)])
    assert outcomes(answer) == [(1, "created"), (2, "refused"), (3, "created")]
    (problem,) = answer.get_json()["rows"][1]["problems"]
    assert problem["field"] == "modality"
    assert problem["code"] == "not-one-of"
    assert "blended" in problem["allowed"]
    summary = answer.get_json()["summary"]
    assert summary["message"] == (
        "3 rows: 2 created, 1 refused. Refused rows changed nothing. All other rows are applied."
    )
    with world.bridge.database.reading() as tx:
        runs = tx.execute(select(run.c.trigger, run.c.requested_by, run.c.counts)).one()
        items = tx.execute(select(item.c.external_id, item.c.state, item.c.code)).all()
    assert runs.trigger == "api"
    assert runs.requested_by.startswith("token ")
    assert {tuple(each) for each in items} == {
        ("S-1", "applied", ""),
        ("S-3", "applied", ""),
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
        ({"time_zone": "right/UTC"}, "time_zone", "no-such-zone"),
        ({"time_zone": "localtime"}, "time_zone", "no-such-zone"),
        ({"address": "JavaScript:alert(1)"}, "address", "not-a-page"),
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
        ({"title": "Half of \ud83d"}, "", "not-json"),
        ({"id": "a\ud800"}, "id", "bad-id"),
        ({"id": "b\ufffd"}, "id", "bad-id"),
        ({"id": "a\x00"}, "id", "bad-id"),
    ],
)
def test_a_bad_row_is_refused_with_its_field(
    world: World, fields: dict[str, Any], field: str, code: str
) -> None:
    one = Centre(world)
    answer = one.push([row(1), {**row(2), **fields}])
    assert outcomes(answer) == [(1, "created"), (2, "refused")]
    assert problems(answer) == {2: (field, code)}


def test_an_ambiguous_time_is_refused_with_both_readings(world: World) -> None:
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


def test_an_offering_is_found_by_any_of_its_ids(world: World) -> None:
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


def test_an_offering_of_the_lms_is_not_changed_here(world: World) -> None:
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
    assert problems(changed) == {1: ("title", "owned-elsewhere")}
    assert "Change it there" in changed.get_json()["rows"][0]["problems"][0]["message"]


def test_broken_rules_are_warnings(world: World) -> None:
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


def test_a_dry_run_shows_each_change_and_makes_none(either: World) -> None:
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
    assert "dry run" in answer.get_json()["summary"]["message"]
    assert (one.get().headers["ETag"], one.titles()) == before
    assert outcomes(one.push([row(1, title="New", hours=4), row(2)])) == outcomes(answer)


# ---- CSV ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_a_table_of_any_delimiter_is_read(world: World, mark: bytes, delimiter: str) -> None:
    lines = ["id|title|starts at|topics", 'A|"Caf\u00e9\r\nsecond line"|2060-03-01|"a; b"', "B|B||"]
    body = mark + "\r\n".join(lines).replace("|", delimiter).encode()
    one = Centre(world)
    assert outcomes(one.push(body, media=CSV)) == [(2, "created"), (3, "created")]
    assert "Caf\u00e9 second line" in one.titles()
    assert outcomes(one.push(body, media=CSV)) == [(2, "unchanged"), (3, "unchanged")]


def test_a_half_broken_table_keeps_its_numbers(world: World) -> None:
    body = (
        b"id;title\nA;First\nB;Beta;more\n;Nameless\nC;Caf\xe9\nD;Fine\nA;Again\n"
        b'#sample;This is an example\nE;"open'
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
    reported = answer.get_json()["rows"][3]["problems"][0]["message"]
    assert "Windows-1252" in reported
    assert 'column "title"' in reported


def test_an_unknown_column_is_named_with_its_nearest(world: World) -> None:
    answer = Centre(world).push(b"id,titel,foo\nA,x,y\n", media=CSV)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "file-unreadable")
    assert '"titel"' in answer.get_json()["detail"]
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


def test_a_calendar_of_another_program_is_read(world: World) -> None:
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
        ("DTSTART:20600301\r\nRRULE:FREQ=WEEKLY", "rrule", "repeating-event"),
        ("DTSTART:20600301\r\nRRULE:FREQ=SECONDLY;COUNT=5", "rrule", "repeating-event"),
        ("DTSTART:20600301\r\nRRULE:FREQ=DAILY;COUNT=999", "rrule", "repeating-event"),
        ("DTSTART:20600301\r\nRRULE:FREQ=DAILY;INTERVAL=0;COUNT=9", "rrule", "repeating-event"),
        ("DTSTART:20600301\r\nRRULE:FREQ=DAILY;UNTIL=soon", "rrule", "repeating-event"),
        ("RECURRENCE-ID:20600301T090000Z", "recurrence-id", "repeating-event"),
        ("RELATED-TO:a", "related-to", "repeating-event"),
        ("DURATION:P2D", "duration", "not-taken"),
        ("DTSTART:20600301\r\nDURATION:2 days", "duration", "not-taken"),
        ("DTSTART:20600301T090000Z\r\nDURATION:P4000000D", "duration", "out-of-range"),
        ("DTSTART;TZID=/example.org/Moon/Sea:20600301T090000", "time_zone", "no-such-zone"),
        ("DTSTART:2060-03-01", "dtstart", "not-a-date"),
        ("DTSTART;TZID=Moon/Sea:20600301T090000", "time_zone", "no-such-zone"),
        (
            "DTSTART;TZID=Europe/Paris:20600301T000000\r\nDTEND;TZID=Asia/Tokyo:20600302T000000",
            "dtend",
            "two-zones",
        ),
        ("X-LMS-BRIDGE-LEVLE:x", "x-lms-bridge-levle", "unknown-field"),
        ("STATUS:MAYBE", "status", "not-one-of"),
        ("broken line", "", "not-icalendar"),
        ("DESCRIPTION;ENCODING=BASE64;VALUE=BINARY:?", "description", "not-a-text"),
        ("LOCATION;ENCODING=QUOTED-PRINTABLE:=FF", "location", "not-a-text"),
    ],
)
def test_an_event_that_is_no_offering_is_refused(
    world: World, event: str, field: str, code: str
) -> None:
    body = calendar("UID:a\r\nSUMMARY:A", f"UID:b\r\nSUMMARY:B\r\n{event}", "UID:c\r\nSUMMARY:C")
    answer = Centre(world).push(body, media=ICS)
    assert outcomes(answer) == [(1, "created"), (2, "refused"), (3, "created")]
    assert problems(answer) == {2: (field, code)}


@pytest.mark.parametrize(
    ("event", "starts", "ends", "zone"),
    [
        (
            (
                "DTSTART;TZID=/mozilla.org/20070129_1/Europe/Paris:20270301T090000\r\n"
                "DTEND;TZID=/mozilla.org/20070129_1/Europe/Paris:20270305T170000"
            ),
            "2027-03-01T08:00:00Z",
            "2027-03-05T16:00:00Z",
            "Europe/Paris",
        ),
        (
            "DTSTART:20270301T060000Z\r\nDURATION:PT4H",
            "2027-03-01T06:00:00Z",
            "2027-03-01T10:00:00Z",
            "Asia/Tokyo",
        ),
        (  # the clocks go forward in between: a day is one of the calendar, hours are exact
            "DTSTART;TZID=Europe/Paris:20270327T120000\r\nDURATION:P1DT2H",
            "2027-03-27T11:00:00Z",
            "2027-03-28T12:00:00Z",
            "Europe/Paris",
        ),
        (
            "DTSTART;VALUE=DATE:20270301\r\nDURATION:P2D",
            "2027-02-28T15:00:00Z",
            "2027-03-02T14:59:59Z",
            "Asia/Tokyo",
        ),
        (
            "DTSTART;VALUE=DATE:20270301\r\nDTEND;VALUE=DATE:20270301",
            "2027-02-28T15:00:00Z",
            "2027-03-01T14:59:59Z",
            "Asia/Tokyo",
        ),
        (
            "DTSTART:20270301T090000\r\nDTEND: 20270305T170000 ",
            "2027-03-01T00:00:00Z",
            "2027-03-05T08:00:00Z",
            "Asia/Tokyo",
        ),
        (
            "DTSTART:20270301T090000\r\nX-LMS-BRIDGE-TIME-ZONE:Africa/Nairobi",
            "2027-03-01T06:00:00Z",
            None,
            "Africa/Nairobi",
        ),
    ],
)
def test_every_form_of_an_events_time_is_read(
    world: World, event: str, starts: str, ends: str | None, zone: str
) -> None:
    one = Centre(world)
    body = calendar(f"UID:a\r\nSUMMARY:A\r\n{event}")
    body = body.replace(b"VERSION:2.0", b"X-WR-TIMEZONE:Asia/Tokyo")
    assert outcomes(one.push(body, media=ICS)) == [(1, "created")]
    found = next(each for each in one.get().get_json()["offerings"] if each["id"] == "a")
    assert (found["starts_at"], found["ends_at"], found["time_zone"]) == (starts, ends, zone)


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\r\n"])
def test_a_calendar_with_what_other_programs_write_is_read(world: World, end: bytes) -> None:
    body = calendar(
        "UID:a\r\nSUMMARY;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:R=C3=A9seaux mobiles\r\n"
        'STATUS:\r\nX-APPLE-RADIUS=49.91\r\nDTSTAMP:never\r\nATTENDEE;CN="x:y\r\n'
        "DESCRIPTION:one\r\n  two",
        "UID:b\r\nSUMMARY:B",
    )
    body = body.replace(b"VERSION:2.0", b"VERSION:1.0\r\nMETHOD:REQUEST")
    torn = "DESCRIPTION:Caf\u00e9".encode()
    body = body.replace(b"SUMMARY:B", b"SUMMARY:B\r\n" + torn[:-1] + b"\r\n " + torn[-1:])
    body = (body + b"<!-- generated in 0.1s -->\r\n").replace(b"\r\n", end)
    one = Centre(world)
    assert outcomes(one.push(body, media=ICS)) == [(1, "created"), (2, "created")]
    found = {each["id"]: each for each in one.get().get_json()["offerings"]}
    assert (found["a"]["title"], found["a"]["status"]) == ("R\u00e9seaux mobiles", "published")
    assert found["a"]["description"] == "one two"
    assert found["b"]["description"] == "Caf\u00e9"


def test_an_event_with_bytes_that_are_not_utf_8_is_refused_by_its_id(world: World) -> None:
    body = calendar("UID:a\r\nSUMMARY:Caf\u00e9", "UID:b\r\nSUMMARY:B")
    answer = Centre(world).put(body.replace("\u00e9".encode(), b"\xe9"), media=ICS)
    assert outcomes(answer) == [(1, "refused"), (2, "created")]
    assert problems(answer) == {1: ("", "wrong-encoding")}
    assert answer.get_json()["rows"][0]["id"] == "a"


@pytest.mark.parametrize(
    "event",
    [
        "BE GIN:VALARM\r\nUID:no",
        "BEGIN;X=1:X-PART\r\nUID:no",
        "E ND:VEVENT:x",
        "BEGIN:VALARM\r\nUID:no",
    ],
)
def test_parts_within_an_event_do_not_hide_the_next_one(world: World, event: str) -> None:
    body = calendar(f"UID:a\r\nSUMMARY:A\r\n{event}", "UID:b\r\nSUMMARY:B")
    answer = Centre(world).push(body, media=ICS)
    assert [(each["id"], each["outcome"]) for each in answer.get_json()["rows"]] == [
        ("a", "created"),
        ("b", "created"),
    ]


def test_an_incomplete_calendar_is_refused(world: World) -> None:
    body = calendar("UID:a\r\nSUMMARY:A", "UID:b\r\nSUMMARY:B", "SUMMARY:C")
    whole = Centre(world).put(body, media=ICS)
    assert outcomes(whole) == [(1, "created"), (2, "created"), (3, "refused")]
    cut = Centre(world).put(body[: body.index(b"UID:b") + 12], media=ICS)
    assert outcomes(cut) == [(1, "unchanged"), (2, "refused"), (3, "refused")]
    assert cut.get_json()["ended"] == []
    assert "Nothing was taken for ended" in cut.get_json()["notes"][0]
