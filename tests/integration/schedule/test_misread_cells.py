"""Cells of spreadsheets that were once misread in silence: each is read right, or refused with its
value and an example."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from lms_bridge.store.tables import offering
from tests.integration.api.world import World
from tests.integration.schedule.pushing import CSV, ICS, Centre, outcomes, problems


def pushed(world: World, table: str) -> Any:
    return Centre(world).push(table.encode(), media=CSV)


def stored(world: World, column: str) -> Any:
    """The column of the one offering that there is beside the world's own."""
    with world.bridge.database.reading() as tx:
        query = select(offering.c[column]).where(offering.c.title.like("Misread%"))
        return tx.scalars(query).one()


def one_cell(world: World, column: str, cell: str, **more: str) -> Any:
    row = {"id": "M-1", "title": "Misread", column: cell, **more}
    names, cells = list(row), list(row.values())
    return pushed(world, ";".join(names) + "\n" + ";".join(f'"{each}"' for each in cells) + "\n")


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("currency", "usd", "USD"),
        ("currency", " Kes ", "KES"),
        ("seats", "20.0", 20),
        ("time_zone", "Africa/Lagos ", "Africa/Lagos"),
        ("seats", "\u0662\u0665", 25),
        ("hours", "0.500", Decimal("0.5")),
        ("location", "L\u2019UNIVERSIT\u00c9\u2019", "L\u2019UNIVERSIT\u00c9\u2019"),
        ("languages", "English", ("en",)),
        ("languages", "en,fr", ("en", "fr")),
        ("languages", "Français; العربية", ("fr", "ar")),
        ("languages", "en_US; PT-br; zh-hans", ("en-US", "pt-BR", "zh-Hans")),
        ("languages", "es-419; zh-Hant-TW", ("es-419", "zh-Hant-TW")),
        ("course_code", "'00123", "00123"),
        ("location", "'90 seats", "'90 seats"),
        ("location", "#ICT4D!", "#ICT4D!"),
    ],
)
def test_cell_is_read_as_it_was_meant(world: World, column: str, cell: str, value: object) -> None:
    more = {"registration": "application"} if column == "seats" else {}
    assert outcomes(one_cell(world, column, cell, **more)) == [(2, "created")]
    assert stored(world, column) == value


