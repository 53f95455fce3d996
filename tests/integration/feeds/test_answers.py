"""What all feeds have in common: open, kept, never more than the catalogue shows, no connection
held. The routes are those of the application, so that a new one cannot be forgotten."""

from __future__ import annotations

import io
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask

from lms_bridge.catalogue import feed_queries, feed_routes, oeapi_params, oeapi_routes, sitemap
from lms_bridge.catalogue.entry import Provider, provider_id
from lms_bridge.catalogue.queries import CatalogueFilters, Moments
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Offering, OfferingStatus
from lms_bridge.settings import WebSettings
from tests.integration.feeds.world import PRIVATE, World, full, meeting, plain, served

BLUEPRINTS = [feed_routes.routes, sitemap.routes, oeapi_routes.routes]


def routes() -> list[str]:
    app = Flask("feeds")
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return [str(rule) for rule in app.url_map.iter_rules() if rule.endpoint != "static"]


ROUTES = routes()


def filled_in(world: World, rule: str) -> str:
    """A path of the route, of something that there is."""
    if "<" not in rule:
        return rule
    if "/organizations/" in rule:
        return rule.replace("<identifier>", str(provider_id("AFR")))
    if "<int:start>" in rule:
        return rule.replace("<int:start>", "0")
    kind = "courses" if "/courses/" in rule else "offerings"
    [first, *_] = world.get(f"/oeapi/v5/{kind}").json()["items"]
    return rule.replace("<identifier>", first["courseId" if kind == "courses" else "offeringId"])


def text_of(response: requests.Response) -> str:
    if not response.content.startswith(b"PK"):
        return response.content.decode()
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        return "".join(archive.read(name).decode() for name in archive.namelist())


def test_the_routes_are_found() -> None:
    assert {"/catalogue.ics", "/catalogue.csv", "/oeapi/v5/offerings"} < set(ROUTES)


@pytest.mark.parametrize("rule", ROUTES)
def test_a_feed_shows_only_the_catalogue(lite: World, rule: str) -> None:
    lite.publish(full(meetings=(meeting(2),)), plain(1, title="Withdrawn words"))
    lite.change("EUR-1", listed=False)
    lite.publish(plain(2))
    lite.change("EUR-2", status=OfferingStatus.CANCELLED, description="Unseen words")
    lite.add_unseen(plain(3, title="Unseen words"), Offering("OFF-1", "OFF", "X", "Unseen words"))
    text = text_of(lite.get(filled_in(lite, rule)))
    for private in (PRIVATE, "ann.other", "Ann Other", "secret-course", "Unseen words"):
        assert private not in text
    assert "Withdrawn words" not in text
    assert "shows nothing" not in text
    assert "bad()" not in text or rule == "/catalogue.csv"  # which gives back what came in


@pytest.mark.parametrize("rule", ROUTES)
def test_without_a_public_address_nothing_is_built_from_a_strangers_host(
    sqlite_address: str, rule: str
) -> None:
    with served(sqlite_address, public=False) as world:
        world.publish(full())
        answer = world.get(filled_in(world, rule), headers={"Host": "evil.example.org"})
        assert "evil.example.org" not in text_of(answer) + str(answer.headers)
        assert "public" not in answer.headers.get("Cache-Control", "")
        if rule != "/robots.txt":
            assert "private" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("rule", [rule for rule in ROUTES if rule != "/robots.txt"])
def test_a_copy_is_kept_until_something_changes(lite: World, rule: str) -> None:
    lite.publish(full())
    path = filled_in(lite, rule)
    first = lite.get(path)
    assert first.headers["Cache-Control"] == "public, max-age=300"
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in first.headers
    known = {"If-None-Match": first.headers["ETag"]}
    again = lite.get(path, 304, headers=known)
    assert again.content == b""
    assert again.headers["ETag"] == first.headers["ETag"]
    head = requests.head(lite.address + path, timeout=120)
    assert head.status_code == 200
    assert head.headers["ETag"] == first.headers["ETag"]
    assert "Content-Length" not in head.headers
    if "Last-Modified" in first.headers:
        since = {"If-Modified-Since": first.headers["Last-Modified"]}
        lite.get(path, 304, headers=since)
    lite.change("AFR-1", title="Another title")
    changed = lite.get(path, headers=known)
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_an_unacknowledged_change_is_not_shown(
    world: World,
) -> None:
    world.publish(plain(1))
    path = "/catalogue.csv"
    tags = [world.get(path).headers["ETag"]]
    world.new("EUR-1", title="Another title")
    waiting = world.get(path)
    assert "Another title" not in waiting.text
    assert "Last-Modified" not in waiting.headers  # it would be that of what is yet to come
    tags.append(waiting.headers["ETag"])
    world.acknowledge("EUR-1")
    known = {"If-None-Match": waiting.headers["ETag"]}
    shown = world.get(path, headers=known)
    assert "Another title" in shown.text
    assert "Last-Modified" in shown.headers
    tags.append(shown.headers["ETag"])
    assert len(set(tags)) == 3


def test_another_query_has_another_etag(lite: World) -> None:
    lite.publish(full())
    tags = {lite.get(f"/catalogue.ics{q}").headers["ETag"] for q in ("", "?centre=AFR")}
    assert len(tags) == 2


def test_the_academys_own_values_are_shown(world: World) -> None:
    world.publish(plain(1))
    world.shows("EUR-1", title="As the Academy has it", seats="many", meetings=[1, {}], level=7)
    text = world.get("/catalogue.csv").text
    assert "As the Academy has it" in text
    assert "Spectrum management 1" not in text
    assert "2040-05-02T08:00:00Z" in text  # the bridge's own record fills it up
    assert "many" not in text


