"""Offerings as sources send them: good input in many forms, and every field with bad input."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import Level, Meeting, Modality, OfferingStatus, RegistrationType
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema

LINES = ["title", "course_code", "location", "address", "lms_course"]
TEXTS = ["description", "audience", "requirements", "objectives"]
LISTS = ["payment_methods", "languages", "topics", "coordinators", "organisers"]
MOMENTS = ["starts_at", "ends_at", "registration_opens", "registration_closes"]
CHOICES = ["modality", "level", "status", "registration"]
AMOUNTS = ["hours", "price"]
ZONES = [
    "UTC",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "America/Sao_Paulo",  # its summer time began at midnight
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",  # a quarter of an hour off
    "Australia/Lord_Howe",  # its clocks move by half an hour
]
NO_TEXTS: dict[str, Any] = {
    "nothing": None,
    "boolean": True,
    "list": ["x"],
    "object": {"a": 1},
    "not a number": float("nan"),
    "infinity": float("inf"),
}
NO_CHOICES: dict[str, Any] = {
    "unknown word": "guru",
    "another script before it": "не published",
    "more than the word": "published2",
    "number": 5,
    "list": [],
    "object": {},
    "boolean": True,
}
NO_AMOUNTS: dict[str, Any] = {
    "word": "ten",
    "decimal comma": "1,5",
    "not a number": float("nan"),
    "not a number, as text": "NaN",
    "infinity": float("inf"),
    "minus infinity, as text": "-Infinity",
    "signalling NaN": "sNaN",
    "boolean": True,
    "list": [],
    "object": {},
    "below zero": -1,
    "too large": "1e7",
    "whole number beyond all bounds": 10**30,
    "five thousand digits": "9" * 5000,
    "exponent beyond all bounds": "1e999999999",
    "too close to zero": "1e-999999",
    "25 decimals": "0." + "1" * 25,
}
NO_DATES: dict[str, Any] = {
    "word": "soon",
    "day that does not exist": "2026-02-30",
    "month that does not exist": "2026-13-01",
    "hour that does not exist": "2026-03-02T25:00:00",
    "day before month": "31.03.2026",
    "digits missing": "2026-3-1",
    "before 1990": "1989-12-30",
    "after 2100": "2101-01-01",
    "first day there is": "0001-01-01",
    "last day there is": "9999-12-31",
    "first time there is": "0001-01-01T00:00:00",
    "before all time, by its offset": "0001-01-01T00:00:00+14:00",
    "after all time, by its offset": "9999-12-31T23:59:59-12:00",
    "too few seconds": 1,
    "seconds below zero": -1,
    "too many seconds": 10**12,
    "more seconds than a float has": 10**400,
    "as many seconds, as text": "9" * 400,
    "seconds near a float's end": 1e308,
    "not a number": float("nan"),
    "infinity": float("inf"),
    "true": True,
    "false, though it equals 0": False,
    "list": [],
    "object": {},
}


def loaded(zone: str = "UTC", /, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = load(OfferingSchema(default_zone=zone), {"title": "T", **fields})
    return made


def complaint(zone: str = "UTC", /, **fields: Any) -> str:
    """What is said of bad input; its first word is always the field's name."""
    with pytest.raises(RecordRefused) as raised:
        loaded(zone, **fields)
    assert raised.value.code == "invalid-record"
    assert raised.value.field
    return raised.value.message


def test_only_a_title_is_needed() -> None:
    made = loaded(title="  Spectrum   monitoring\n")
    assert made["title"] == "Spectrum monitoring"
    assert made["status"] is OfferingStatus.PUBLISHED
    assert made["registration"] is RegistrationType.DIRECT
    assert made["time_zone"] == "UTC"
    assert made["meetings"] == ()
    assert made["starts_at"] is None
    assert made["seats"] is None


@pytest.mark.parametrize("title", ["", "   ", "<b></b>", "\x00\x07", "\ud800", "&nbsp;"])
def test_an_empty_title_is_refused(title: str) -> None:
    assert complaint(title=title) == "title is empty."


def test_all_problems_are_reported_at_once_without_values() -> None:
    said = complaint(title=None, starts_at="tomorrow", seats="many", level="guru-sample")
    for part in (
        "title is empty",
        "starts_at is not a date",
        "seats is not a whole",
        "level is not",
    ):
        assert part in said
    assert "tomorrow" not in said
    assert "guru-sample" not in said


def test_unknown_fields_are_ignored() -> None:
    assert "secret" not in loaded(secret="x", code="forged", centre="OTHER")
    assert not {"code", "centre"} & loaded(code="forged", centre="OTHER").keys()


@pytest.mark.parametrize("fields", [None, [], "text", 5])
def test_a_record_that_is_no_set_of_fields_is_refused(fields: Any) -> None:
    with pytest.raises(RecordRefused, match="not a set of fields"):
        load(OfferingSchema(), fields)


