"""The catalogue, one's own offerings, and their life through the interface."""

from __future__ import annotations

import sqlite3
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update

from lms_bridge.api import queries
from lms_bridge.api.offerings import offering_document
from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.availability import Availability
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import digest
from lms_bridge.domain.model import EnrolmentStatus, Flow, Kind, Level, Modality, OfferingStatus
from lms_bridge.domain.rules import Rules
from lms_bridge.schemas.params import MOST
from lms_bridge.schemas.records import OfferingSchema
from lms_bridge.schemas.responses import OfferingResponse
from lms_bridge.store import leases, offerings, runs, status_history
from lms_bridge.store.database import Database
from lms_bridge.store.tables import enrolment, link
from lms_bridge.store.tables import offering as table
from lms_bridge.sync.desired_state import desire_offerings
from lms_bridge.sync.offering_actions import advance_by_time
from lms_bridge.sync.run import RunRequest
from tests.fakes.lists import check_lists, dumped
from tests.integration.api.world import DAY, NOW, World, enrol, offering, open_world


def codes(world: World, query: str = "", token: str = "") -> list[str]:
    response = world.get(f"/offerings?{query}", token)
    assert response.status_code == 200, response.get_json()
    return [each["code"] for each in response.get_json()["items"]]


def test_the_catalogue_needs_no_token_but_ones_own_list_does(either: World) -> None:
    public = ["ONE-open", "ONE-apply", "TWO-open", "FAR-open"]
    assert codes(either) == public
    token = either.token(Scope.READ_OFFERINGS, reach=DataScope("ONE"))
    assert codes(either, token=token) == public
    assert codes(either, "view=mine", token) == ["ONE-open", "ONE-apply", "ONE-planned"]
    africa = either.token(Scope.READ_OFFERINGS, reach=DataScope(region="africa"))
    assert "TWO-planned" in codes(either, "view=mine", africa)
    assert "FAR-planned" not in codes(either, "view=mine", africa)
    assert len(codes(either, "view=mine", either.token(Scope.READ_OFFERINGS))) == 7
    assert either.get("/offerings?view=mine").status_code == 403
    assert either.get("/offerings/ONE-planned").status_code == 404
    assert either.get("/offerings/ONE-planned", token).status_code == 200


def test_coordinators_are_hidden_without_a_token(world: World) -> None:
    own = world.token(Scope.READ_OFFERINGS, reach=DataScope("ONE"))
    assert world.get("/offerings/ONE-open").get_json()["coordinators"] == []
    assert world.get("/offerings/ONE-open", own).get_json()["coordinators"] == [
        "Sample Coordinator"
    ]
    assert "Sample Coordinator" not in world.get("/offerings").get_data(as_text=True)


def test_offerings_are_filtered(either: World) -> None:
    french = replace(
        offering("FAR-fr"),
        title="Gestion du spectre 100%",
        languages=("fr", "EN"),
        topics=("Spectrum management", "Cybersecurity"),
        modality=Modality.BLENDED,
        level=Level.ADVANCED,
        starts_at=NOW + 90 * DAY,
        ends_at=NOW + 95 * DAY,
    )
    either.add(french)
    rest = ["ONE-open", "ONE-apply", "TWO-open", "FAR-open"]
    day = (NOW + 60 * DAY).date().isoformat()
    for query, found in {
        "region=europe": ["FAR-open", "FAR-fr"],
        "region=europe&modality=blended": ["FAR-fr"],
        "region=atlantis": [],
        "centre=TWO": ["TWO-open"],
        "topic=SPECTRUM MANAGEMENT": ["FAR-fr"],
        "topic=cybersecurity": [*rest, "FAR-fr"],
        "topic=cybersecurity&language=fr": ["FAR-fr"],
        "language=en&centre=FAR": ["FAR-open", "FAR-fr"],
        "modality=Online instructor-led": rest,
        "level=advanced": ["FAR-fr"],
        "status=planned": [],
        f"starts_from={day}": ["FAR-fr"],
        f"starts_to={day}": rest,
        "text=du gestion": ["FAR-fr"],
        "text=100%": ["FAR-fr"],
        "text=_": [],
        "text='; drop table offering": [],
    }.items():
        assert codes(either, query) == found, query


