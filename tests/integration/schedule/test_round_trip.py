"""What is read can be pushed: whatever the form, each row is unchanged, and so is each offering."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import icalendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from lms_bridge.domain.model import Level, Modality, OfferingStatus, RegistrationType
from lms_bridge.domain.ports import RawRecord
from lms_bridge.intake.schedule import schedule_rows
from lms_bridge.store import offerings
from tests.fakes.lists import check_lists
from tests.integration.api.world import NOW, World, open_world
from tests.integration.schedule.pushing import CSV, ICS, JSON, Centre, row

FORMS = (("json", JSON), ("csv", CSV), ("ics", ICS))

texts = st.text(
    st.one_of(
        st.sampled_from("\t\n\r;,:\\\"'=+-@#<>&%^ nN/"), st.characters(codec="utf-8"), st.just("é")
    ),
    max_size=120,
)
lists = st.lists(texts, max_size=4)
moments = st.one_of(
    st.none(),
    st.integers(-9_000, 20_000).map(
        lambda hours: (NOW + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ),
)
amounts = st.one_of(st.none(), st.decimals(0, 9_999, places=2).map(str))


@st.composite
def rows(draw: st.DrawFn, id_: str) -> dict[str, Any]:
    starts, ends = sorted([draw(moments), draw(moments)], key=lambda each: each or "")
    if draw(st.booleans()):
        starts, ends = ends, None
    start = NOW + timedelta(minutes=draw(st.integers(0, 100_000)))
    meeting = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat()}
    return {
        "id": id_,
        "title": "T" + draw(texts),
        "starts_at": starts,
        "ends_at": ends,
        "time_zone": draw(st.sampled_from(["UTC", "Africa/Nairobi", "America/St_Johns"])),
        "modality": draw(st.sampled_from([None, *Modality])),
        "level": draw(st.sampled_from([None, *Level])),
        "status": draw(st.sampled_from(list(OfferingStatus))),
        "registration": draw(st.sampled_from(list(RegistrationType))),
        "hours": draw(amounts),
        "price": draw(amounts),
        "seats": draw(st.one_of(st.none(), st.integers(0, 500))),
        "meetings": draw(
            st.lists(texts.map(lambda place: {**meeting, "place": place}), max_size=2)
        ),
        **{name: draw(texts) for name in ("description", "audience", "location", "course_code")},
        **{name: draw(lists) for name in ("topics", "coordinators", "organisers")},
        "languages": draw(st.lists(st.sampled_from(["en", "fr", "pt-BR"]), unique=True)),
        "address": draw(st.one_of(st.just(""), st.just("https://example.org/a?b=1;c,d"))),
    }


@pytest.fixture(scope="module")
def one(shared_sqlite_address: str) -> Iterator[Centre]:
    world = open_world(shared_sqlite_address)
    centre = Centre(world)
    centre.token = world.token(per_minute=1_000_000)
    yield centre
    world.bridge.close()


def records(centre: Centre) -> Any:
    check_lists(centre.world.bridge.database)
    with centre.world.bridge.database.reading() as tx:
        return offerings.offerings_of(tx, centre.code)


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(st.tuples(rows("A"), rows("B"), rows("C")))
def test_a_schedule_that_was_read_can_be_pushed_again(
    one: Centre, pushed: tuple[dict[str, Any], ...]
) -> None:
    for made in one.push(list(pushed)).get_json()["rows"]:
        assert made["outcome"] != "refused" or made["problems"][0]["code"] in ("too-long", "empty")
    before = records(one)
    for form, media in FORMS:
        answer = one.put(one.get(form).get_data(), media=media)
        body = answer.get_json()
        assert {each["outcome"] for each in body["rows"]} == {"unchanged"}, (form, body)
        assert body["ended"] == []
        assert records(one) == before


def test_a_calendar_is_read_by_another_library(world: World) -> None:
    """Read by a library of its own."""
    one = Centre(world)
    one.push([row(1, title="Café; and, so \\ on"), row(2, starts_at=None, ends_at=None)])
    read = icalendar.Calendar.from_ical(one.get("ics").get_data())
    assert {str(each["SUMMARY"]) for each in read.walk("VEVENT")} >= {"Café; and, so \\ on"}
    assert [str(each["UID"]) for each in read.walk("VTODO")] == ["S-2"]
    assert [each.errors for each in read.walk()] == [[]] * len(list(read.walk()))


def test_every_form_has_its_type_and_etag(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Centre(world)
    tags = set()
    read: list[str] = []

    def count(tx: Connection, centre: str) -> Iterator[RawRecord]:
        read.append(centre)
        return schedule_rows(tx, centre)

    monkeypatch.setattr("lms_bridge.intake.routes.schedule_rows", count)
    for form, media in FORMS:
        shown = one.get(form)
        assert shown.mimetype == media
        assert shown.headers["Content-Disposition"] == (
            f'attachment; filename="ONE-schedule.{form}"'
        )
        tags.add(shown.headers["ETag"])
        again = one.get(form, headers={"If-None-Match": shown.headers["ETag"]})
        assert again.status_code == 304
        assert again.headers["ETag"] == shown.headers["ETag"]
    assert len(read) == len(tags) == 3  # what somebody has already is not made again
    assert one.get("xml").status_code == 422


def test_an_ended_offering_is_not_in_the_schedule(world: World) -> None:
    one = Centre(world)
    one.put([row(1), row(2)])
    one.put([row(1)])
    assert "S-2" not in {each["id"] for each in one.get().get_json()["offerings"]}
    assert one.push([row(2)]).get_json()["rows"][0]["outcome"] == "updated"
    assert "S-2" in {each["id"] for each in one.get().get_json()["offerings"]}
