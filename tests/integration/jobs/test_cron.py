"""When jobs are due, on ordinary days and on those on which clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.cron import Cron, Every, check, weekdays
from lms_bridge.domain.model import Centre
from lms_bridge.jobs.schedule import jobs_of, offset_of
from lms_bridge.settings import ClockSettings

# Clocks there: forward on 28 March 2027 at 02:00, back on 31 October 2027 at 03:00.
WARSAW = "Europe/Warsaw"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def dues(due: Cron | Every, start: str, number: int) -> list[datetime]:
    found: list[datetime] = []
    moment = at(start)
    for _ in range(number):
        after = due.after(moment)
        assert after is not None
        moment = after
        found.append(moment)
    return found


def test_a_nightly_job_keeps_the_hour_of_its_zone() -> None:
    assert dues(Cron("0 2 * * *", "Africa/Nairobi"), "2027-03-01T00:00+03:00", 2) == [
        at("2027-03-01T02:00+03:00"),
        at("2027-03-02T02:00+03:00"),
    ]


def test_a_time_that_the_clocks_skip_is_due_as_much_later() -> None:
    assert dues(Cron("30 2 * * *", WARSAW), "2027-03-27T12:00+01:00", 3) == [
        at("2027-03-28T03:30+02:00"),
        at("2027-03-29T02:30+02:00"),
        at("2027-03-30T02:30+02:00"),
    ]


def test_a_gap_at_midnight_leaves_no_day_out() -> None:
    # Cairo's clocks go from 23:59 to 01:00 on 24 April 2026
    assert dues(Cron("30 0 * * *", "Africa/Cairo"), "2026-04-22T12:00+02:00", 3) == [
        at("2026-04-23T00:30+02:00"),
        at("2026-04-24T01:30+03:00"),
        at("2026-04-25T00:30+03:00"),
    ]


def test_a_time_that_the_clocks_show_twice_is_due_once() -> None:
    assert dues(Cron("30 2 * * *", WARSAW), "2027-10-30T12:00+02:00", 3) == [
        at("2027-10-31T02:30+02:00"),
        at("2027-11-01T02:30+01:00"),
        at("2027-11-02T02:30+01:00"),
    ]


def test_between_the_two_showings_the_next_is_tomorrow() -> None:
    between = at("2027-10-31T02:31+02:00")
    for minutes in (0, 30, 59, 61):
        moment = between + timedelta(minutes=minutes)
        assert Cron("30 2 * * *", WARSAW).after(moment) == at("2027-11-01T02:30+01:00")


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1)),
    st.sampled_from([WARSAW, "Africa/Cairo", "America/Santiago", "Australia/Lord_Howe", "UTC"]),
    st.sampled_from(["30 2 * * *", "30 0 * * *", "0 2 * * 1-5", "*/20 * * * *"]),
    st.integers(0, 900),
)
def test_due_times_come_later_each_and_no_night_is_left_out(
    start: datetime, zone: str, expression: str, offset: int
) -> None:
    due = Cron(expression, zone, offset)
    moment = start.replace(tzinfo=UTC)
    for _ in range(4):
        after = due.after(moment)
        assert after is not None
        assert moment < after <= moment + timedelta(days=3, hours=2)
        # nothing is due between a moment and its next due time
        assert due.after(after - timedelta(microseconds=1)) == after
        moment = after
        if expression.endswith("0 * * *"):
            again = due.after(moment)
            assert again is not None
            assert again - moment <= timedelta(hours=25)


def test_an_offset_delays_the_due_time() -> None:
    due = Cron("0 2 * * *", "UTC", 90)
    assert due.after(at("2027-03-01T02:01:00Z")) == at("2027-03-01T02:01:30Z")
    assert due.after(at("2027-03-01T02:01:30Z")) == at("2027-03-02T02:01:30Z")


def test_a_day_that_never_comes_is_never_due() -> None:
    assert Cron("0 2 30 2 *", "UTC").after(at("2027-01-01T00:00Z")) is None


@pytest.mark.parametrize(
    ("cron", "names"),
    [
        ("0", "sun"),
        ("7", "sun"),
        ("1-5", "mon,tue,wed,thu,fri"),
        ("5-7", "fri,sat,sun"),
        ("1,3", "mon,wed"),
        ("0-6/2", "sun,tue,thu,sat"),
        ("3/2", "wed,fri"),
        ("*", "*"),
        ("mon-fri", "mon-fri"),
    ],
)
def test_weekdays_count_from_sunday(cron: str, names: str) -> None:
    assert weekdays(cron) == names


def test_day_zero_is_sunday() -> None:
    due = Cron("0 2 * * 0", "UTC").after(at("2027-03-01T00:00Z"))
    assert due is not None
    assert due.strftime("%A") == "Sunday"


@pytest.mark.parametrize(
    "wrong", ["", "at night", "61 * * * *", "0 2 * *", "0 2 * * 9", "0 2 * * 1/0"]
)
def test_an_invalid_expression_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        check(wrong)


def test_an_interval_counts_from_fixed_points() -> None:
    due = Every(300, 42)
    assert dues(due, "2027-03-01T12:00:42Z", 2) == [
        at("2027-03-01T12:05:42Z"),
        at("2027-03-01T12:10:42Z"),
    ]
    assert due.after(at("2027-03-01T12:05:41.999999Z")) == at("2027-03-01T12:05:42Z")


def sample(code: str = "SAMPLE", **fields: Any) -> Centre:
    return Centre(code, "Sample", "africa", "none", sample=True, **fields)


def test_a_centre_has_three_jobs_in_its_own_zone() -> None:
    jobs = {
        job.kind: job for job in jobs_of(sample(time_zone=WARSAW), ClockSettings(jitter_seconds=0))
    }
    assert jobs["catalogue"].full
    assert jobs["catalogue"].flows == ("offerings", "enrolments", "results")
    assert jobs["catalogue"].due == Cron("0 2 * * *", WARSAW, 0)
    assert (jobs["enrolments"].full, jobs["results"].full) == (False, False)
    assert jobs["enrolments"].id == "enrolments:SAMPLE"


def test_a_centre_may_have_its_own_night() -> None:
    own = jobs_of(sample(policy={"catalogue": "15 4 * * 6"}), ClockSettings(jitter_seconds=0))
    assert own[0].due == Cron("15 4 * * 6", "UTC", 0)


def test_an_invalid_policy_of_one_centre_keeps_the_default() -> None:
    odd = jobs_of(sample(policy={"catalogue": "at night"}, time_zone="Mars/Base"), ClockSettings())
    assert odd[0].due == Cron("0 2 * * *", "UTC", offset_of("SAMPLE", "catalogue", 900))


def test_centres_are_spread_and_stay_where_they_are() -> None:
    offsets = [offset_of(f"C{number}", "catalogue", 900) for number in range(30)]
    assert len(set(offsets)) > 20
    assert all(0 <= offset < 900 for offset in offsets)
    assert offsets == [offset_of(f"C{number}", "catalogue", 900) for number in range(30)]
    assert offset_of("C1", "catalogue", 0) == 0


def test_a_centre_that_is_not_active_has_no_jobs() -> None:
    assert jobs_of(sample(active=False), ClockSettings()) == []
