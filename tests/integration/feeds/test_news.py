"""Atom, as feedparser and an XML parser read it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import feedparser
import pytest

from lms_bridge.domain.model import OfferingStatus
from tests.integration.feeds.world import World, full, plain

ATOM, TOMBSTONES = "{http://www.w3.org/2005/Atom}", "{http://purl.org/atompub/tombstones/1.0}"


def read(world: World, path: str = "/catalogue.atom") -> Any:
    response = world.get(path)
    assert response.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    feed = feedparser.parse(response.content, response_headers={"content-type": "application/xml"})
    assert not feed.bozo, feed.get("bozo_exception")
    assert feed.version == "atom10"
    return feed


def link(feed: Any, relation: str) -> str:
    return next((each.href for each in feed.feed.links if each.rel == relation), "")


def tombstones(world: World) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(world.get("/catalogue.atom").content)
    return root.findall(f"{TOMBSTONES}deleted-entry")


def test_an_entry_describes_its_offering(world: World) -> None:
    world.publish(full())
    feed = read(world)
    [entry] = feed.entries
    assert feed.feed.title == "Training catalogue"
    assert feed.feed.updated == entry.updated == "2026-01-01T12:01:00Z"
    assert link(feed, "self") == link(feed, "first") == f"{world.address}/catalogue.atom"
    assert entry.link == f"{world.address}/catalogue/AFR-1"
    assert entry.author == "Sample Centre Nairobi"
    assert [tag.term for tag in entry.tags] == ["Cybersecurity", "Policy, and; regulation"]
    assert "Starts 2040-03-02" in entry.summary
    assert "A sample, invented" in entry.summary
    # feedparser takes markup out of titles: that nothing is markup is seen in the plain text
    root = ElementTree.fromstring(world.get("/catalogue.atom").content)
    title = root.findtext(f"{ATOM}entry/{ATOM}title") or ""
    assert title.startswith("=Security </script><script>alert('x')</script>, \"a\"; b\\n &")


def test_the_newest_change_comes_first_and_each_entry_once(world: World) -> None:
    world.publish(plain(1))
    world.publish(plain(2))
    ids = {entry.title: entry.id for entry in read(world).entries}
    at = world.change("EUR-1", title="Another title")
    first, second = read(world).entries
    assert (first.title, second.title) == ("Another title", "Spectrum management 2")
    assert first.id == ids["Spectrum management 1"]
    assert first.updated == at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_pages_hold_every_entry_once(world: World) -> None:
    world.publish(*(plain(number) for number in range(250)))
    seen, path, pages = [], "/catalogue.atom?region=europe", 0
    while path:
        feed = read(world, path)
        assert link(feed, "first") == f"{world.address}/catalogue.atom?region=europe"
        seen += [entry.id for entry in feed.entries]
        following = urlsplit(link(feed, "next"))
        path = f"{following.path}?{following.query}" if following.path else ""
        pages += 1
    assert pages == 3
    assert len(seen) == len(set(seen)) == 250


@pytest.mark.parametrize("before", ["x", "1", "1.x", "-1.1", "99999999999999999999.1"])
def test_an_invalid_page_is_refused(lite: World, before: str) -> None:
    lite.get(f"/catalogue.atom?before={before}", 400)


def test_a_removed_offering_leaves_a_tombstone(world: World) -> None:
    world.publish(plain(1), plain(2), plain(3))
    ids = {entry.title: entry.id for entry in read(world).entries}
    world.change("EUR-1", status=OfferingStatus.CANCELLED)
    at = world.change("EUR-2", listed=False)
    assert [entry.title for entry in read(world).entries] == ["Spectrum management 3"]
    unlisted, cancelled = tombstones(world)
    assert unlisted.get("ref") == ids["Spectrum management 2"]
    assert unlisted.get("when") == at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert unlisted.findtext(f"{TOMBSTONES}comment") is None
    assert cancelled.findtext(f"{TOMBSTONES}comment") == "Cancelled"


def test_failed_and_foreign_changes_are_no_entries(lite: World) -> None:
    lite.publish(plain(1), plain(2))
    first = read(lite).entries[0].id
    with lite.database.writing() as tx:
        for system, state in (("academy", "failed"), ("academy", "waits"), ("centre:EUR", "")):
            lite.note(tx, 1, system=system, state=state)
    assert read(lite).entries[0].id == first


def test_an_empty_catalogue_has_no_entries(lite: World) -> None:
    feed = read(lite)
    assert feed.entries == []
    assert feed.feed.updated == "1970-01-01T00:00:00Z"