@pytest.mark.parametrize("name", ["title", "description"])  # one line, and text with markup
@pytest.mark.parametrize("value", NO_TEXTS.values(), ids=NO_TEXTS)
def test_a_value_that_is_no_text_is_refused(name: str, value: Any) -> None:
    assert name in complaint(**{name: value})


@pytest.mark.parametrize("name", [*LINES, *TEXTS])
def test_every_text_field_refuses_a_list(name: str) -> None:
    assert name in complaint(**{name: ["x"]})


@pytest.mark.parametrize(
    "text", ["إدارة الطيف الترددي", "频谱管理", "Управление спектром", "Gestion du spectre", "𝒯𝓇𝒶"]
)
def test_texts_of_every_script_are_kept(text: str) -> None:
    for name in (*LINES, *TEXTS):
        assert loaded(**{name: text})[name] == text, name


@pytest.mark.parametrize("name", LINES)
def test_numbers_may_stand_for_texts(name: str) -> None:
    assert loaded(**{name: 101})[name] == "101"


@pytest.mark.parametrize("name", LINES)
def test_lines_lose_markup_and_control_characters(name: str) -> None:
    text = "<b>Radio</b> &amp; <script>alert(1)</script>TV\u0000\ud83d \t\n 5 > 4"
    assert loaded(**{name: text})[name] == "Radio & TV 5 > 4"
    assert loaded(**{name: "1 < 2"})[name] == "1 < 2"


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("title", 500),
        ("course_code", 100),
        ("location", 500),
        ("address", 2000),
        ("lms_course", 255),
    ],
)
def test_a_line_that_is_too_long_is_refused(name: str, longest: int) -> None:
    assert loaded(**{name: "x" * longest})[name] == "x" * longest
    assert (
        complaint(**{name: "x" * (longest + 1)}) == f"{name} is longer than {longest} characters."
    )
    assert len(complaint(**{name: "x" * 5_000_000})) < 100


@pytest.mark.parametrize("name", TEXTS)
def test_rich_texts_keep_harmless_markup_only(name: str) -> None:
    text = (
        '<p onclick="x()">Hi <b>you</b></p><script>alert(1)</script><style>*{}</style>'
        '<a href="javascript:alert(1)">a</a><img src=x onerror=alert(1)><iframe src="//x"></iframe>'
    )
    made = loaded(**{name: text})[name]
    assert "<p>Hi <b>you</b></p>" in made
    for bad in ("script", "onclick", "onerror", "iframe", "style"):
        assert bad not in made
    assert loaded(**{name: "a & b\n"})[name] == "a & b"
    assert "longer than 100,000" in complaint(**{name: "x" * 100_001})


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_short_texts_are_loaded_and_bounded(name: str) -> None:
    assert loaded(**{name: ["en", " ar ", "", "en"]})[name] == ("en", "ar")
    assert loaded(**{name: "en; ar;;en"})[name] == ("en", "ar")
    assert loaded(**{name: []})[name] == ()
    for bad in (5, {"a": 1}, [["en"]], [None], [{"a": 1}], True):
        assert name in complaint(**{name: bad})
    assert "more than 100 entries" in complaint(**{name: [str(n) for n in range(101)]})
    long = "language tag" if name == "languages" else "longer than 500"
    assert long in complaint(**{name: ["x" * 501]})


@pytest.mark.parametrize(
    ("name", "value", "member"),
    [
        ("modality", "Face-to-face", Modality.FACE_TO_FACE),
        ("modality", "Online instructor-led", Modality.INSTRUCTOR_LED),
        ("modality", " ONLINE_SELF_PACED ", Modality.SELF_PACED),
        ("modality", "", None),
        ("modality", None, None),
        ("level", "Introductory", Level.INTRODUCTORY),
        ("registration", "application", RegistrationType.APPLICATION),
        ("status", "Delivered", OfferingStatus.DELIVERED),
    ],
)
def test_a_choice_is_read_by_value_or_label(name: str, value: Any, member: object) -> None:
    assert loaded(**{name: value})[name] is member


@pytest.mark.parametrize("value", NO_CHOICES.values(), ids=NO_CHOICES)
def test_a_value_that_is_no_choice_is_refused(value: Any) -> None:
    assert "status" in complaint(status=value)


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_field_refuses_an_unknown_word(name: str) -> None:
    assert name in complaint(**{name: "guru"})


