"""iCalendar, as the library ``icalendar`` reads it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import event as database_event

from lms_bridge.catalogue import feed_queries
from lms_bridge.domain.model import Modality, Offering, OfferingStatus
from tests.integration.feeds.world import HOSTILE, World, full, meeting, plain


def read(world: World, query: str = "") -> Any:
    response = world.get(f"/catalogue.ics{query}")
    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    lines = response.content.split(b"\r\n")
    assert lines[-1] == b""
    assert b"\n" not in b"".join(lines)
    assert b"\r" not in b"".join(lines)
    for line in lines:
        assert len(line) <= 75
        line.decode()  # no character is torn
    return Calendar.from_ical(response.content)


def events(calendar: Any) -> dict[str, Any]:
    found = {str(event["UID"]): event for event in calendar.walk("VEVENT")}
    assert len(found) == len(calendar.walk("VEVENT")), "an identifier comes twice"
    assert not [event.errors for event in calendar.walk() if event.errors]
    return found


def summaries(world: World, query: str = "") -> list[str]:
    """As they stand in the text: to parse a thousand events takes seconds."""
    text = world.get(f"/catalogue.ics{query}").text
    return re.findall(r"^SUMMARY:(.*)\r$", text, re.MULTILINE)


def only(calendar: Any) -> Any:
    [event] = events(calendar).values()
    return event


def test_the_calendar_names_itself(world: World) -> None:
    world.publish(plain(1))
    calendar = read(world, "?region=europe")
    assert calendar["VERSION"] == "2.0"
    assert "METHOD" not in calendar  # by RFC 5546 it would ask for organisers
    assert calendar["NAME"] == calendar["X-WR-CALNAME"] == "Training catalogue: Europe"
    assert calendar["REFRESH-INTERVAL"].dt == timedelta(hours=6)
    assert calendar["SOURCE"] == f"{world.address}/catalogue.ics?region=europe"
    assert calendar["LAST-MODIFIED"].dt == datetime(2026, 1, 1, 12, 1, tzinfo=UTC)


def test_days_are_those_of_the_offerings_own_zone(world: World) -> None:
    world.publish(full())
    event = only(read(world))
    assert event["DTSTART"].dt == date(2040, 3, 2)
    assert event["DTEND"].dt == date(2040, 3, 13)  # the first day that is no longer in it
    assert event["TRANSP"] == "TRANSPARENT"


def test_meetings_are_events_at_their_instants(world: World) -> None:
    world.publish(full(meetings=(meeting(2, place="Room, 4"), meeting(5, 23))))
    first, second = sorted(events(read(world)).values(), key=lambda event: event["DTSTART"].dt)
    assert first["DTSTART"].dt == datetime(2040, 3, 2, 9, tzinfo=UTC)
    assert first["DTEND"].dt == datetime(2040, 3, 2, 11, tzinfo=UTC)
    assert first["LOCATION"] == "Room, 4"
    assert second["LOCATION"] == "Room 1; Nairobi, Kenya"  # the offering's own
    assert second["DTEND"].dt == datetime(2040, 3, 6, 1, tzinfo=UTC)


def test_texts_are_kept_whole(world: World) -> None:
    world.publish(full())
    event = only(read(world))
    allowed = HOSTILE.replace("\x0b", "").replace("\x00", "")
    assert event["SUMMARY"] == " ".join(f"=Security {allowed}".split())
    assert "All you need\n5 < 6" in event["DESCRIPTION"]
    assert "bad()" not in event["DESCRIPTION"]
    assert "A sample, invented" in event["DESCRIPTION"]
    assert event["CATEGORIES"].cats == ["Cybersecurity", "Policy, and; regulation"]
    assert event["URL"] == f"{world.address}/catalogue/AFR-1"


def test_a_change_is_a_new_revision_of_the_same_event(world: World) -> None:
    world.publish(full(meetings=(meeting(2), meeting(3))))
    before = events(read(world))
    world.change("AFR-1", meetings=(meeting(2), meeting(9)))
    after = events(read(world))
    assert before.keys() == after.keys()
    for uid, event in after.items():
        assert event["SEQUENCE"] > before[uid]["SEQUENCE"]
        assert event["LAST-MODIFIED"].dt - before[uid]["LAST-MODIFIED"].dt == timedelta(minutes=2)
        assert event["DTSTAMP"].dt == event["LAST-MODIFIED"].dt


def test_a_cancelled_or_postponed_offering_is_marked(world: World) -> None:
    world.publish(plain(1), plain(2), plain(3))
    before = read(world)
    world.change("EUR-1", status=OfferingStatus.CANCELLED, description="never shown")
    world.change("EUR-2", status=OfferingStatus.POSTPONED)
    after = events(read(world))
    assert after.keys() == events(before).keys()
    shown = {str(event["SUMMARY"]): event["STATUS"] for event in after.values()}
    assert shown == {
        "Cancelled: Spectrum management 1": "CANCELLED",
        "Postponed: Spectrum management 2": "TENTATIVE",
        "Spectrum management 3": "CONFIRMED",
    }
    cancelled = next(each for each in after.values() if each["STATUS"] == "CANCELLED")
    assert "URL" not in cancelled
    assert "never shown" not in cancelled["DESCRIPTION"]
    assert cancelled["SEQUENCE"] > events(before)[str(cancelled["UID"])]["SEQUENCE"]
    assert len(events(read(world, "?code=EUR-1"))) == 1


def test_a_hidden_offering_is_left_out(world: World) -> None:
    world.publish(plain(1), plain(2))
    world.change("EUR-1", listed=False)
    assert only(read(world))["SUMMARY"] == "Spectrum management 2"


def test_an_offering_without_dates_has_no_event(lite: World) -> None:
    lite.publish(Offering("EUR-9", "EUR", "E", "Any time", modality=Modality.SELF_PACED))
    assert not events(read(lite))


def test_the_calendar_is_filtered(world: World) -> None:
    world.publish(full(), *(plain(number) for number in range(3)))
    for query, many in {
        "?centre=AFR": 1,
        "?centre=EUR": 3,
        "?region=africa": 1,
        "?topic=cybersecurity": 1,
        "?topic=Policy%2C+and%3B+regulation": 1,
        "?topic=Cyber": 0,
        "?level=introductory": 3,
        "?modality=blended": 1,
        "?language=ar": 1,
        "?text=management+2": 1,
        "?code=EUR-2": 1,
        "?region=europe&topic=Cybersecurity": 0,
    }.items():
        assert len(events(read(world, query))) == many, query


def test_a_calendar_of_many_pages_is_complete_and_filtered_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish(*(plain(number, languages=("en",)) for number in range(1203)))
    every = [f"Spectrum management {number}" for number in range(1203)]
    assert summaries(world) == every
    looked = []

    @database_event.listens_for(world.database.engine, "before_cursor_execute")
    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        looked.append("offering_tag" in statement)

    assert len(events(read(world, "?language=en"))) == 1203
    assert sum(looked) == 1
    monkeypatch.setattr(feed_queries, "AHEAD", 700)  # neither a page's size nor a multiple of it
    looked.clear()
    assert summaries(world, "?language=en") == every
    assert sum(looked) == 2
