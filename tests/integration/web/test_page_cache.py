"""The page cache: public pages are made once, are as new as the database, and are of nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient

from lms_bridge.catalogue import page_cache
from lms_bridge.catalogue import pages as catalogue_pages
from lms_bridge.catalogue.choices import CatalogueParams, asked
from lms_bridge.catalogue.page_cache import FinishedPage, PageCache
from lms_bridge.domain.desired_state import offering_document
from lms_bridge.domain.model import Offering
from lms_bridge.store import memberships, offerings
from lms_bridge.store.database import Database
from tests.integration.web.filling import NOW, publish
from tests.integration.web.test_catalogue import look
from tests.operators import sign_in

LIST = "/catalogue?availability=current"


@pytest.fixture
def reader(either: FlaskClient) -> FlaskClient:
    """A browser in which nobody is signed in. Until the catalogue was read, nothing is kept."""
    stranger = either.application.test_client()
    look(stranger, "/catalogue?view=map")
    return stranger


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words of each page of the catalogue that is made from now on."""
    found: list[str] = []

    def noted() -> CatalogueParams:
        found.append(asked().params["text"])
        return asked()

    monkeypatch.setattr(catalogue_pages, "asked", noted)
    return found


def publish_new(database: Database, record: Offering) -> None:
    """As another process does: the application has a database object of its own."""
    with database.writing() as tx:
        (number,) = offerings.add_offerings(tx, [record])
        publish(tx, number, record, offering_document(record))


def begins_soon(code: str, course: str) -> Offering:
    return replace(
        Offering(code, "EUR", course, f"Course {code}"), starts_at=NOW + timedelta(days=2)
    )


def test_a_page_is_made_once_and_again_after_a_change_by_another_process(
    reader: FlaskClient, database: Database, made: list[str]
) -> None:
    paths = (LIST, "/catalogue/EUR-1", "/", "/training-centres/EUR", "/training-centres")
    before = [look(reader, path) for path in paths]
    assert [look(reader, path) for path in paths] == before
    assert len(made) == 1
    publish_new(database, begins_soon("EUR-FRESH", "E1"))
    for path in paths[:4]:
        assert 'href="/catalogue/EUR-FRESH"' in look(reader, path), path
    with database.writing() as tx:
        (member,) = memberships.memberships_of(tx, "AFR")
        memberships.change_membership(tx, member.number, priority_areas=("Smart ports",))
    assert "Smart ports" in look(reader, "/training-centres")


def test_a_page_ends_when_a_registration_does(
    reader: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    closes = NOW + timedelta(days=1)
    record = replace(begins_soon("EUR-SOON", "E9"), registration_closes=closes)
    publish_new(database, record)

    def at(moment: datetime) -> list[bool]:
        for module in (page_cache, catalogue_pages):
            monkeypatch.setattr(module, "utc_now", lambda: moment)
        pages = [look(reader, path) for path in ("/catalogue/EUR-SOON", "/catalogue?text=soon")]
        return ["Registration closes soon" in html for html in pages]

    assert at(closes - timedelta(seconds=1)) == [True, True]
    assert at(closes + timedelta(seconds=1)) == [False, False]


def test_a_page_of_somebody_who_is_signed_in_is_shown_to_nobody_else(
    reader: FlaskClient, database: Database
) -> None:
    own = sign_in(reader.application.test_client(), database)
    for path in (LIST, "/catalogue/EUR-1", "/", "/training-centres", "/training-centres/EUR"):
        for _ in range(2):
            page, public = own.get(path), reader.get(path)
            assert "Sign out" in page.text, path
            assert "ETag" not in page.headers
            assert "Sign out" not in public.text
            assert "csrf_token" not in public.text
            again = own.get(path, headers={"If-None-Match": public.headers["ETag"]})
            assert again.status_code == 200
            assert "Sign out" in again.text


def test_each_reader_gets_the_language_that_they_chose(reader: FlaskClient) -> None:
    new = reader.application.test_client

    def language(browser: FlaskClient, path: str, accepted: str = "") -> str:
        return look_at(browser, path, accepted).partition('<html lang="')[2][:2]

    def look_at(browser: FlaskClient, path: str, accepted: str) -> str:
        return browser.get(path, headers={"Accept-Language": accepted}).text

    by_link = new()
    for _ in range(2):
        assert [language(new(), LIST, each) for each in ("fr", "ru", "", "es, fr")] == [
            *("fr", "ru", "en", "es")
        ]
        chosen = by_link.get(f"{LIST}&lang=ar", headers={"Accept-Language": "fr"})
        assert "lms_bridge_language=ar" in chosen.headers["Set-Cookie"]
        assert language(by_link, LIST, "fr") == "ar"
        assert "Set-Cookie" not in new().get(LIST).headers


def test_a_browser_that_has_the_page_gets_no_body(reader: FlaskClient, database: Database) -> None:
    first = reader.get(LIST)
    assert first.headers["Cache-Control"] == "no-cache"
    has_it = {"If-None-Match": first.headers["ETag"]}
    again = reader.get(LIST, headers=has_it)
    assert (again.status_code, again.data) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary", "Content-Security-Policy"):
        assert again.headers.getlist(name) == first.headers.getlist(name)
    head = reader.head(LIST)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == first.headers["Content-Length"]
    publish_new(database, begins_soon("EUR-FRESH", "E1"))
    assert reader.get(LIST, headers=has_it).status_code == 200
    english = {"If-None-Match": reader.get(LIST).headers["ETag"]}
    assert reader.get(f"{LIST}&lang=fr", headers=english).status_code == 200


def test_no_header_of_a_reader_gets_into_the_page_of_another(reader: FlaskClient) -> None:
    odd = ("Host", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Original-URL", "Cookie", "Referer")
    for path in (f"{LIST}&text=soon", "/", "/training-centres"):
        poisoned = reader.get(path, headers=dict.fromkeys(odd, "evil.example")).text
        assert "evil.example" not in poisoned
        assert look(reader, path) == poisoned


@pytest.fixture
def page() -> Callable[..., FinishedPage]:
    return lambda size=100, version=1, until=10.0: FinishedPage(b"x" * size, "", version, until)


def test_the_cache_has_a_bound_and_drops_what_was_not_asked_for(
    page: Callable[..., FinishedPage],
) -> None:
    cache = PageCache(most_bytes=12_500)
    for name in "abc":
        cache.keep(name, page(2_000))
    assert cache.find("a", 1, 0) is not None
    cache.keep("d", page(2_000))
    cache.keep("d", page(2_000))
    assert [name for name in "abcd" if cache.find(name, 1, 0)] == ["a", "c", "d"]


@pytest.mark.parametrize(("version", "now"), [(2, 0.0), (1, 10.0)])
def test_a_page_of_an_older_catalogue_or_a_while_ago_is_not_used(
    page: Callable[..., FinishedPage], version: int, now: float
) -> None:
    cache = PageCache()
    cache.keep("a", page())
    assert cache.find("a", 1, 9.9) is not None
    assert cache.find("a", version, now) is None
    assert cache.find("a", 1, 0) is None