def test_pages_go_through_everything_once(either: World) -> None:
    either.add(*(offering(f"TWO-{number}") for number in range(230)))
    seen: list[str] = []
    cursor = ""
    for _ in range(20):
        page = either.get(f"/offerings?limit={MOST}&centre=TWO&cursor={cursor}").get_json()
        seen += [each["code"] for each in page["items"]]
        assert len(page["items"]) <= MOST
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["TWO-open", *(f"TWO-{number}" for number in range(230))]


def aged(world: World, code: str, at: datetime) -> None:
    """The offering changed last at that time."""
    with world.bridge.database.writing() as tx:
        same = {"revision": table.c.revision}
        tx.execute(update(table).where(table.c.code == code).values(changed_at=at, **same))


def test_changed_offerings_are_listed_since_a_time(either: World) -> None:
    for code in either.ids:
        aged(either, code, NOW - DAY)
    with either.bridge.database.writing() as tx:
        changed = replace(offering("TWO-open"), title="Renamed")
        offerings.change_offerings(tx, {either.ids["TWO-open"]: changed})
        later = tx.scalar(select(table.c.changed_at).where(table.c.code == "TWO-open"))
    assert later is not None

    def since(moment: datetime) -> list[str]:
        return codes(either, f"modified_since={moment.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}")

    assert since(later) == ["TWO-open"]
    # It may have been committed after somebody read who asks from then on.
    assert since(later + timedelta(minutes=10)) == ["TWO-open"]
    assert since(later + timedelta(minutes=10, microseconds=1)) == []


def test_who_follows_the_catalogue_hears_of_what_was_found_later_than_it_was_made(
    either: World,
) -> None:
    record = offering("TWO-late")
    with either.bridge.database.writing() as tx:
        (id_,) = offerings.add_offerings(tx, [record])
        desire_offerings(tx, {id_: record})
    aged(either, "TWO-late", NOW - DAY)
    revision = either.get("/offerings/TWO-late", either.token()).headers["ETag"]
    asked = f"centre=TWO&modified_since={(NOW - DAY / 2).strftime('%Y-%m-%dT%H:%M:%SZ')}"
    aged(either, "TWO-open", NOW - DAY)
    assert codes(either, asked) == []
    bridge = either.bridge
    request = bridge.request(bridge.centre("TWO"), (Flow.OFFERINGS,), full=False)
    assert bridge.sending_runner().run(request).status == "done"
    assert codes(either, asked) == ["TWO-late"]
    assert either.get("/offerings/TWO-late", either.token()).headers["ETag"] == revision


def test_an_unchanged_response_is_not_sent_twice(either: World) -> None:
    for path in ("/offerings", "/offerings/ONE-open", "/centres", "/centres/ONE"):
        first = either.get(path)
        again = either.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.get_data()) == (304, b"")
        other = either.get(path, headers={"If-None-Match": '"something"'})
        assert other.status_code == 200


def test_a_list_equals_the_output_of_the_schema(either: World) -> None:
    check_lists(either.bridge.database)
    with either.bridge.database.reading() as tx:
        changed = tx.execute(select(table.c.code, table.c.changed_at))
        slow = {
            code: dumped(offerings.offerings_by_code(tx, [code])[code][1], at)
            for code, at in changed.all()
        }
    public = [slow[code] for code in ("ONE-open", "ONE-apply", "TWO-open", "FAR-open")]
    assert either.get("/offerings").get_json() == {"items": public, "next": None}
    assert either.get("/offerings?limit=1").get_json()["items"] == public[:1]
    assert either.get("/offerings?centre=NONE").get_json() == {"items": [], "next": None}
    token = either.token(Scope.READ_OFFERINGS)
    mine = either.get("/offerings?view=mine", token).get_json()
    assert mine == {"items": list(slow.values()), "next": None}


def test_one_offering_equals_the_output_of_the_schema(world: World) -> None:
    with world.bridge.database.reading() as tx:
        record = offerings.offerings_by_code(tx, ["ONE-open"])["ONE-open"][1]
    shown = offering_document(record, NOW, Rules(), whole=True)
    now = {"changed_at": NOW, "actions": [], "availability": Availability.OPEN}
    now |= {"review_deadline": None, "status_reason": ""}
    dumped = OfferingResponse().dump({**_fields(record), **now})
    assert {**shown, "actions": []} == dumped
    # What is shown can be loaded again: the same record comes back.
    loaded = OfferingSchema().load({k: v for k, v in shown.items() if k in OfferingSchema().fields})
    assert {**_fields(record), **loaded} == _fields(record)


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


