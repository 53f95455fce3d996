"""Sitemaps and robots.txt."""

from __future__ import annotations

from urllib.robotparser import RobotFileParser
from xml.etree import ElementTree

import pytest

from lms_bridge.catalogue import sitemap
from tests.integration.feeds.world import World, plain

SPACE = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


def places(world: World, path: str, what: str) -> list[str]:
    response = world.get(path)
    assert response.headers["Content-Type"] == "application/xml; charset=utf-8"
    root = ElementTree.fromstring(response.content)
    assert root.tag == f"{SPACE}{what}"
    found = [place.text or "" for place in root.iter(f"{SPACE}loc")]
    assert all(place.startswith(f"{world.address}/") for place in found)
    return found


def below(world: World, address: str) -> str:
    return address.removeprefix(world.address)


def test_robots_lead_to_the_index(lite: World) -> None:
    robots = RobotFileParser()
    robots.parse(lite.get("/robots.txt").text.splitlines())
    assert robots.site_maps() == [f"{lite.address}/sitemap.xml"]
    assert robots.can_fetch("Anybody", f"{lite.address}/catalogue/EUR-1")


def test_the_parts_name_every_page_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap, "MOST_OFFERINGS", 600)
    world.publish(*(plain(number) for number in range(1200)))
    parts = places(world, "/sitemap.xml", "sitemapindex")
    assert len(parts) == 3  # the last one is empty: it waits for the next offering
    pages = [page for part in parts for page in places(world, below(world, part), "urlset")]
    assert len(pages) == len(set(pages)) == 1201
    assert pages[0] == f"{world.address}/catalogue"
    assert set(pages[1:]) == {f"{world.address}/catalogue/EUR-{n}" for n in range(1200)}


def test_a_page_is_listed_with_the_time_of_its_change(lite: World) -> None:
    lite.publish(plain(1, code="EUR/a b?ü"))
    root = ElementTree.fromstring(lite.get("/sitemaps/0.xml").content)
    _, url = root
    assert url.findtext(f"{SPACE}lastmod") == "2026-01-01T12:01:00Z"
    address = url.findtext(f"{SPACE}loc") or ""
    assert address.isascii()
    assert "Spectrum management 1" in lite.get(below(lite, address)).text


def test_an_unknown_part_is_not_found_or_empty(lite: World) -> None:
    lite.get("/sitemaps/99999999999999999999.xml", 404)
    assert places(lite, "/sitemaps/5.xml", "urlset") == []