@pytest.mark.parametrize("name", AMOUNTS)
def test_amounts_are_exact(name: str) -> None:
    assert loaded(**{name: "0.10"})[name] == Decimal("0.1")
    assert loaded(**{name: 0.1})[name] == Decimal("0.1")
    assert loaded(**{name: 24})[name] == Decimal(24)
    assert loaded(**{name: 0})[name] == 0
    assert str(loaded(**{name: "-0"})[name]) == "0"
    assert loaded(**{name: " "})[name] is None
    assert loaded(**{name: 33.333333333333336})[name] == Decimal("33.333333333333336")


@pytest.mark.parametrize("value", NO_AMOUNTS.values(), ids=NO_AMOUNTS)
def test_a_value_that_is_no_amount_is_refused(value: Any) -> None:
    assert "price" in complaint(price=value)


@pytest.mark.parametrize(("name", "most"), [("hours", 10_000), ("price", 1_000_000)])
def test_every_amount_field_has_its_bounds(name: str, most: int) -> None:
    assert loaded(**{name: most})[name] == most
    for value in (most + 1, -1, "ten"):
        assert name in complaint(**{name: value})


def test_a_price_without_a_currency_has_none() -> None:
    assert loaded(price=150)["currency"] == ""
    assert loaded(price=150, currency="EUR")["currency"] == "EUR"
    assert loaded()["currency"] == ""


@pytest.mark.parametrize("value", ["x", "1.5", 1.5, -1, 1_000_001, True, [], {}, float("nan"), ""])
def test_an_invalid_number_of_seats_is_refused(value: Any) -> None:
    assert "seats" in complaint(seats=value)


def test_a_whole_number_of_seats_is_accepted() -> None:
    assert (loaded(seats="25")["seats"], loaded(seats=0)["seats"]) == (25, 0)


@pytest.mark.parametrize(
    "zone", ["Mars/Base", "../etc/passwd", "/etc/passwd", "x" * 5000, 5, None, [], "", "UTC\x00x"]
)
def test_an_unknown_time_zone_is_refused(zone: Any) -> None:
    assert "time_zone" in complaint(time_zone=zone)


def test_a_zone_of_ones_own_counts_before_the_centres() -> None:
    made = loaded("Asia/Tokyo", time_zone="Africa/Nairobi", starts_at="2026-03-02T09:00:00")
    assert made["starts_at"] == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert loaded("Asia/Tokyo", starts_at="2026-03-02T09:00")["starts_at"].hour == 0


@pytest.mark.parametrize("value", NO_DATES.values(), ids=NO_DATES)
def test_a_value_that_is_no_date_is_refused(value: Any) -> None:
    assert "starts_at" in complaint(starts_at=value)


@pytest.mark.parametrize("name", MOMENTS)
def test_every_date_field_refuses_a_word(name: str) -> None:
    assert name in complaint(**{name: "soon"})


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Pacific/Kiritimati", "0001-01-01"), ("Pacific/Pago_Pago", "9999-12-31")],
    ids=["before all time", "after all time"],
)
@pytest.mark.parametrize("name", ["starts_at", "ends_at"])  # a day's begin, and its end
def test_a_day_that_its_zone_moves_out_of_all_time_is_refused(
    name: str, zone: str, day: str
) -> None:
    for value in (day, f"{day}T12:00:00"):
        assert name in complaint(zone, **{name: value})


@pytest.mark.parametrize("value", [0, "0", "", None, 0.0])
def test_zero_and_nothing_mean_no_date(value: Any) -> None:
    for name in MOMENTS:
        assert loaded(**{name: value})[name] is None, name


def test_a_date_is_read_in_all_forms() -> None:
    moment = datetime(2026, 3, 31, 6, tzinfo=UTC)
    for value in (
        1774936800,
        "1774936800",
        1774936800.0,
        "2026-03-31T06:00:00Z",
        "2026-03-31T09:00:00+03:00",
        "2026-03-31 06:00",
    ):
        assert loaded(starts_at=value)["starts_at"] == moment, value


@pytest.mark.parametrize("zone", ZONES)
@given(st.dates(date(1991, 1, 1), date(2098, 12, 31)))
def test_a_day_never_shifts(zone: str, day: date) -> None:
    local = ZoneInfo(zone)
    made = loaded(zone, starts_at=str(day), ends_at=str(day), registration_opens=f"{day}T12:00:00")
    for name in ("starts_at", "ends_at", "registration_opens"):
        assert made[name].tzinfo is UTC
        assert made[name].astimezone(local).date() == day
    assert made["ends_at"] - made["starts_at"] >= timedelta(hours=22, minutes=59)
    assert (made["ends_at"] + timedelta(seconds=1)).astimezone(local).date() > day


def test_every_zone_there_is_can_be_used() -> None:
    for zone in sorted(available_timezones() - {"localtime", "Factory", "EST", "MST"}):
        made = loaded(zone, starts_at="2026-03-31")
        assert made["starts_at"].astimezone(ZoneInfo(zone)).date() == date(2026, 3, 31)


