"""Events of calendars that were once misread in silence: each is read right, or refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lms_bridge.intake.recurrence import MOST_LEFT_OUT
from tests.integration.api.world import World
from tests.integration.schedule.pushing import ICS, Centre, outcomes, problems
from tests.integration.schedule.test_misread_cells import PARIS, calendar, stored


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (PARIS.format("01", "01") + "|RRULE:FREQ=DAILY;COUNT=2|RRULE:FREQ=WEEKLY;COUNT=3", "rrule"),
        (PARIS.format("01", "01") + "|RRULE:FREQ=DAILY;COUNT=5|EXRULE:FREQ=DAILY", "exrule"),
        (PARIS.format("01", "01") + "|RDATE;TZID=Europe/Paris:20600302T090000", "rdate"),
        (PARIS.format("01", "01") + "|RRULE:FREQ=DAILY;COUNT=3;UNTIL=20600303", "rrule"),
        (PARIS.format("01", "01") + "|RRULE:FREQ=DAILY;UNTIL=20600201", "rrule"),
        (PARIS.format("01", "01") + "|RRULE:FREQ=DAILY;COUNT=3|EXDATE:"
         + ",".join(["20600302T090000Z"] * (MOST_LEFT_OUT + 1)), "rrule"),
        (PARIS.format("01", "01") + "|DURATION:PT5H", "duration"),
        ("DTSTART:20600301T090000Z|DTSTART:20600302T090000Z", "dtstart"),
        ("DTSTART:20600301T090000Z|DURATION:-PT1H", "ends_at"),
        ("DTSTART:20600301T090000+0300|DURATION:PT1H", "dtstart"),
        ("DTSTART;TZID=EST:20600701T090000|DURATION:PT1H", "time_zone"),
        (PARIS.format("01", "01") + "|RRULE:FREQ=DAILY;COUNT=3|EXDATE;TZID=X:20600302T090000",
         "time_zone"),
        (PARIS.format("01", "01") + "|STATUS:NEEDS-ACTION", "status"),
        (PARIS.format("01", "01") + "|RRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=2", "rrule"),  # a Monday
        (PARIS.format("01", "01") + "|CLASS:PRIVATE", "class"),
        (PARIS.format("01", "01") + "|SUMMARY:Another", "summary"),
        (PARIS.format("01", "01") + "|UID:b", "uid"),
        (PARIS.format("01", "01") + "|DESCRIPTION:a|DESCRIPTION:b", "description"),
        (PARIS.format("01", "01") + "|X-LMS-BRIDGE-PRICE:1|X-LMS-BRIDGE-PRICE:2", "price"),
        (PARIS.format("01", "01") + "|LOCATION:R\u00c3\u00a9seau", "location"),
        (PARIS.format("01", "01") + "|LOCATION:R=C3=A9seau", "location"),
        (PARIS.format("01", "01") + "|LOCATION;ENCODING=X-MINE:abc", "location"),
        ("DTSTART:20600301T090000Z|DTEND;VALUE=DATE:20600305", "dtend"),
    ],
)  # fmt: skip
def test_event_that_says_two_things_or_what_is_not_read_is_refused(
    world: World, event: str, field: str
) -> None:
    answer = Centre(world).push(calendar(event), media=ICS)
    assert outcomes(answer) == [(1, "refused")], stored(world, "meetings")
    assert problems(answer)[1][0] == field


def test_value_that_is_no_date_is_shown(world: World) -> None:
    answer = Centre(world).push(calendar("DTSTART:2060-03-01T09:00:00Z"), media=ICS)
    assert "2060-03-01T09:00:00Z" in answer.get_json()["rows"][0]["problems"][0]["message"]


def test_local_times_of_a_calendar_in_an_unknown_zone_are_refused(world: World) -> None:
    local, utc = (f"DTSTART:20600301T090000{end}|DURATION:PT1H" for end in ("", "Z"))
    for event, outcome in ((local, "refused"), (utc, "created")):
        whole = calendar(event).replace(b"BEGIN:VEVENT", b"X-WR-TIMEZONE:Tokyo\r\nBEGIN:VEVENT")
        assert outcomes(Centre(world).push(whole, media=ICS)) == [(1, outcome)]
    assert str(stored(world, "starts_at")).startswith("2060-03-01 09:00")


def test_meeting_that_was_moved_does_not_leave_its_series_as_it_was(world: World) -> None:
    moved = "RECURRENCE-ID;TZID=Europe/Paris:20600308T090000|" + PARIS.format("09", "09")
    series = PARIS.format("01", "01") + "|RRULE:FREQ=WEEKLY;COUNT=3"
    for events in ((series, moved), (moved, series)):
        answer = Centre(world).push(calendar(*events), media=ICS)
        assert {outcome for _, outcome in outcomes(answer)} == {"refused"}


def test_offering_starts_with_the_first_meeting_that_is_left(world: World) -> None:
    rule = "|RRULE:FREQ=WEEKLY;COUNT=3|EXDATE;TZID=Europe/Paris:20600301T090000"
    answer = Centre(world).push(calendar(PARIS.format("01", "01") + rule), media=ICS)
    assert outcomes(answer) == [(1, "created")]
    assert str(stored(world, "starts_at")).startswith("2060-03-08 08:00")


@pytest.mark.parametrize(
    "text",
    [
        "LOCATION;ENCODING=QUOTED-PRINTABLE:R=C3=A9seaux =\r\n mobiles",
        "LOCATION;ENCODING=Q:R=c3=a9seaux mobiles",
        "LOCATION;ENCODING=B:UsOpc2VhdXggbW9iaWxlcw==",
    ],
)
def test_encoded_text_of_an_event_is_decoded_whole(world: World, text: str) -> None:
    answer = Centre(world).push(calendar(PARIS.format("01", "01") + f"|{text}"), media=ICS)
    assert outcomes(answer) == [(1, "created")]
    assert stored(world, "location") == "R\u00e9seaux mobiles"


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("SEQUENCE;X-OF=me:3", "SEQUENCE:2"),
        (f"UID:{'u' * 60}\r\n {'v' * 9}|SEQUENCE:3", f"UID:{'u' * 60}\r\n {'v' * 9}|SEQUENCE:2"),
    ],
)
def test_latest_revision_counts_however_its_lines_are_written(
    world: World, new: str, old: str
) -> None:
    both = calendar(f"{new}|LOCATION:New", f"{old}|LOCATION:Old")
    if "UID" in new:
        both = both.replace(b"UID:a\r\n", b"")
    assert outcomes(Centre(world).push(both, media=ICS)) == [(1, "created")]
    assert stored(world, "location") == "New"


def test_calendar_that_counts_other_days_is_refused(world: World) -> None:
    whole = calendar(PARIS.format("01", "01")).replace(
        b"BEGIN:VEVENT", b"CALSCALE:HEBREW\r\nBEGIN:VEVENT"
    )
    answer = Centre(world).push(whole, media=ICS)
    assert answer.status_code == 422
    assert "CALSCALE" in answer.get_json()["detail"]


def test_empty_method_says_nothing(world: World) -> None:
    whole = calendar("DTSTART:20600301T090000Z").replace(b"VERSION", b"METHOD:\r\nVERSION")
    assert outcomes(Centre(world).push(whole, media=ICS)) == [(1, "created")]
    assert stored(world, "starts_at") == datetime(2060, 3, 1, 9, tzinfo=UTC)