@pytest.mark.parametrize("path", ["/catalogue.ics", "/catalogue.atom", "/catalogue.csv"])
@pytest.mark.parametrize(
    "query", ["regio=africa", "region=nowhere", "centre=OFF", "modality=x", "level=x"]
)
def test_an_unknown_query_is_refused(lite: World, path: str, query: str) -> None:
    lite.publish(plain(1))
    response = lite.get(f"{path}?{query}", 400)
    assert "text/html" in response.headers["Content-Type"]
    assert "shows nothing" not in response.text


def test_an_unknown_offering_is_not_found(lite: World) -> None:
    lite.get("/catalogue.ics?code=EUR-1", 404)


@contextmanager
def slow_readers(world: World, many: int) -> Iterator[None]:
    """So many readers that have begun to read the whole table and do not go on."""
    place = urlsplit(world.address)
    with ExitStack() as stack:
        for _ in range(many):
            address = (place.hostname or "", place.port or 0)
            reader = stack.enter_context(socket.create_connection(address, 30))
            reader.sendall(b"GET /catalogue.csv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b"200 OK" in reader.recv(200)
        yield


def test_a_reader_that_is_slow_or_goes_away_holds_no_connection(world: World) -> None:
    world.publish(*(plain(number, description="long " * 2000) for number in range(600)))
    pool: Any = world.database.engine.pool
    with slow_readers(world, 1):
        # The server waits for this reader in the midst of the answer; others are served.
        assert pool.checkedout() == 0
        assert len(world.get("/catalogue.csv").content) > 6_000_000
    assert pool.checkedout() == 0


def test_slow_readers_do_not_block_all_threads(lite: World) -> None:
    lite.publish(*(plain(number, description="long " * 2000) for number in range(600)))
    with slow_readers(lite, WebSettings().threads // 2):
        busy = lite.get("/catalogue.csv", 503)
        assert busy.headers["Retry-After"] == "30"
        assert busy.headers["Cache-Control"] == "no-store"
        assert lite.get("/catalogue").status_code == 200  # pages have the other threads
    end = time.monotonic() + 120
    while requests.get(f"{lite.address}/catalogue.csv", timeout=120).status_code == 503:
        assert time.monotonic() < end, "the places were not given back"


def test_a_database_error_is_reported_before_the_response_begins(
    world: World, break_offerings: Callable[[World], None]
) -> None:
    world.publish(plain(1))
    break_offerings(world)
    response = world.get("/catalogue.ics", 503)
    assert "BEGIN" not in response.text


def test_every_route_and_parameter_is_documented() -> None:
    reported = (Path(__file__).parents[3] / "docs" / "feeds.md").read_text(encoding="utf-8")
    for rule in ROUTES:
        assert f"`{rule.replace('<int:', '<')}`" in reported, rule
    filters = [name for name in CatalogueFilters.__slots__ if name != "at"]
    for name in (*filters, *oeapi_params.OF_COURSES, *oeapi_params.OF_OFFERINGS):
        assert f"`{name}`" in reported or name == "consumer", name


def test_feeds_leave_out_what_is_over_and_choose_by_availability(world: World) -> None:
    moment, day = utc_now().replace(microsecond=0), timedelta(days=1)
    over = plain(1, code="EUR-over", starts_at=moment - 9 * day, ends_at=moment - day)
    still = plain(1, code="EUR-open", starts_at=moment + 30 * day, ends_at=moment + 40 * day)
    under = plain(1, code="EUR-running", starts_at=moment - day, ends_at=moment + 9 * day)
    world.publish(over, still, under)

    def found(query: str = "") -> set[str]:
        text = world.get(f"/catalogue.csv{query}").text
        return {code for code in ("EUR-over", "EUR-open", "EUR-running") if code in text}

    assert found() == {"EUR-open", "EUR-running"}
    assert found("?availability=over") == found("?code=EUR-over") == {"EUR-over"}
    assert found("?availability=running") == {"EUR-running"}
    assert found("?availability=all") == {"EUR-over", "EUR-open", "EUR-running"}
    for path in ("catalogue.ics", "catalogue.jsonld"):
        assert "EUR-over" not in world.get(f"/{path}").text
    assert "EUR-over" in world.get("/catalogue.atom").text
    assert "EUR-over" not in world.get("/catalogue.atom?availability=open").text
    assert "closing_soon" in world.get("/catalogue.csv?availability=soon", 400).text
    listed = world.get("/oeapi/v5/offerings?availability=running").json()["items"]
    assert [each["primaryCode"]["code"] for each in listed] == ["EUR-running"]
    world.get("/oeapi/v5/offerings?availability=soon", 400)


def test_a_copy_of_a_feed_is_outdated_once_a_course_is_over(world: World) -> None:
    moment = utc_now().replace(microsecond=0)
    world.publish(plain(1, starts_at=moment, ends_at=moment + timedelta(days=3)))
    centres = {"EUR": Provider("EUR", "Sample", "europe", "PL", True)}

    def mark(later: timedelta, wanted: str = "") -> str:
        now = moment + later
        at = Moments(now, now + timedelta(days=7))
        filters = CatalogueFilters(availability=wanted, at=at)
        with world.database.reading() as tx:
            return feed_queries.state(tx, centres, filters).mark

    hour, days = timedelta(hours=1), timedelta(days=4)
    assert mark(hour) == mark(2 * hour) != mark(days)
    assert mark(hour, "all") == mark(days, "all")