def test_a_time_that_clocks_skip_is_refused_but_the_day_is_not() -> None:
    # In Cairo the clocks went from 0:00 to 1:00 on 26 April 2024, in New York from 2:00 to 3:00
    # on 10 March.
    cairo = loaded("Africa/Cairo", starts_at="2024-04-26", ends_at="2024-04-26")
    assert cairo["starts_at"] == datetime(2024, 4, 25, 22, tzinfo=UTC)
    assert "clocks" in complaint("Africa/Cairo", starts_at="2024-04-26T00:30:00")
    assert "clocks" in complaint("America/New_York", starts_at="2024-03-10T02:30:00")
    assert loaded("America/New_York", starts_at="2024-03-10")["starts_at"].hour == 5


def test_a_time_that_comes_twice_is_the_first_one_and_a_day_ends_after_the_second() -> None:
    made = loaded("America/New_York", starts_at="2024-11-03T01:30:00")
    assert made["starts_at"] == datetime(2024, 11, 3, 5, 30, tzinfo=UTC)
    beirut = loaded("Asia/Beirut", ends_at="2000-10-28")
    assert beirut["ends_at"] == datetime(2000, 10, 28, 21, 59, 59, tzinfo=UTC)


def test_a_day_that_a_zone_skips_is_refused() -> None:
    assert "is a day that its zone skips" in complaint("Pacific/Apia", starts_at="2011-12-30")


def test_an_offering_with_end_before_start_is_refused() -> None:
    assert "ends_at is before the start" in complaint(starts_at="2026-03-02", ends_at="2026-03-01")
    assert "registration_closes is before" in complaint(
        registration_opens="2026-03-02", registration_closes="2026-03-01"
    )
    loaded(starts_at="2026-03-02", ends_at="2026-03-02")


def test_a_meeting_is_loaded() -> None:
    meeting = {"starts_at": "2026-03-02T09:00", "ends_at": "2026-03-02T11:00", "place": "<b>4</b>"}
    made = loaded(meetings=[meeting])
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert made["meetings"] == (Meeting(start, start + timedelta(hours=2), "4"),)


@pytest.mark.parametrize(
    "meetings",
    [
        None,
        "x",
        5,
        {},
        [None],
        ["x"],
        [[]],
        [{}],
        [{"starts_at": 0, "ends_at": 0}],
        [{"starts_at": "", "ends_at": "2026-03-02"}],
        [{"starts_at": None, "ends_at": "2026-03-02"}],
        [{"starts_at": "2026-03-02T09:00", "ends_at": "2026-03-02T09:00"}],
        [{"starts_at": "2026-03-02T09:00", "ends_at": "2026-03-02T08:00"}],
        [{"starts_at": "soon", "ends_at": "late"}],
    ],
    ids=repr,
)
def test_an_invalid_meeting_is_refused(meetings: Any) -> None:
    assert "meetings" in complaint(meetings=meetings)


def test_nesting_without_end_is_refused() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    for name in ("title", "meetings", "topics", "starts_at", "seats"):
        assert name in complaint(**{name: deep})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("20270301", "2027-03-01T00:00:00+03:00"),
        (20270301, "2027-03-01T00:00:00+03:00"),
        ("2027-03-01 24:00", "2027-03-02T00:00:00+03:00"),
        ("2027-12-31T24:00:00Z", "2028-01-01T00:00:00+00:00"),
    ],
)
def test_a_day_without_hyphens_and_hour_24_are_understood(written: object, meant: str) -> None:
    assert loaded("Africa/Nairobi", starts_at=written)["starts_at"] == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    "field",
    [
        {"starts_at": "2027-03-01 9:00 AM"},
        {"starts_at": "1 March 2027"},
        {"price": "€250", "currency": "EUR"},
        {"hours": "40h"},
        {"seats": "1,000"},
        {"time_zone": "UTC+3"},
    ],
)
def test_a_misread_cell_is_refused_with_its_value_and_an_example(field: dict[str, str]) -> None:
    name, value = next(iter(field.items()))
    assert f'{name} is "{value}", which is not a' in (said := complaint(**field))
    assert "such as" in said


def test_a_name_or_an_address_in_the_wrong_column_is_not_shown() -> None:
    assert "Amina" not in complaint(starts_at="Amina Sample")
    assert "sample" not in complaint(price="a1@sample.example", currency="EUR")


def test_a_time_zone_may_have_small_letters() -> None:
    assert loaded(time_zone="africa/nairobi")["time_zone"] == "Africa/Nairobi"


@pytest.mark.parametrize("code", ["XAU", "XTS", "XXX"])
def test_a_code_that_is_no_money_is_no_currency(code: str) -> None:
    assert "currency" in complaint(price="100", currency=code)