# ---- its life ------------------------------------------------------------------------------------


def act(world: World, code: str, action: str, token: str, **more: Any) -> Any:
    return world.post(f"/offerings/{code}/{action}", token, **more)


def test_an_offering_passes_through_its_whole_life_cycle(either: World) -> None:
    centre = either.token(Scope.WRITE_OFFERINGS, reach=DataScope("ONE"))
    academy = either.token(Scope.REVIEW_OFFERINGS, reach=DataScope(region="africa"))
    submitted = act(either, "ONE-planned", "submit", centre)
    assert submitted.status_code == 200
    assert submitted.get_json()["offering"]["status"] == "submitted"
    assert submitted.get_json()["offering"]["actions"] == ["cancel"]  # of what the centre may do
    assert act(either, "ONE-planned", "review", centre).status_code == 403  # nobody reviews his own
    objected = act(either, "ONE-planned", "object", academy, json={"reason": "No objectives"})
    assert objected.get_json()["offering"]["status"] == "planned"
    for action, token, status in (
        ("submit", centre, "submitted"),
        ("review", academy, "reviewed"),
        ("publish", academy, "published"),
        ("postpone", centre, "postponed"),
        ("publish", academy, "published"),
    ):
        answer = act(either, "ONE-planned", action, token)
        assert answer.status_code == 200, answer.get_json()
        assert answer.get_json()["offering"]["status"] == status
    assert "ONE-planned" not in codes(either)  # not before the Academy has acknowledged it
    refused = act(either, "ONE-planned", "report", centre)
    assert refused.status_code == 409
    assert refused.content_type == "application/problem+json"
    assert refused.get_json()["code"] == "offering-not-now"
    assert set(refused.get_json()["allowed"]) == {"postpone", "cancel"}


def test_broken_rules_are_reported_field_by_field(world: World) -> None:
    broken = replace(
        offering("ONE-broken", status=OfferingStatus.PLANNED),
        starts_at=NOW.replace(hour=10) + 30 * DAY,
        ends_at=NOW.replace(hour=12) + 30 * DAY,
        seats=20,
        topics=(),
        level=None,
    )
    world.add(broken)
    token = world.token()
    found = world.get("/offerings/ONE-broken/checks", token).get_json()["findings"]
    page = world.client.get("/api/docs").get_data(as_text=True)
    for each in found:
        address, mark, anchor = each["documentation"].partition("#")
        assert (address, mark) == ("/api/docs", "#")
        assert f'id="{anchor}"' in page
    assert {(each["code"], each["warning"]) for each in found} == {
        ("too-short", False),
        ("direct-with-seats", False),
        ("no-level", True),
    }
    refused = act(world, "ONE-broken", "submit", token)
    assert (refused.status_code, refused.get_json()["code"]) == (422, "rules-broken")
    assert {(each["field"], each["code"]) for each in refused.get_json()["errors"]} == {
        ("ends_at", "too-short"),
        ("seats", "direct-with-seats"),
    }
    assert world.get("/offerings/ONE-broken", token).get_json()["status"] == "planned"


def test_cancelling_an_offering_cancels_its_enrolments(either: World) -> None:
    number = enrol(either, "ONE-open", "L1", EnrolmentStatus.ENROLLED)
    done = enrol(either, "ONE-open", "L2", EnrolmentStatus.WITHDRAWN)
    token = either.token()
    answer = act(either, "ONE-open", "cancel", token)
    assert answer.get_json()["offering"]["status"] == "cancelled"
    with either.bridge.database.reading() as tx:
        found = dict(tx.execute(select(enrolment.c.id, enrolment.c.status)).all())
    assert found == {number: EnrolmentStatus.CANCELLED, done: EnrolmentStatus.WITHDRAWN}


