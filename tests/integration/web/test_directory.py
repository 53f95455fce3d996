"""The public directory of training centres, and the courses that the front page shows."""

from __future__ import annotations

import re

from flask.testing import FlaskClient

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.network import CentreProfile
from lms_bridge.store.centres import keep_profile
from lms_bridge.store.database import Database
from tests.integration.web.filling import HOSTILE, NOW


def profiled(database: Database, site: str) -> None:
    names = {"fr": "Centre d'exemple", "ar": HOSTILE}
    with database.writing() as tx:
        keep_profile(tx, "AFR", CentreProfile(names, "Nairobi", site, "office@example.org"))


def test_the_directory_shows_active_centres_alone_by_region(either: FlaskClient) -> None:
    page = either.application.test_client().get("/training-centres").text
    found = re.findall(r'href="/training-centres/([A-Z]+)"', page)
    assert sorted(found) == ["AFR", "ARB", "EUR"]
    assert page.index('id="africa"') < page.index("/training-centres/AFR")
    assert "Real &lt;b&gt;Centre" in page


def test_a_centre_has_its_name_in_the_readers_language_and_its_courses(
    stranger: FlaskClient, sqlite_database: Database
) -> None:
    profiled(sqlite_database, "https://centre.example.org/")
    page = stranger.get("/training-centres/AFR?lang=fr").text
    assert re.search(r'<h1 dir="auto" lang="fr">Centre d&#39;exemple</h1>', page)
    assert "<dd>Kenya</dd>" in page
    assert "<bdi>Cybersécurité</bdi>" in page
    assert 'href="https://centre.example.org/"' in page
    assert 'href="/catalogue/AFR-1"' in page
    assert "EUR-1" not in page
    assert "&lt;script&gt;" in stranger.get("/training-centres/AFR?lang=ar").text


def test_a_site_that_is_no_web_address_is_not_shown(
    stranger: FlaskClient, sqlite_database: Database
) -> None:
    profiled(sqlite_database, "javascript:alert(1)")
    assert "javascript:" not in stranger.get("/training-centres/AFR").text


def test_a_centre_that_is_paused_or_unknown_has_no_page(stranger: FlaskClient) -> None:
    for code in ("OFF", "NONE", "x" * 300):
        assert stranger.get(f"/training-centres/{code}").status_code == 404


def test_the_front_page_shows_what_starts_next_and_nothing_that_is_not_public(
    either: FlaskClient,
) -> None:
    page = either.application.test_client().get("/").text
    soon = page.partition("Starting soon")[2].partition("</section>")[0]
    first = 0 if utc_now() < NOW.replace(hour=6, minute=0, second=0) else 1  # EUR-0 begins at six
    starts = [f"EUR-{first}", f"EUR-{first + 1}"]
    assert re.findall(r'href="/catalogue/([^"]+)"', soon)[:2] == starts
    assert "EUR-OVER" not in page
    assert "EUR-GONE" not in page
    assert "EUR-NEW" not in page
