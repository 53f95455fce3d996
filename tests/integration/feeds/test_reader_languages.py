"""Readers get an offering in their own language, or see in which language it is."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integration.feeds.test_linked_data import check
from tests.integration.feeds.world import World, plain

EN = {"title": "Spectrum", "description": "<p>Why</p>", "objectives": "To know"}
FR = {"title": "Spectre", "description": "<p>Pourquoi</p>"}
AR = {"title": "الطيف"}


def published(lite: World, **fields: Any) -> str:
    own = {"translations": {"en": EN, "fr": FR, "ar": AR}, **EN, **fields}
    lite.publish(plain(1, languages=("en", "fr"), **own))
    return "/catalogue/EUR-1"


def page(lite: World, path: str, languages: str = "") -> str:
    return lite.get(path, headers={"Accept-Language": languages}).text


def test_a_page_is_in_the_readers_language_or_says_in_which(lite: World) -> None:
    path = published(lite)
    french = page(lite, path, "fr-CA,en;q=0.5")
    assert '<h1 dir="auto" lang="fr">Spectre</h1>' in french
    assert "<p>Pourquoi</p>" in french
    assert "pas de texte" not in french
    # What has no French text is in the main language, and says so.
    assert re.search(
        r'Uniquement en\xa0: <bdi>English</bdi></p>\s*<div dir="auto" lang="en">To know', french
    )
    other = page(lite, path, "es,ru")
    assert '<h1 dir="auto" lang="en">Spectrum</h1>' in other
    assert "No hay texto en este idioma: <bdi>Español</bdi>." in other
    assert "El texto está en: <bdi>English</bdi>." in other
    chosen = page(lite, f"{path}?lang=ar", "fr")
    assert '<h1 dir="auto" lang="ar">الطيف</h1>' in chosen
    assert '<a lang="fr" href="/catalogue/EUR-1?lang=fr">Français</a>' in chosen
    assert '<h2 dir="auto" lang="fr"><a' in page(lite, "/catalogue", "fr")


def test_an_offering_in_one_language_has_no_notes(lite: World) -> None:
    lite.publish(plain(1))
    found = page(lite, "/catalogue/EUR-1", "ru")
    assert "Нет текста" not in found
    assert "Тексты на" not in found
    assert '<h1 dir="auto">Spectrum management 1</h1>' in found


@pytest.mark.parametrize("path", ["/catalogue.atom", "/catalogue.ics"])
def test_calendars_and_news_have_the_readers_language(lite: World, path: str) -> None:
    published(lite, starts_at=datetime(2040, 3, 1, tzinfo=UTC), ends_at=None)
    french = lite.get(path, headers={"Accept-Language": "fr-CA,en;q=0.5"})
    assert "Spectre" in french.text
    assert ("Pourquoi" in french.text, "Why" in french.text) == (True, False)
    assert french.headers["Vary"] == "Accept-Language"
    chosen = lite.get(f"{path}?lang=ar", headers={"Accept-Language": "fr"})
    assert "الطيف" in chosen.text
    other = lite.get(path, headers={"Accept-Language": "es"})
    assert "Why" in other.text
    # A copy in one language is not current for a reader of another one.
    headers = {"Accept-Language": "fr-CA,en;q=0.5", "If-None-Match": other.headers["ETag"]}
    lite.get(path, headers=headers)
    lite.get(path, 304, headers={**headers, "If-None-Match": french.headers["ETag"]})
    lite.get("/catalogue.csv?lang=fr", 400)


def test_programs_get_every_language(lite: World) -> None:
    path = published(lite)
    shown = lite.get("/api/v1/offerings/EUR-1").json()
    assert shown["translations"] == {"en": EN, "fr": FR, "ar": AR}
    (listed,) = lite.get("/api/v1/offerings").json()["items"]
    assert "translations" not in listed
    script = re.search(r'<script type="application/ld\+json">(.*?)</script>', page(lite, path))
    assert script is not None
    course = json.loads(script[1])
    check(course)
    assert course["name"] == "Spectrum"
    assert [(each["inLanguage"], each["name"]) for each in course["workTranslation"]] == [
        ("fr", "Spectre"),
        ("ar", "الطيف"),
    ]
    (item,) = lite.get("/oeapi/v5/courses").json()["items"]
    assert item["name"] == [
        {"language": "en", "value": "Spectrum"},
        {"language": "fr", "value": "Spectre"},
        {"language": "ar", "value": "الطيف"},
    ]
    assert [each["language"] for each in item["description"]] == ["en", "fr"]


def test_what_the_academy_made_of_the_texts_spoils_nothing(lite: World) -> None:
    path = published(lite)
    for held in ("x", {"fr": 5}, {"fr": {"title": 5, "x": "y"}}, None):
        lite.shows("EUR-1", title="Own", translations=held, state="active")
        assert ">Own</h1>" in page(lite, path, "fr")
        lite.get("/catalogue.jsonld")