def test_every_change_is_audited_with_its_actor(either: World) -> None:
    token = either.token(Scope.WRITE_OFFERINGS, reach=DataScope("ONE"))
    act(either, "ONE-open", "postpone", token)
    act(either, "ONE-open", "postpone", token)  # refused
    reader = either.token(Scope.READ_OPERATIONS, reach=DataScope("ONE"))
    refused, done = either.get("/runs", reader).get_json()["items"]
    for run in (refused, done):
        assert run["asked_by"] == f"token {token[5:17]}"
        assert (run["trigger"], run["status"]) == ("api", "done")
    (item,) = either.get(f"/runs/{done['number']}/items", reader).get_json()["items"]
    assert item["fields"] == {"status": ["published", "postponed"]}
    assert (item["external_id"], item["action"]) == ("ONE-open", "update")
    (item,) = either.get(f"/runs/{refused['number']}/items", reader).get_json()["items"]
    assert (item["state"], item["code"], item["fields"]) == ("refused", "offering-not-now", None)


def test_a_change_based_on_an_old_version_is_refused(either: World) -> None:
    token = either.token()
    tag = either.get("/offerings/ONE-open", token).headers["ETag"]
    first = act(either, "ONE-open", "postpone", token, headers={"If-Match": tag})
    assert first.status_code == 200
    second = act(either, "ONE-open", "cancel", token, headers={"If-Match": tag})
    assert (second.status_code, second.get_json()["code"]) == (412, "changed-meanwhile")
    for odd in ('"x"', '"2-1"', 'W/"1-2"', '"1-99999999999"'):
        assert (
            act(either, "ONE-open", "cancel", token, headers={"If-Match": odd}).status_code == 412
        )
    third = act(either, "ONE-open", "cancel", token, headers={"If-Match": first.headers["ETag"]})
    assert third.status_code == 200
    assert either.get("/offerings/ONE-open", token).headers["ETag"] == third.headers["ETag"]


def test_the_clock_reviews_an_offering_after_the_objection_period(either: World) -> None:
    token = either.token()
    act(either, "ONE-planned", "submit", token)
    bridge = either.bridge
    days = bridge.settings.rules.objection_days

    def status_after(days_later: int) -> OfferingStatus:
        centre = bridge.centre("ONE")
        runner = replace(bridge.runner(), now=lambda: NOW + days_later * DAY + timedelta(hours=1))
        report = runner.run(
            RunRequest(centre, bridge.policy_of(centre), (Flow.ENROLMENTS,)), advance_by_time
        )
        assert not report.errors
        with bridge.database.reading() as tx:
            return offerings.offerings_by_code(tx, ["ONE-planned"])["ONE-planned"][1].status

    assert status_after(days - 1) is OfferingStatus.SUBMITTED
    assert status_after(days) is OfferingStatus.REVIEWED
    act(either, "ONE-planned", "publish", token)
    assert status_after(29) is OfferingStatus.PUBLISHED
    assert status_after(31) is OfferingStatus.RUNNING
    assert status_after(41) is OfferingStatus.DELIVERED
    assert (
        act(either, "ONE-planned", "report", token, json={"summary": "Done"}).get_json()[
            "offering"
        ]["status"]
        == "reported"
    )
    assert act(either, "ONE-planned", "close", token).get_json()["offering"]["status"] == "closed"
    with bridge.database.reading() as tx:
        other = offerings.offerings_by_code(tx, ["ONE-open"])["ONE-open"]
        assert status_history.kept_statuses(tx, [other[0]]) == {}
    assert other[1].status is OfferingStatus.DELIVERED  # time goes on for every offering


def test_an_offering_of_a_centre_that_is_being_synced_is_not_changed(world: World) -> None:
    settings = world.bridge.settings
    settings = replace(settings, api=replace(settings.api, wait_seconds=0.2))
    bridge = replace(world.bridge, settings=settings)
    world.client.application.extensions["lms_bridge"] = bridge
    with bridge.database.writing() as tx:
        leases.take(tx, "run:ONE", "another machine|1|x", NOW + DAY, 3600)
    refused = act(world, "ONE-open", "cancel", world.token())
    assert (refused.status_code, refused.get_json()["code"]) == (503, "centre-busy")
    assert int(refused.headers["Retry-After"]) > 0
    with bridge.database.reading() as tx:
        assert runs.last_runs(tx) == []
    assert act(world, "TWO-open", "cancel", world.token()).status_code == 200


