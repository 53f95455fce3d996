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


def test_empty_method_says_nothing(world: World) -> None:
    whole = calendar("DTSTART:20600301T090000Z").replace(b"VERSION", b"METHOD:\r\nVERSION")
    assert outcomes(Centre(world).push(whole, media=ICS)) == [(1, "created")]
    assert stored(world, "starts_at") == datetime(2060, 3, 1, 9, tzinfo=UTC)
