"""Every page over a filled database: what it shows, and what it must not."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from lms_bridge.domain.clock import utc_now
from lms_bridge.store import leases
from lms_bridge.store.database import Database
from tests.integration.web.filling import ARABIC, fill
from tests.operators import sign_in

PUBLIC = ("/", "/catalogue", "/catalogue/AFR-1", "/catalogue/ARB-1")
OPERATIONS = (
    "/operations",
    "/centres",
    "/centres/AFR",
    "/centres/OFF",
    "/runs",
    "/runs/61",
    "/holds",
    "/holds?decided=1",
    "/holds/1",
    "/conflicts",
    "/quarantine",
    "/people",
    "/people/file",
    "/centres/AFR/check",
    "/operations/where",
    "/audit",
)
NewApp = Callable[..., Flask]
LINKED_DATA = re.compile(r'<script type="application/ld\+json">[^<>&]*</script>')


def page(client: FlaskClient, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, path
    return response.get_data(as_text=True)


def cards(html: str) -> list[str]:
    return re.findall(r'<h2 dir="auto"><a href="/catalogue/([^"]+)"', html)


def test_every_page_is_whole_safe_and_without_personal_data(either: FlaskClient) -> None:
    for path in (*PUBLIC, *OPERATIONS):
        look_at(either, path)


def look_at(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    html = response.get_data(as_text=True)
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    assert html.startswith("<!doctype html>")
    assert html.rstrip().endswith("</html>")
    assert html.count("<h1") == 1
    assert html.count("<main") == 1
    assert '<html lang="en" dir="ltr">' in html
    # Nothing that a source sent becomes markup; data for search engines can end no script
    html, data = LINKED_DATA.subn("", html)
    assert data == int(path.startswith("/catalogue/"))
    assert "<script" not in html
    assert "<b>Centre" not in html
    assert "javascript:" not in html
    assert "onclick" not in html
    # Nobody's address, no secret, no name
    assert "@" not in html
    assert "abcdef123" not in html
    assert "0123456789abcdef" not in html
    assert "Given" not in html
    # Nothing is fetched from elsewhere
    assert not re.search(r'(?:src|<link(?! rel="alternate")[^>]* href)="(?!/static/)', html)


@pytest.mark.parametrize("path", [*PUBLIC, *OPERATIONS, "/health", "/nowhere", "/static/style.css"])
def test_every_page_has_security_headers(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:
        headers = response.headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Set-Cookie" not in headers


def test_operations_are_not_kept_by_browsers(client: FlaskClient, stranger: FlaskClient) -> None:
    assert client.get("/runs").headers["Cache-Control"] == "no-store"
    assert client.get("/catalogue").headers["Cache-Control"] == "no-store"  # it names the operator
    assert stranger.get("/catalogue").headers["Cache-Control"] == "no-cache"
    with client.get("/static/style.css") as response:
        assert "max-age=3600" in response.headers["Cache-Control"]


# ---- overview --------------------------------------------------------------------------------


def numbers(html: str) -> dict[str, str]:
    found = re.findall(r"<dt>(?:<a[^>]*>)?([^<]+)(?:</a>)?</dt><dd>([\d,]+)</dd>", html)
    return dict(found)


def test_the_overview_is_for_everybody(client: FlaskClient) -> None:
    html = page(client, "/")
    assert numbers(html) == {
        "Offerings in the catalogue": "63",
        "Centres": "3",
        "Enrolments": "3",
        "Results": "1",
    }
    assert 'href="/catalogue?region=africa"' in html
    assert "runs" not in client.application.test_client().get("/").text


def test_operations_show_what_waits_and_the_next_runs(client: FlaskClient) -> None:
    html = page(client, "/operations")
    assert numbers(html) == {
        "To be sent": "2",
        "Plans held for approval": "1",
        "Records in quarantine": "1",
        "People to be matched": "1",
    }
    assert "Nightly run: everything, in full" in html
    assert "No clock is running" not in html
    assert "Done in part" in html


def test_operations_of_an_empty_bridge_show_that_it_is_empty(empty: FlaskClient) -> None:
    html = page(empty, "/operations")
    assert "There is no active centre yet." in html
    assert "Nothing ran yet." in html
    assert "No clock is running" in html


@pytest.mark.parametrize(
    "path", ["/catalogue", "/centres", "/runs", "/holds", "/conflicts", "/quarantine", "/people"]
)
def test_empty_lists_show_a_message(empty: FlaskClient, path: str) -> None:
    html = page(empty, path)
    assert "<table" not in html
    assert re.search(r"There is no|There is none|Nothing waits|No record|Nobody", html)


# ---- catalogue -------------------------------------------------------------------------------


def test_the_catalogue_holds_what_the_academy_acknowledged(either: FlaskClient) -> None:
    opened = page(either, "/catalogue")
    assert int(re.findall(r"Offerings found: (\d+)", opened)[0]) in (61, 62)  # EUR-0 begins today
    current = [page(either, f"/catalogue?availability=current&page={n}") for n in (1, 2, 3, 4)]
    assert "Offerings found: 62" in current[0]
    assert "EUR-OVER" not in "".join(current)  # it is not on offer
    everything = "/catalogue?availability=all"
    pages = [page(either, f"{everything}&page={n}") for n in (1, 2, 3, 4)]
    first, second = pages[0], pages[3]
    codes = [code for each in pages for code in cards(each)]
    assert len(cards(first)) == 20
    assert len(codes) == len(set(codes)) == 63
    assert "Never shown" not in "".join(pages)
    assert codes[0] == "EUR-0"  # the earliest that is not over
    assert codes[-2:] == ["ARB-1", "EUR-OVER"]  # any start; then what is over
    assert 'rel="next" href="/catalogue?availability=all&amp;page=2"' in first
    assert 'rel="prev" href="/catalogue?availability=all&amp;page=3"' in second
    assert 'rel="next"' not in second


FOUND = {
    "region=africa": ["AFR-1"],
    "region=arab_states&level=introductory": ["ARB-1"],
    "centre=ARB": ["ARB-1"],
    "modality=blended": [],
    "modality=blended&availability=all": ["EUR-OVER"],
    "language=ar": ["AFR-1", "ARB-1"],
    "topic=cybersecurity&price=paid": ["AFR-1"],
    "centre=EUR&price=paid": [],
    "starts_from=2040-01-01&starts_to=2040-03-01": ["AFR-1", "ARB-1"],  # one has any start
    "starts_from=2040-03-02&starts_to=nonsense": ["ARB-1"],
    "availability=over": ["EUR-OVER"],
    "level=intermediate": ["AFR-1"],
    "text=MANAGEMENT+59": ["EUR-59"],
    "text=école&availability=over": ["EUR-OVER"],
    "text=المعلومات": ["ARB-1"],
    "text=%25": [],  # no wildcard
    "text=100_": [],
    "text=<script>": ["AFR-1"],
    "region=africa&modality=blended": [],
    "region='; DROP TABLE offering; --": [],
}


def test_the_catalogue_is_filtered(either: FlaskClient) -> None:
    for query, found in FOUND.items():
        html = page(either, f"/catalogue?{query}")
        assert cards(html) == found, query
        if not found:
            assert "No offering fits" in html


def test_filters_are_kept_across_pages(client: FlaskClient) -> None:
    html = page(client, '/catalogue?centre=EUR&text=spectrum+"&_external=1')
    assert "EUR-1" in cards(html)  # signs mean nothing
    assert 'value="spectrum &#34;"' in html
    html = page(client, "/catalogue?centre=EUR&text=spectrum&_scheme=javascript")
    assert '<option value="EUR" selected dir="auto">Real &lt;b&gt;Centre&lt;/b&gt; (' in html
    assert (
        'href="/catalogue?centre=EUR&amp;text=spectrum&amp;_scheme=javascript&amp;page=2"' in html
    )


@pytest.mark.parametrize("odd", ["0", "-1", "x", "99999999999999999999", "²"])
def test_odd_page_numbers_do_no_harm(client: FlaskClient, odd: str) -> None:
    assert client.get(f"/runs/{odd}").status_code == 404
    page(client, f"/catalogue?page={odd}")
    page(client, f"/runs?before={odd}")
    page(client, f"/runs/61?page={odd}")


def test_an_offering_is_shown_in_its_own_time_zone(client: FlaskClient) -> None:
    html = page(client, "/catalogue/AFR-1")
    assert "2 Mar 2040" in html  # 21:30 UTC on the 1st
    assert "12 Mar 2040" in html
    assert "20 Feb 2040" in html
    assert "Africa/Nairobi" in html
    for shown in ("Online instructor-led", "Intermediate", "Application and selection", "USD 150"):
        assert shown in html
    assert '<span lang="ar" dir="auto">العربية</span>' in html
    assert "sample, invented" in html


def test_texts_keep_their_markup_and_lose_dangerous_parts(client: FlaskClient) -> None:
    html = page(client, "/catalogue/AFR-1")
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in html
    assert "<strong>you</strong>" in html
    assert '<a href="https://example.org/" rel="nofollow noopener noreferrer">there</a>' in html
    assert "bad()" not in html
    assert "First line<br>Second &lt;line" in html
    assert "Room &lt;1&gt;" in html
    assert "The course at its centre" not in html  # its address was no address


def test_right_to_left_titles_are_marked(client: FlaskClient) -> None:
    html = page(client, "/catalogue/ARB-1")
    escaped = ARABIC.replace("<", "&lt;").replace(">", "&gt;")
    assert f'<h1 dir="auto">{escaped}</h1>' in html
    assert "<bdi>مركز العينة</bdi>" in html
    assert "Any start, stays open" in html
    assert 'href="https://lms.example.org/course/1"' in html


@pytest.mark.parametrize("code", ["EUR-NEW", "EUR-GONE", "NONE", "a/b"])
def test_an_offering_outside_the_catalogue_is_not_found(client: FlaskClient, code: str) -> None:
    assert "Not found" in page(client, f"/catalogue/{code}", 404)


def test_a_nul_character_in_an_address_is_refused(either: FlaskClient) -> None:
    for path in ("/catalogue/%00", "/centres/%00", "/catalogue?text=a%00", "/runs?status=%00"):
        assert "Not understood" in page(either, path, 400)


# ---- operations ------------------------------------------------------------------------------


def test_centres_are_listed_and_shown(client: FlaskClient) -> None:
    html = page(client, "/centres")
    assert html.count(">sample</span>") == 2
    assert "Arab States" in html
    assert "Real &lt;b&gt;Centre&lt;/b&gt;" in html
    assert "Paused" in html
    html = page(client, "/centres/AFR")
    assert "This centre is a sample" in html
    assert "wstoken=[redacted]" in html
    assert "Cybersecurity" in html
    assert "paused: nothing runs" in page(client, "/centres/OFF")
    assert "There is no centre" in page(client, "/centres/XX", 404)


def test_runs_are_listed_page_by_page(client: FlaskClient) -> None:
    first = page(client, "/runs")
    assert re.findall(r'href="/runs/(\d+)"', first) == [str(n) for n in range(62, 12, -1)]
    assert 'href="/runs?before=13"' in first
    second = page(client, "/runs?before=13")
    assert re.findall(r'href="/runs/(\d+)"', second) == [str(n) for n in range(12, 0, -1)]
    assert "Older runs" not in second
    assert re.findall(r'href="/runs/(\d+)"', page(client, "/runs?centre=ARB")) == ["62"]
    assert re.findall(r'href="/runs/(\d+)"', page(client, "/runs?status=running")) == ["62"]


def test_a_run_is_shown_item_by_item(client: FlaskClient) -> None:
    html = page(client, "/runs/61")
    assert "offerings sent: the record of [e-mail] has wstoken=[redacted] in it" in html
    assert "moodle-refused" in html
    assert "<del><bdi>20</bdi></del> <ins><bdi>30</bdi></ins>" in html
    assert "email, given_name" in html  # which fields of a person changed, never the values
    assert "score, learner" in html
    assert "71.5" not in html
    assert "There is no run 999" in page(client, "/runs/999", 404)
    assert "Page not found" in page(client, "/runs/abc", 404)


def test_holds_quarantine_and_waiting_people_are_shown(client: FlaskClient) -> None:
    assert "Removals: Offerings, 30 of 61" in page(client, "/holds")
    hold = page(client, "/holds/1")
    assert "Spectrum management 19" in hold
    assert "Spectrum management 20" not in hold
    assert "More courses that are not shown here: 10" in hold
    quarantine = page(client, "/quarantine")
    assert "&lt;course 9&gt;" in quarantine
    assert "[e-mail]" in quarantine
    people = page(client, "/people")
    assert "L1" in people
    assert "4711" in people


# ---- who may see operations ------------------------------------------------------------------


@pytest.mark.parametrize("path", OPERATIONS)
def test_operations_are_closed_to_strangers(stranger: FlaskClient, path: str) -> None:
    assert "lms-bridge operator link" in page(stranger, path, 401)


@pytest.mark.parametrize("path", PUBLIC)
def test_only_who_is_not_signed_in_finds_the_sign_in_at_the_top(
    client: FlaskClient, stranger: FlaskClient, path: str
) -> None:
    link = 'href="/sign-in"'
    assert link in page(stranger, path).partition("</header>")[0]
    assert link not in page(client, path).partition("</header>")[0]


@pytest.mark.parametrize("path", [*PUBLIC, "/health", "/static/style.css"])
def test_public_pages_are_open_to_all(stranger: FlaskClient, path: str) -> None:
    with stranger.get(path) as response:
        assert response.status_code == 200
        html = response.get_data(as_text=True)
    assert "/runs" not in html
    assert "Records in quarantine" not in html
    assert "Sign out" not in html


# ---- health and errors -----------------------------------------------------------------------


def test_the_health_page_reports_what_needs_attention(either: FlaskClient) -> None:
    response = either.get("/health")
    assert response.status_code == 200
    assert response.get_json() == {
        "status": "degraded",
        "database": "ok",
        "clock": "running",
        "version": "0.1.0",
        "attention": {
            "centres_failing": 0,
            "centres_never_ran": 1,
            "records_failing": 0,
            "quarantined": 1,
            "webhooks_off": 0,
            "mail_failing": 0,
            "holds": 1,
            "people_unmatched": 1,
            "connections_waiting": 0,
        },
    }


def test_health_is_ok_when_a_clock_runs_and_nothing_needs_attention(
    empty: FlaskClient, sqlite_database: Database
) -> None:
    facts = empty.get("/health").get_json()
    assert (facts["status"], facts["clock"]) == ("degraded", "stopped")
    with sqlite_database.writing() as tx:
        leases.take(tx, "clock", "somebody", utc_now(), 3600)
    facts = empty.get("/health").get_json()
    assert (facts["status"], facts["clock"]) == ("ok", "running")
    assert not any(facts["attention"].values())


def test_an_unreachable_database_is_reported(new_app: NewApp, tmp_path: object) -> None:
    client = new_app(f"sqlite:///{tmp_path}/missing/bridge.sqlite3").test_client()
    response = client.get("/health")
    assert response.status_code == 503
    assert response.get_json()["status"] == "down"
    response = client.get("/catalogue")
    assert response.status_code == 503
    html = response.get_data(as_text=True)
    assert "database cannot be reached" in html
    assert "missing/bridge" not in html


def test_an_unknown_page_is_not_found(client: FlaskClient) -> None:
    html = page(client, "/nowhere/<script>", 404)
    assert "Page not found" in html
    assert "<script" not in html
    assert client.post("/catalogue").status_code == 405
    assert client.application.test_client().get("/nowhere").status_code == 404


def test_an_unexpected_error_reveals_nothing(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("ann.other@example.org")

    monkeypatch.setattr("lms_bridge.catalogue.pages.asked", broken)
    html = page(client, "/catalogue", 500)
    assert "example.org" not in html
    reference = re.search(r"Reference: <code>(\w{8})</code>", html)
    assert reference is not None
    assert reference[1] in "".join(capfd.readouterr())


def test_a_page_writes_nothing_and_waits_for_no_writer(
    new_app: NewApp, sqlite_database: Database, sqlite_address: str
) -> None:
    fill(sqlite_database)
    client = sign_in(new_app(sqlite_address).test_client(), sqlite_database)
    with sqlite_database.writing() as tx:  # pages do not wait for a writer
        tx.execute(text("UPDATE centre SET name = name"))
        for path in (*PUBLIC, *OPERATIONS):
            page(client, path)


def test_filters_that_fit_nothing_stay_visible(client: FlaskClient) -> None:
    shown = page(client, "/catalogue?text=zzzz&language=fr")
    for chosen in ('<option value="" selected', '<option value="fr" selected'):
        assert chosen in shown


def test_the_address_of_a_button_says_so(client: FlaskClient) -> None:
    answer = client.get("/sign-out")
    assert answer.status_code == 405
    assert "This address belongs to a button." in answer.text


@pytest.mark.parametrize(
    ("named", "back"),
    [
        ("http://localhost/account?a=1", "/account?a=1"),
        ("http://localhost//evil.example/x", ""),
        ("https://evil.example/account", ""),
        ("", ""),
    ],
)
def test_a_form_of_nobody_leads_back_to_its_own_page_alone(
    client: FlaskClient, named: str, back: str
) -> None:
    """On its error page, and after signing in."""
    stranger = client.application.test_client()
    headers = {"Origin": "http://localhost", "Referer": named}
    refused = client.post("/nowhere", headers=headers).text
    assert ("Back to the page with the form" in refused) == bool(back)
    assert "evil" not in refused
    asked = stranger.post("/tokens", headers=headers)
    assert asked.status_code == 401
    wanted = stranger.get_cookie("lms_bridge_wanted")
    assert (wanted.value if wanted else "").strip('"') == back
