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
from lms_bridge.schemas.offering import OfferingSchema

LINES = ["title", "course_code", "location", "address", "lms_course"]
TEXTS = ["description", "audience", "requirements", "objectives"]
LISTS = ["payment_methods", "languages", "topics", "coordinators", "organisers"]
MOMENTS = ["starts_at", "ends_at", "registration_opens", "registration_closes"]
CHOICES = ["modality", "level", "status", "registration"]
AMOUNTS = ["hours", "price"]
ZONES = [
    "UTC",
    "Africa/Nairobi",
    "Asia/Kolkata",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
]
NO_TEXTS: list[Any] = [None, True, False, [], ["x"], {}, {"a": 1}, float("nan"), float("inf")]


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
def test_an_empty_title_is_no_title(title: str) -> None:
    assert complaint(title=title) == "title is empty."


def test_all_problems_are_told_at_once_without_values() -> None:
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


def test_fields_that_nobody_asked_for_are_passed_over() -> None:
    assert "secret" not in loaded(secret="x", code="forged", centre="OTHER")
    assert not {"code", "centre"} & loaded(code="forged", centre="OTHER").keys()


@pytest.mark.parametrize("fields", [None, [], "text", 5])
def test_a_record_is_a_set_of_fields(fields: Any) -> None:
    with pytest.raises(RecordRefused, match="not a set of fields"):
        load(OfferingSchema(), fields)


@pytest.mark.parametrize("name", [*LINES, *TEXTS])
@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
def test_what_is_no_text(name: str, value: Any) -> None:
    assert name in complaint(**{name: value})


@pytest.mark.parametrize("name", [*LINES, *TEXTS])
@pytest.mark.parametrize(
    "text", ["إدارة الطيف الترددي", "频谱管理", "Управление спектром", "Gestion du spectre", "𝒯𝓇𝒶"]
)
def test_texts_of_every_script_come_through(name: str, text: str) -> None:
    assert loaded(**{name: text})[name] == text


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
        ("currency", 3),
    ],
)
def test_lines_have_their_length(name: str, longest: int) -> None:
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
def test_lists_of_short_texts(name: str) -> None:
    assert loaded(**{name: ["en", " ar ", "", "en"]})[name] == ("en", "ar")
    assert loaded(**{name: "en; ar;;en"})[name] == ("en", "ar")
    assert loaded(**{name: []})[name] == ()
    for bad in (5, {"a": 1}, [["en"]], [None], [{"a": 1}], True):
        assert name in complaint(**{name: bad})
    assert "more than 100 entries" in complaint(**{name: [str(n) for n in range(101)]})
    assert "longer than 500" in complaint(**{name: ["x" * 501]})


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
def test_choices_by_value_or_label(name: str, value: Any, member: object) -> None:
    assert loaded(**{name: value})[name] is member


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["guru", "не published", "published2", 5, 1.5, [], {}, True])
def test_choices_that_are_none(name: str, value: Any) -> None:
    assert name in complaint(**{name: value})


@pytest.mark.parametrize("name", AMOUNTS)
def test_amounts_are_exact(name: str) -> None:
    assert loaded(**{name: "0.10"})[name] == Decimal("0.1")
    assert loaded(**{name: 0.1})[name] == Decimal("0.1")
    assert loaded(**{name: 24})[name] == Decimal(24)
    assert loaded(**{name: 0})[name] == 0
    assert str(loaded(**{name: "-0"})[name]) == "0"
    assert loaded(**{name: " "})[name] is None
    assert loaded(**{name: 33.333333333333336})[name] == Decimal("33.333333333333336")


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize(
    "value",
    [
        *("ten", "1,5", float("nan"), float("inf"), "NaN", "-Infinity", "sNaN", True, [], {}),
        *(-1, "1e7", 10**30, "9" * 5000, "1e999999999", "1e-999999", "0." + "1" * 25),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_amounts_that_are_none(name: str, value: Any) -> None:
    assert name in complaint(**{name: value})


def test_a_price_has_a_currency() -> None:
    assert loaded(price=150)["currency"] == "USD"
    assert loaded(price=150, currency="EUR")["currency"] == "EUR"
    assert loaded()["currency"] == ""


@pytest.mark.parametrize("value", ["x", "1.5", 1.5, -1, 1_000_001, True, [], {}, float("nan"), ""])
def test_seats_that_are_none(value: Any) -> None:
    assert "seats" in complaint(seats=value)


def test_seats_are_whole() -> None:
    assert (loaded(seats="25")["seats"], loaded(seats=0)["seats"]) == (25, 0)


@pytest.mark.parametrize(
    "zone", ["Mars/Base", "../etc/passwd", "/etc/passwd", "x" * 5000, 5, None, [], "", "UTC\x00x"]
)
def test_zones_that_are_none(zone: Any) -> None:
    assert "time_zone" in complaint(time_zone=zone)


def test_a_zone_of_ones_own_counts_before_the_centres() -> None:
    made = loaded("Asia/Tokyo", time_zone="Africa/Nairobi", starts_at="2026-03-02T09:00:00")
    assert made["starts_at"] == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert loaded("Asia/Tokyo", starts_at="2026-03-02T09:00")["starts_at"].hour == 0


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "2026-02-30",
        "2026-13-01",
        "31.03.2026",
        "2026-3-1",
        "0001-01-01",
        "9999-12-31",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00",
        "1989-12-30",
        "2101-01-01",
        1,
        -1,
        10**12,
        10**400,
        "9" * 400,
        1e308,
        float("nan"),
        float("inf"),
        True,
        False,
        [],
        {},
        "2026-03-02T25:00:00",
    ],
    ids=lambda value: repr(value)[:25],
)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_dates_that_are_none(name: str, value: Any, zone: str) -> None:
    assert name in complaint(zone, **{name: value})


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("value", [0, "0", "", None, 0.0])
def test_no_date_is_no_date(name: str, value: Any) -> None:
    assert loaded(**{name: value})[name] is None


def test_dates_in_all_forms() -> None:
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
    for zone in sorted(available_timezones() - {"localtime"}):
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


def test_dates_are_in_order() -> None:
    assert "ends_at is before the start" in complaint(starts_at="2026-03-02", ends_at="2026-03-01")
    assert "registration_closes is before" in complaint(
        registration_opens="2026-03-02", registration_closes="2026-03-01"
    )
    loaded(starts_at="2026-03-02", ends_at="2026-03-02")


def test_meetings() -> None:
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
def test_meetings_that_are_none(meetings: Any) -> None:
    assert "meetings" in complaint(meetings=meetings)


def test_nesting_without_end_is_refused() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    for name in ("title", "meetings", "topics", "starts_at", "seats"):
        assert name in complaint(**{name: deep})