@pytest.mark.parametrize(
    ("column", "cell", "shown"),
    [
        ("currency", "€", "€"),
        ("currency", "XYZ", "XYZ"),
        ("languages", "Klingonish", "Klingonish"),
        ("languages", "qqq", "qqq"),
        ("price", "1.200", "write 1200, or 1.2000"),
        ("price", "1,200.00", "1,200.00"),
        ("price", "250,50", "250,50"),
        ("price", "1 200", "1 200"),
        ("hours", "1.500", "write 1500"),
        ("starts_at", "31/03/2027", "31/03/2027"),
        ("starts_at", "46447", "a spreadsheet's number of a day"),
        ("meetings", "2027-03-01 20:00/2027-03-02 1.30 Lab", "1.30 Lab"),
        ("meetings", "2027-03-01 20:00/2027-03-02 9am Lab", "9am Lab"),
        ("meetings", "2027-03-01 09:00/2027-03-01 11:00 p.m.", "p.m."),
        ("meetings", "2027-03-01 09:00/2027-03-01 12:00 GMT+3", "GMT+3"),
        ("meetings", "2027-03-01 09:00/2027-03-01 12:00 EST", "EST"),
        ("meetings", "2027-03-01 09:00/2027-03-01 12:00 2027-03-02 09:00", "2027-03-02 09:00"),
        ("seats", "1.000", "write 1000"),
        ("seats", "\u221e", "leave it empty where there is no limit"),
        ("seats", "20-25", "20-25"),
        ("price", "-5", "-5"),
        ("price", "free", "leave it empty where there is no price"),
        ("starts_at", "46447.375", "46447.375, a spreadsheet's number of a day"),
        ("starts_at", "2570-03-01", '"2570-03-01", which is not a date between 1990 and 2100'),
        ("time_zone", "EST", "not a time zone such as Africa/Nairobi"),
        ("time_zone", "UTC-03:00", '"UTC-03:00"'),
        ("status", "confirmed", 'is "confirmed", which is not one of: planned'),
        ("modality", "F2F", 'is "F2F", which is not one of: online_instructor_led'),
        ("time_zone", "EAT", 'is "EAT", which is not a time zone such as Africa/Nairobi'),
        ("title", "#N/A", "#N/A, an error of a spreadsheet"),
        ("location", "#BEZUG!", "#BEZUG!, an error of a spreadsheet"),
        ("location", "Salle \u00c3\u00a9", 'stands for "\u00e9"'),
        ("location", "\u00d0\u00a1\u00d0\u00b2", 'stands for "\u0421\u0432"'),
        (
            "location",
            "\u0420\u040e\u0420\u00b5\u0421\u201a\u0420\u0451",
            'stands for "\u0421\u0435"',
        ),
        ("location", "R\u221a\u00a9seau", 'stands for "\u00e9"'),
        ("location", "R=C3=A9seau", 'stands for "\u00e9"'),
        ("location", "R\ufffdseau", '"\ufffd" in place of a letter'),
        ("location", "#\u00a1REF!", "#\u00a1REF!, an error of a spreadsheet"),
        ("location", "#N/D", "#N/D, an error of a spreadsheet"),
        ("course_code", "1.23E+11", "1.23E+11, a shortened number"),
        ("starts_at", "2027-03-01 09.30", "2027-03-01 09.30"),
        ("starts_at", "2027-03-01 09,30", "2027-03-01 09,30"),
        ("starts_at", "2027-03-01+03:00", "2027-03-01+03:00"),
        ("starts_at", "2027-03-01-05", "2027-03-01-05"),
        ("starts_at", "2027-03-01509:00", "2027-03-01509:00"),
        ("starts_at", "2027030109", "2027030109"),
        ("meetings", "2027-03-01 09:00/2027-03-01 1230", "no time of the day where it ends"),
        ("meetings", "2027-03-01 09:00/2027-03-01 noon", "no time of the day where it ends"),
        ("meetings", "2027-03-01 09:00/2027-03-01 12:30 Uhr", "Uhr"),
        ("meetings", "2027-03-01 09:00/2027-03-01 02:30 \u4e0b\u5348", "\u4e0b\u5348"),
        ("currency", "GHC", "GHC"),
        ("currency", "ZMK", "ZMK"),
        ("languages", "en-UK", "en-UK"),
        ("address", "n/a", "is not the address of a page"),
        ("address", "www.example.org", "it begins with https://"),
    ],
)
def test_cell_that_could_mean_two_things_is_refused_with_its_value(
    world: World, column: str, cell: str, shown: str
) -> None:
    answer = one_cell(world, column, cell)
    assert outcomes(answer) == [(2, "refused")], stored(world, column)
    assert shown in answer.get_json()["rows"][0]["problems"][0]["message"]


def test_blank_after_a_time_zone_counts_for_no_time(world: World) -> None:
    answer = one_cell(world, "time_zone", "Africa/Lagos ", starts_at="2027-03-01")
    assert outcomes(answer) == [(2, "created")]
    assert str(stored(world, "starts_at")).startswith("2027-02-28 23:00")


def test_hour_may_lack_its_zero(world: World) -> None:
    table = "id;title;starts_at;meetings;time_zone\n"
    table += "M-1;Misread;2027-03-01 9:00;2027-03-01 20:00/2027-03-02 1:30 Lab;UTC\n"
    assert outcomes(pushed(world, table)) == [(2, "created")]
    assert str(stored(world, "starts_at")).startswith("2027-03-01 09:00")
    meeting = stored(world, "meetings")[0]
    assert meeting.ends_at == datetime(2027, 3, 2, 1, 30, tzinfo=UTC)
    assert meeting.place == "Lab"


def test_meeting_of_full_days_ends_with_its_last_day(world: World) -> None:
    answer = one_cell(world, "meetings", "2027-03-01/2027-03-05", time_zone="UTC")
    assert outcomes(answer) == [(2, "created")]
    meeting = stored(world, "meetings")[0]
    assert meeting.ends_at == datetime(2027, 3, 5, 23, 59, 59, tzinfo=UTC)


def test_header_that_comes_again_is_no_offering(world: World) -> None:
    answer = pushed(world, "id;title\nM-1;Misread\nid;title\nM-2;Another\n")
    assert outcomes(answer) == [(2, "created"), (4, "created")]


@pytest.mark.parametrize("header", ["ID;Title;Location", " id ; title ; location "])
def test_header_that_comes_again_in_another_form_is_no_offering(world: World, header: str) -> None:
    table = f"id;title;location\nM-1;Misread;x\n{header}\nM-2;Second;y\n"
    assert outcomes(pushed(world, table)) == [(2, "created"), (4, "created")]