@pytest.mark.parametrize("view", ["catalogue", "mine"])
@pytest.mark.parametrize("more", [{}, {"modality": Modality.BLENDED}, {"level": Level.ADVANCED}])
def test_a_page_is_found_inside_an_index(
    sqlite_database: Database, view: str, more: dict[str, Any]
) -> None:
    """No sorting, and no going through whole rows."""
    seen: list[str] = []
    requested = {"region": "africa", **more}

    @event.listens_for(sqlite_database.engine, "connect")
    def _listen(raw: sqlite3.Connection, _: Any) -> None:
        raw.set_trace_callback(seen.append)

    if view == "catalogue":
        queries.catalogue(sqlite_database, requested, 0, 51)
    else:
        with sqlite_database.reading() as tx:
            queries.mine(tx, requested, 0, 51, ["ONE"])
    query = next(each for each in seen if "json_object" in each or "json_build_object" in each)
    with sqlite_database.reading() as tx:
        steps = [row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    assert any("COVERING INDEX ix_offering_" in step for step in steps), steps
    search = steps[: steps.index("SCAN anon_1")]  # what comes then is about the page's rows alone
    assert not any("TEMP B-TREE" in step or "AUTOMATIC" in step for step in search), steps
    if view == "catalogue":
        assert any("ix_link_catalogue" in step for step in search), steps


def test_the_next_reader_sees_a_change(either: World) -> None:
    """An offering, what the Academy acknowledged of one, or nothing."""
    first = either.get("/offerings").headers["ETag"]
    assert either.get("/offerings").headers["ETag"] == first
    with either.bridge.database.writing() as tx:
        renamed = replace(offering("TWO-open"), title="Renamed")
        offerings.change_offerings(tx, {either.ids["TWO-open"]: renamed})
    second = either.get("/offerings")
    assert "Renamed" in second.get_data(as_text=True)
    assert second.headers["ETag"] != first
    token = either.token()
    assert act(either, "ONE-open", "cancel", token).status_code == 200
    assert "ONE-open" not in either.get("/offerings").get_data(as_text=True)
    with either.bridge.database.writing() as tx:
        gone = digest({"state": "removed"})
        where = (link.c.kind == Kind.OFFERING, link.c.record_id == either.ids["FAR-open"])
        tx.execute(update(link).where(*where).values(acknowledged=gone))
    assert codes(either) == ["ONE-apply", "TWO-open"]
    check_lists(either.bridge.database)


def test_an_undone_change_is_never_shown(either: World) -> None:
    with either.bridge.database.trying() as tx:
        renamed = replace(offering("TWO-open"), title="Renamed")
        offerings.change_offerings(tx, {either.ids["TWO-open"]: renamed})
    assert "Renamed" not in either.get("/offerings").get_data(as_text=True)
    check_lists(either.bridge.database)


def test_a_year_does_not_depend_on_the_time_zone_of_the_database(postgres_address: str) -> None:
    at = "&" if "?" in postgres_address else "?"
    world = open_world(f"{postgres_address}{at}options=-c%20timezone%3DPacific/Auckland")
    last_hour = datetime(utc_now().year, 12, 31, 23, tzinfo=UTC)  # there it is next year's
    for number in range(2):
        world.add(replace(offering(f"FAR-{number}"), starts_at=last_hour, ends_at=None))
    with world.bridge.database.writing() as tx:
        others = table.c.code.in_(["FAR-open", "FAR-planned"])
        tx.execute(update(table).where(others).values(listed=False))
    found = world.get("/centres/FAR/checks", world.token()).get_json()["findings"]
    world.bridge.close()
    assert found == []  # two of this year, which is the least


def test_a_busy_centre_does_not_block_all_threads(world: World) -> None:
    """Where nobody may wait any more, whoever comes is told so at once; others are served."""
    with world.bridge.database.writing() as tx:
        leases.take(tx, "run:ONE", "another machine|1|x", utc_now(), 600)
    token = world.token()
    began = time.monotonic()
    with ExitStack() as taken:
        places = [taken.enter_context(world.bridge.waiting.slot(f"C{n}")) for n in range(10)]
        assert places == [True] * 6 + [False] * 4  # of eight threads
        busy = world.post("/offerings/ONE-open/cancel", token)
        assert world.post("/offerings/TWO-open/cancel", token).status_code == 200
    assert (busy.status_code, busy.get_json()["code"]) == (503, "centre-busy")
    assert "Retry-After" in busy.headers
    assert time.monotonic() - began < world.bridge.settings.api.wait_seconds / 2
    with world.bridge.waiting.slot("C1") as again:
        assert again
