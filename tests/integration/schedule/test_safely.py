"""Repeats, lost updates, centres that are at work, other centres; requests that are too much."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from lms_bridge.api.idempotency import HEADER, REPLAYED
from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.intake.formats import MOST_BYTES, MOST_ROWS
from lms_bridge.store import leases
from lms_bridge.store.run_tables import run
from lms_bridge.store.tables import offering
from tests.integration.api.world import World
from tests.integration.schedule.pushing import CSV, ICS, JSON, Centre, outcomes, row
from tests.peers.serving import free_socket, serving


def count(world: World, table: Any) -> int:
    with world.bridge.database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(table)) or 0


# ---- repeats ------------------------------------------------------------------------------------


def test_the_same_push_with_the_same_key_is_done_once(either: World) -> None:
    one = Centre(either)
    first = one.put([row(1), row(2, level="x")], headers={HEADER: "k"})
    again = one.put([row(1), row(2, level="x")], headers={HEADER: "k"})
    assert again.get_data() == first.get_data()
    assert again.headers["ETag"] == first.headers["ETag"]
    assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")
    assert outcomes(again)[0] == (1, "created")
    assert count(either, run) == 1
    other = one.put([row(1)], headers={HEADER: "k"})
    assert (other.status_code, other.get_json()["code"]) == (422, "key-reused")
    dry_run = one.put([row(1)], headers={HEADER: "k2"}, query="?dry_run=true")
    assert dry_run.status_code == 200
    assert one.put([row(1)], headers={HEADER: "k2"}).status_code == 422


def test_simultaneous_repeats_are_done_once(either: World) -> None:
    one = Centre(either)
    barrier = threading.Barrier(4)
    before = count(either, offering)

    def send(_: int) -> Any:
        client = either.client.application.test_client()
        barrier.wait(timeout=120)
        return client.put(
            "/api/v1/centres/ONE/schedule",
            data=json.dumps([row(number) for number in range(20)]),
            content_type=JSON,
            headers={"Authorization": f"Bearer {one.token}", HEADER: "k"},
        )

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.get_data() for answer in answers}) == 1
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert (count(either, run), count(either, offering)) == (1, before + 20)


def test_simultaneous_pushes_run_one_after_the_other(either: World) -> None:
    one = Centre(either)
    rows = [row(number) for number in range(20)]

    def send(number: int) -> Any:
        client = either.client.application.test_client()
        return client.patch(
            "/api/v1/centres/ONE/schedule",
            data=json.dumps(rows),
            content_type=JSON,
            headers={"Authorization": f"Bearer {one.token}", HEADER: f"k{number}"},
        )

    with ThreadPoolExecutor(4) as pool:
        answers = [outcomes(each) for each in pool.map(send, range(4))]
    assert sorted({outcome for _, outcome in each} == {"created"} for each in answers) == [
        False,
        False,
        False,
        True,
    ]


def test_a_push_based_on_an_older_schedule_is_refused(either: World) -> None:
    one = Centre(either)
    read = one.get("csv").headers["ETag"]
    first = one.put([row(1)], headers={"If-Match": read})
    assert outcomes(first) == [(1, "created")]
    late = one.put([row(2)], headers={"If-Match": read})
    assert (late.status_code, late.get_json()["code"]) == (412, "changed-meanwhile")
    assert "Sample course 2" not in one.titles()
    assert one.put([row(1)], headers={"If-Match": first.headers["ETag"]}).status_code == 200
    assert one.get().headers["ETag"] == first.headers["ETag"]  # nothing changed since
    # what somebody does with an offering is a change, too
    either.post("/offerings/ONE-planned/submit", either.token())
    assert one.put([row(1)], headers={"If-Match": first.headers["ETag"]}).status_code == 412
    assert one.put([row(1)], headers={"If-Match": "*"}).status_code == 200
    assert one.put([row(1)], headers={"If-Match": '"nonsense"'}).status_code == 412


def test_a_push_to_a_busy_centre_waits_and_is_then_refused(world: World) -> None:
    one = Centre(world)
    with world.bridge.database.writing() as tx:
        leases.take(tx, "run:ONE", "another machine|1|x", utc_now(), 3600)
    object.__setattr__(world.bridge.settings.api, "wait_seconds", 0.3)
    busy = one.put([row(1)], headers={HEADER: "k"})
    assert (busy.status_code, busy.get_json()["code"]) == (503, "centre-busy")
    assert int(busy.headers["Retry-After"]) > 0
    assert "Sample course 1" not in one.titles()
    dry_run = one.put([row(1)], query="?dry_run=true")
    assert outcomes(dry_run) == [(1, "created")]  # it disturbs nobody
    with world.bridge.database.writing() as tx:
        leases.give_back(tx, "run:ONE", "another machine|1|x")
    assert outcomes(one.put([row(1)], headers={HEADER: "k"})) == [(1, "created")]


def test_a_push_needs_its_centre_and_its_scope(world: World) -> None:
    one = Centre(world)
    for method in ("PUT", "PATCH"):
        answer = one.push([row(1)], method=method, code="TWO")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "no-such-centre")
    reader = world.token(Scope.READ_OFFERINGS, reach=DataScope("ONE"))
    answer = world.ask("PUT", "/centres/ONE/schedule", reader, data=b"[]", content_type=JSON)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "scope-missing")
    assert "Sample course 1" not in Centre(world, "TWO").titles()


# ---- too much, or nonsense ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "media", "status", "code", "said"),
    [
        (b"", JSON, 422, "file-unreadable", "line 1"),
        (b"", CSV, 422, "file-unreadable", "no header"),
        (b"", ICS, 422, "file-unreadable", "BEGIN:VCALENDAR"),
        (b'[{"id": 1},\n{"id": 2', JSON, 422, "file-unreadable", "line 2, column 9, in row 2"),
        (b'{"rows": []}', JSON, 422, "file-unreadable", '"offerings"'),
        (b"[NaN]", JSON, 422, "file-unreadable", "NaN"),
        (b"[" * 100_000, JSON, 422, "file-unreadable", "too deeply"),
        (b"[" + b"9" * 10_000 + b"]", JSON, 422, "file-unreadable", "row 1"),
        ('[{"id": "é"}]'.encode("utf-16"), JSON, 422, "wrong-encoding", "UTF-16"),
        ('[{"id": "é"}]'.encode("latin-1"), JSON, 422, "wrong-encoding", "Windows-1252"),
        ("id;title\nA;é".encode("utf-16-le"), CSV, 422, "wrong-encoding", "UTF-16"),
        (b"BEGIN:VCALENDAR\nMETHOD:CANCEL\nEND:VCALENDAR", ICS, 422, "file-unreadable", "METHOD"),
        (b"<xml/>", "application/xml", 415, "wrong-media-type", ""),
        (json.dumps([{}] * (MOST_ROWS + 1)).encode(), JSON, 413, "too-many-rows", "20,000"),
    ],
)
def test_an_unreadable_push_changes_nothing(
    world: World, body: bytes, media: str, status: int, code: str, said: str
) -> None:
    one = Centre(world)
    one.put([row(1)])
    before = one.get().headers["ETag"]
    for method in ("PUT", "PATCH"):
        answer = one.push(body, method=method, media=media)
        assert (answer.status_code, answer.get_json()["code"]) == (status, code)
        assert said in answer.get_json()["detail"]
    assert one.get().headers["ETag"] == before


def test_compressed_bodies_are_refused(world: World) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    answer = Centre(world).put(bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.fixture
def place(world: World) -> Iterator[tuple[Centre, str]]:
    """The same over real HTTP."""
    with serving(world.client.application.wsgi_app, free_socket()) as address:
        yield Centre(world), address


def test_a_push_works_over_real_http(place: tuple[Centre, str]) -> None:
    one, address = place
    answer = _send(one, address, json.dumps([row(1)]).encode())
    assert (answer["status"], answer["rows"][0]["outcome"]) == (200, "created")


def test_too_large_bodies_are_refused_at_once(place: tuple[Centre, str]) -> None:
    one, address = place
    reported = _send(one, address, b"", declared_length=100_000_000)  # not a byte of it was sent
    assert (reported["status"], reported["code"]) == (413, "too-large")
    assert f"{MOST_BYTES:,}" in reported["detail"]


def test_bodies_without_a_length_are_read_no_further_than_they_may(
    place: tuple[Centre, str],
) -> None:
    one, address = place
    small = _send(one, address, (b"[", json.dumps(row(1)).encode(), b"]"))
    assert (small["status"], small["rows"][0]["outcome"]) == (200, "created")
    piece = b" " * 1_000_000
    reported = _send(one, address, (piece for _ in range(MOST_BYTES // len(piece) + 2)))
    assert (reported["status"], reported["code"]) == (413, "too-large")


def _send(one: Centre, address: str, body: Any, declared_length: int | None = None) -> Any:
    host = urlsplit(address)
    with closing(http.client.HTTPConnection(host.hostname or "", host.port, timeout=120)) as way:
        headers = {"Authorization": f"Bearer {one.token}", "Content-Type": JSON}
        if declared_length is not None:
            headers["Content-Length"] = str(declared_length)
        path = "/api/v1/centres/ONE/schedule"
        way.request("PUT", path, body, headers)
        answer = way.getresponse()
        return {"status": answer.status, **json.loads(answer.read())}