@pytest.mark.parametrize("header", ["id;title", "title;id;location"])
def test_header_of_another_table_is_refused(world: World, header: str) -> None:
    table = f"id;title;location\nM-1;Misread;x\n{header}\nM-2;Second;y\n"
    answer = pushed(world, table)
    assert outcomes(answer)[1] == (3, "refused")
    assert "names the columns again" in answer.get_json()["rows"][1]["problems"][0]["message"]


def test_id_that_a_spreadsheet_keeps_as_a_text_has_its_zeros(world: World) -> None:
    answer = pushed(world, 'id;title\n="00123";Misread\n')
    assert answer.get_json()["rows"][0]["id"] == "00123"


@pytest.mark.parametrize(
    "table",
    [
        "sep=;\nid;title;hours\nM-1;Misread;3\n",
        "id;title;hours;;\nM-1;Misread;3;;\n",
        "id;title;hours;location\nM-1;Misread;3\n",
        'id; "title"; hours\nM-1; "Misread; really"; 3\n',
    ],
)
def test_habits_of_spreadsheet_programs_change_no_cell(world: World, table: str) -> None:
    assert outcomes(pushed(world, table))[0][1] == "created"
    assert stored(world, "hours") == 3


@pytest.mark.parametrize("id_", ["1.23457E+11", "4,5E+9", "#REF!"])
def test_id_that_a_spreadsheet_spoiled_is_no_offering(world: World, id_: str) -> None:
    answer = pushed(world, f"id;title\n{id_};Misread\nM-2;Another\n")
    assert outcomes(answer) == [(2, "refused"), (3, "created")]
    assert id_ in answer.get_json()["rows"][0]["problems"][0]["message"]


def test_decimal_comma_between_commas_moves_no_cell(world: World) -> None:
    answer = pushed(world, "id,title,hours,location,address\nM-1,Misread,2,5,,\n")
    assert problems(answer)[2][1] == "wrong-number-of-cells"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b'[{"id":"M-1","title":"Misread"}]', "not CSV"),
        (b"PK\x03\x04\x14\x00", "workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "workbook"),
        (b"id|title\nM-1|Misread\n", "with , ; or a tab"),
    ],
)
def test_another_format_that_is_called_csv_is_refused_by_its_kind(
    world: World, table: bytes, said: str
) -> None:
    answer = Centre(world).push(table, media=CSV)
    assert answer.status_code in (400, 422)
    assert said in answer.get_json()["detail"]


def test_empty_calendar_ends_nothing_in_silence(world: World) -> None:
    one = Centre(world)
    one.put(b"id;title\nM-1;Misread\n", media=CSV)
    empty = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"
    answer = one.put(empty, media=ICS).get_json()
    assert answer["hold"]
    assert one.titles()["Misread"]


def test_cell_that_is_unclear_has_a_code(world: World) -> None:
    assert problems(one_cell(world, "price", "1.200"))[2][1] == "cell-unclear"


@pytest.mark.parametrize(
    ("table", "code", "part"),
    [
        (b'id;title\nM-1;"Misread"x\n', "not-csv", "a quotation mark ends inside a cell"),
        (b"id;title\nM-1;Mis\x00read\n", "nul-character", "NUL"),
    ],
)
def test_message_names_what_broke_the_row(world: World, table: bytes, code: str, part: str) -> None:
    answer = Centre(world).push(table, media=CSV)
    assert problems(answer)[2][1] == code
    message = answer.get_json()["rows"][0]["problems"][0]["message"]
    assert part in message
    assert "Windows" not in message


def test_charset_that_is_not_read_is_refused(world: World) -> None:
    table = "id;title\nM-1;Réseaux\n".encode("cp1252")
    answer = Centre(world).push(table, media="text/csv; charset=windows-1252")
    assert answer.status_code == 415
    assert answer.get_json()["code"] == "wrong-media-type"


def test_time_of_a_calendar_may_lack_its_seconds(world: World) -> None:
    event = "UID:M-1\r\nSUMMARY:Misread\r\nDTSTART:20270301T0900Z\r\n"
    lines = (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n{event}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    assert outcomes(Centre(world).push(lines.encode(), media=ICS)) == [(1, "created")]
    assert str(stored(world, "starts_at")).startswith("2027-03-01 09:00")


def calendar(*events: str) -> bytes:
    whole = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for event in events:
        whole += ["BEGIN:VEVENT", "UID:a", "SUMMARY:Misread", *event.split("|"), "END:VEVENT"]
    return "\r\n".join([*whole, "END:VCALENDAR", ""]).encode()


PARIS = "DTSTART;TZID=Europe/Paris:206003{}T090000|DTEND;TZID=Europe/Paris:206003{}T110000"


def test_event_that_repeats_up_to_an_end_is_one_offering_with_meetings(world: World) -> None:
    rule = "|RRULE:FREQ=WEEKLY;COUNT=5|EXDATE;TZID=Europe/Paris:20600308T090000"
    answer = Centre(world).push(calendar(PARIS.format("01", "01") + rule), media=ICS)
    assert outcomes(answer) == [(1, "created")]
    days = [(3, 1, 8), (3, 15, 8), (3, 22, 8), (3, 29, 7)]  # the clocks change on 28 March
    starts = [datetime(2060, *day, tzinfo=UTC) for day in days]
    assert [each.starts_at for each in stored(world, "meetings")] == starts
    assert str(stored(world, "ends_at")).startswith("2060-03-29 09:00")


@pytest.mark.parametrize(
    "rule",
    [
        "COUNT=3|EXDATE:20600308T090000Z",
        "COUNT=3|EXDATE;TZID=Asia/Tokyo:20600308T180000",
        "COUNT=3|EXDATE;VALUE=DATE:20600308",
        "UNTIL=20600315T090000Z|EXDATE:20600308T090000Z",
    ],
)
def test_rule_of_an_event_in_utc_counts_in_utc(world: World, rule: str) -> None:
    times = "DTSTART:20600301T090000Z|DTEND:20600301T110000Z|X-LMS-BRIDGE-TIME-ZONE:Africa/Nairobi"
    event = f"{times}|RRULE:FREQ=WEEKLY;{rule}"
    assert outcomes(Centre(world).push(calendar(event), media=ICS)) == [(1, "created")]
    starts = [datetime(2060, 3, day, 9, tzinfo=UTC) for day in (1, 15)]
    assert [each.starts_at for each in stored(world, "meetings")] == starts


def test_rule_that_makes_no_second_event_makes_no_meetings(world: World) -> None:
    rule = "|RRULE:FREQ=WEEKLY;UNTIL=20600301T100000Z;BYDAY=MO"
    answer = Centre(world).push(calendar(PARIS.format("01", "01") + rule), media=ICS)
    assert outcomes(answer) == [(1, "created")]
    assert list(stored(world, "meetings")) == []


def test_latest_revision_of_an_event_counts(world: World) -> None:
    old = PARIS.format("01", "01") + "|SEQUENCE:0"
    new = PARIS.format("08", "09") + "|SEQUENCE:2"
    for events in ((old, new), (new, old)):
        Centre(world).push(calendar(*events), media=ICS)
        assert str(stored(world, "starts_at")).startswith("2060-03-08 08:00")


def test_time_of_a_calendar_that_comes_twice_is_the_first(world: World) -> None:
    event = "DTSTART;TZID=Europe/Paris:20271031T023000|DURATION:PT2H"
    Centre(world).push(calendar(event), media=ICS)
    assert str(stored(world, "starts_at")).startswith("2027-10-31 00:30")


def test_unknown_zone_of_a_calendar_is_named(world: World) -> None:
    event = "DTSTART;TZID=Customized Time Zone:20600301T090000"
    answer = Centre(world).push(calendar(event), media=ICS)
    (row,) = answer.get_json()["rows"]
    assert 'is "Customized Time Zone" in DTSTART' in row["problems"][0]["message"]


def test_format_that_is_not_taken_is_refused_with_those_that_are(world: World) -> None:
    answer = Centre(world).push(b"PK", media="application/vnd.ms-excel")
    assert answer.status_code == 415
    assert "text/csv" in answer.get_json()["remedy"]


def test_sessions_that_would_become_offerings_are_told(world: World) -> None:
    whole = calendar(*(PARIS.format(f"0{day}", f"0{day}") for day in range(1, 6)))
    for number in range(5):
        whole = whole.replace(b"UID:a\r", b"UID:a%d\r" % number, 1)
    rows = Centre(world).push(whole, media=ICS, query="?dry_run=true").get_json()["rows"]
    codes = [[each["code"] for each in row["warnings"]] for row in rows]
    assert ["looks-like-sessions" in each for each in codes] == [False, False, True, True, True]


def test_line_that_is_no_property_and_not_used_is_named(world: World) -> None:
    whole = calendar(PARIS.format("01", "01") + "|X-APPLE-RADIUS=49.91|X-WR-ALARMUID:a")
    (row,) = Centre(world).push(whole, media=ICS).get_json()["rows"]
    told = [each["message"] for each in row["warnings"] if each["code"] == "line-not-used"]
    assert row["outcome"] == "created"
    assert told == [
        "These lines are no properties of iCalendar, and are not used here: X-APPLE-RADIUS."
    ]
