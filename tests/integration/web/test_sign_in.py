"""Operators sign in with a link; nobody else sees or does what is theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import select, update
from structlog.testing import capture_logs

from lms_bridge.audit import COMMAND, Actor, Subject
from lms_bridge.domain.clock import utc_now
from lms_bridge.jobs.leader import Upkeep
from lms_bridge.server.app import create_app
from lms_bridge.store.account_tables import web_session
from lms_bridge.web import sessions
from lms_bridge.web.access import PUBLIC
from lms_bridge.web.csrf import TOKEN, token_of
from lms_bridge.web.sessions import link_address
from tests.forwarding import forwarded
from tests.integration.audited import acts
from tests.integration.lti_platform.test_commands import Cli
from tests.integration.lti_platform.world import World, served
from tests.integration.web.visiting import rows
from tests.operators import COOKIE, own_field, signed_in

GUARDED = "/runs?status=failed&centre=ONE"
HTTPS = "https://bridge.example.org"


def new_link(world: World, name: str = "Amina") -> str:
    settings = world.bridge.settings
    by = Actor("root", COMMAND, utc_now())
    _, secret = sessions.make_operator_link(world.bridge.database, name, settings.sign_in, by)
    return link_address(settings.public_address, secret)


def press(
    link: str,
    browser: requests.Session | None = None,
    headers: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
) -> requests.Response:
    """Presses the button of the link's page."""
    own = {"Origin": "/".join(link.split("/", 3)[:3]), "Sec-Fetch-Site": "same-origin"}
    return (browser or requests.Session()).post(
        link, data, headers={**own, **(headers or {})}, allow_redirects=False, timeout=120
    )


def seen(world: World, browser: requests.Session) -> int:
    return browser.get(world.address + GUARDED, timeout=120).status_code


def signed_in_browser(world: World, name: str = "Amina") -> requests.Session:
    browser = requests.Session()
    assert press(new_link(world, name), browser).status_code == 303
    assert seen(world, browser) == 200
    return browser


def change(world: World, **values: Any) -> None:
    """Changes every session and link that is stored."""
    with world.bridge.database.writing() as tx:
        tx.execute(update(web_session).values(values))


# ---- in --------------------------------------------------------------------------------------


def test_a_link_signs_in_and_opens_the_requested_page(either_world: World) -> None:
    world, browser = either_world, requests.Session()
    refused = browser.get(world.address + GUARDED, timeout=120)
    assert (refused.status_code, refused.url) == (401, world.address + GUARDED)
    assert refused.headers["WWW-Authenticate"].startswith("Cookie ")
    assert "lms-bridge operator link" in refused.text
    assert re.search(r"Reference: <code>\w{8}</code>", refused.text)
    link = new_link(world)
    shown = browser.get(link, timeout=120)
    assert "Amina" in shown.text
    assert shown.text.count("<button") == 1
    assert shown.headers["Cache-Control"] == "no-store"
    answer = press(link, browser)
    assert (answer.status_code, answer.headers["Location"]) == (303, GUARDED)
    page = browser.get(world.address + GUARDED, timeout=120)
    assert page.status_code == 200
    assert "Signed in as <bdi>Amina</bdi>" in page.text
    assert "Sign out" in page.text
    # The path is kept for one sign-in; that of a form is not
    sent = press(f"{world.address}/tokens", headers={"Cookie": ""})
    assert (sent.status_code, "Set-Cookie" in sent.headers) == (401, False)
    assert "not carried out" in sent.text
    assert press(new_link(world), browser).headers["Location"] == "/"


def test_looking_at_a_link_does_not_use_it(world: World) -> None:
    link = new_link(world)
    before = rows(world)
    for method in ("GET", "HEAD", "OPTIONS") * 3:
        assert requests.request(method, link, timeout=120).status_code == 200
    assert rows(world) == before
    assert press(link).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_another_sites_form_does_not_use_a_link(world: World, headers: dict[str, str]) -> None:
    link = new_link(world)
    refused = press(link, headers=headers)
    assert (refused.status_code, "Set-Cookie" in refused.headers) == (403, False)
    assert press(link).status_code == 303


def test_of_two_clicks_at_once_one_signs_in(either_world: World) -> None:
    world = either_world
    for _ in range(5):
        link, start = new_link(world), Barrier(4)

        def click(link: str = link, start: Barrier = start) -> int:
            start.wait(60)
            return press(link).status_code

        with ThreadPoolExecutor(4) as pool:
            answers = [each.result(120) for each in [pool.submit(click) for _ in range(4)]]
        assert sorted(answers) == [303, 404, 404, 404]


def test_a_link_that_is_used_over_or_unknown_signs_nobody_in(world: World) -> None:
    used = new_link(world)
    press(used)
    late = new_link(world)
    with world.bridge.database.writing() as tx:
        tx.execute(
            update(web_session)
            .where(web_session.c.signed_in_at.is_(None))
            .values(expires_at=utc_now() - timedelta(seconds=1))
        )
    for link in (used, late, link_address(world.address, "x"), f"{late}\u00e9"):
        for answer in (requests.get(link, timeout=120), press(link)):
            assert answer.status_code == 404
            assert "lms-bridge operator link" in answer.text
            assert "Set-Cookie" not in answer.headers


def test_guesses_neither_find_a_link_nor_lock_it(world: World) -> None:
    link = new_link(world)
    assert len(link.rpartition("/")[2]) == 43  # 256 random bits
    for number in range(100):
        assert press(link_address(world.address, f"{number:043}")).status_code == 404
    assert press(link).status_code == 303


def test_a_session_has_a_new_secret_and_no_planted_one(world: World) -> None:
    browser, link = requests.Session(), new_link(world)
    for planted in ("planted", link.rpartition("/")[2]):
        browser.cookies.set(COOKIE, planted)
        assert seen(world, browser) == 401
    answer = press(link, browser)
    own = answer.cookies[COOKIE]
    assert own not in ("planted", link.rpartition("/")[2])
    for other in ("planted", link.rpartition("/")[2]):
        stranger = requests.get(world.address + "/runs", cookies={COOKIE: other}, timeout=120)
        assert stranger.status_code == 401


def test_signing_in_again_ends_the_session_before(world: World) -> None:
    browser = signed_in_browser(world)
    before = browser.cookies[COOKIE]
    press(new_link(world, "Berta"), browser)
    assert "Signed in as <bdi>Berta</bdi>" in browser.get(world.address, timeout=120).text
    old = requests.get(world.address + "/runs", cookies={COOKIE: before}, timeout=120)
    assert old.status_code == 401


def test_the_database_has_no_secret(world: World) -> None:
    link = new_link(world)
    browser = signed_in_browser(world)
    with world.bridge.database.reading() as tx:
        stored = repr(tx.execute(select(web_session)).all())
    assert link.rpartition("/")[2] not in stored
    assert browser.cookies[COOKIE] not in stored


PATHS = {
    "/runs/61?page=2": "/runs/61?page=2",
    "//evil.example": "/",
    "/\\evil.example": "/",
    "https://evil.example": "/",
    "javascript:alert(1)": "/",
    "evil.example": "/",
    "/" + "x" * 2000: "/",
}


@pytest.mark.parametrize("path", PATHS)
def test_sign_in_opens_only_pages_of_this_site(world: World, path: str) -> None:
    link = new_link(world)
    headers = {"Cookie": f'lms_bridge_wanted="{path}"'.replace("\\", "\\134")}
    assert press(link, headers=headers).headers["Location"] == PATHS[path]


# ---- out -------------------------------------------------------------------------------------


def test_signing_out_ends_the_session_for_good(world: World) -> None:
    browser = signed_in_browser(world)
    secret = browser.cookies[COOKIE]
    foreign = press(f"{world.address}/sign-out", browser, {"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert seen(world, browser) == 200
    assert press(f"{world.address}/sign-out", browser).status_code == 403  # without its token
    answer = press(f"{world.address}/sign-out", browser, data=own_field(browser))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    assert COOKIE not in browser.cookies
    again = requests.get(world.address + "/runs", cookies={COOKIE: secret}, timeout=120)
    assert again.status_code == 401
    assert press(f"{world.address}/sign-out").status_code == 303  # a second time does no harm


@pytest.mark.parametrize("column", ["seen_at", "expires_at"])
def test_a_session_ends_unused_and_after_its_longest_time(world: World, column: str) -> None:
    limits = world.bridge.settings.sign_in
    lasts = {
        "seen_at": timedelta(minutes=limits.idle_minutes),
        "expires_at": timedelta(0),
    }[column]
    browser = signed_in_browser(world)
    change(world, **{column: utc_now() - lasts + timedelta(seconds=100)})
    assert seen(world, browser) == 200
    change(world, **{column: utc_now() - lasts - timedelta(seconds=1)})
    assert seen(world, browser) == 401


def test_a_session_in_use_lasts_but_not_for_ever(world: World) -> None:
    limits = world.bridge.settings.sign_in
    browser = signed_in_browser(world)
    used = utc_now() - timedelta(minutes=limits.idle_minutes - 1)
    change(world, seen_at=used)
    assert seen(world, browser) == 200
    with world.bridge.database.reading() as tx:
        row = tx.execute(select(web_session)).one()
    assert row.seen_at > used + timedelta(minutes=1)
    assert row.expires_at == row.signed_in_at + timedelta(hours=limits.session_hours)


def test_a_session_in_use_waits_for_no_writer(world: World) -> None:
    browser = signed_in_browser(world)
    change(world, seen_at=utc_now() - timedelta(minutes=2))
    with world.bridge.database.writing() as tx:
        tx.execute(update(web_session).values(name="Amina"))
        page = browser.get(world.address + "/runs", timeout=50)  # a writer would wait 60 s
    assert page.status_code == 200
    assert seen(world, browser) == 200
    with world.bridge.database.reading() as tx:
        seen_at = tx.scalar(select(web_session.c.seen_at))
    assert seen_at is not None
    assert seen_at > utc_now() - timedelta(minutes=1)


def test_a_revoked_operator_is_out_at_once(either_world: World) -> None:
    world, cli = either_world, Cli(either_world)
    first, second = signed_in_browser(world), signed_in_browser(world)
    other, unused = signed_in_browser(world, "Berta"), new_link(world)
    listed = cli.json("operator", "sessions")
    assert [each["status"] for each in listed] == ["signed in"] * 3 + ["link"]
    cli("operator", "revoke", str(listed[0]["number"]))
    assert [seen(world, each) for each in (first, second, other)] == [401, 200, 200]
    cli("operator", "revoke", "--name", "Amina")
    assert [seen(world, each) for each in (first, second, other)] == [401, 401, 200]
    assert press(unused).status_code == 404
    assert [each["name"] for each in cli.json("operator", "sessions")] == ["Berta"]


def test_what_has_ended_is_forgotten(either_world: World) -> None:
    world = either_world
    now = utc_now()
    for changed in (
        {"expires_at": now - timedelta(days=8)},
        {"seen_at": now - timedelta(days=31)},
        {},
    ):
        signed_in(world.bridge.database)
        with world.bridge.database.writing() as tx:
            newest = select(web_session.c.id).order_by(web_session.c.id.desc()).limit(1)
            of_newest = web_session.c.id == newest.scalar_subquery()
            if changed:
                tx.execute(update(web_session).where(of_newest).values(changed))
    Upkeep(world.bridge).do(now)
    link = new_link(world)
    with world.bridge.database.reading() as tx:
        assert len(tx.execute(select(web_session)).all()) == 2
    assert press(link).status_code == 303


# ---- the record ------------------------------------------------------------------------------


def test_links_sign_ins_and_ends_are_audited(either_world: World) -> None:
    world = either_world
    with capture_logs() as lines:
        browser = signed_in_browser(world)
        secret = browser.cookies[COOKIE]
        press(f"{world.address}/sign-out", browser, data=own_field(browser))
        signed_in_browser(world, "Berta")
        Cli(world)("operator", "revoke", "--name", "Berta")
    audited = [(each.action, each.by) for each in acts(world.bridge.database, Subject.OPERATOR)]
    root, amina = ("command", "root"), ("page", "Amina")
    assert audited[:3] == [("link", root), ("sign in", amina), ("sign out", amina)]
    assert [action for action, _ in audited[3:]] == ["link", "sign in", "revoke"]
    assert {"sign-in link made", "signed in", "signed out"} <= {each["event"] for each in lines}
    assert secret not in str(lines)


# ---- cookies ---------------------------------------------------------------------------------


@contextmanager
def https_world(world: World) -> Iterator[tuple[World, Flask, str]]:
    """The same bridge behind a proxy that does TLS, and the address that the proxy asks."""
    settings = replace(world.bridge.settings, lti=replace(world.bridge.settings.lti, address=HTTPS))
    behind = replace(world, bridge=replace(world.bridge, settings=settings))
    app = create_app(behind.bridge)
    with served(app) as address:
        yield behind, app, address


def https_secret(answer: requests.Response) -> str:
    (secret,) = re.findall(rf"__Host-{COOKIE}=([^;]+)", answer.headers["Set-Cookie"])
    return str(secret)


def test_cookies_are_plain_on_http(world: World) -> None:
    sent = press(new_link(world)).headers["Set-Cookie"]
    assert "HttpOnly" in sent
    assert "SameSite=Lax" in sent
    assert "Path=/" in sent
    assert "Secure" not in sent
    assert "Domain" not in sent


def test_cookies_are_bound_to_the_host_on_https(world: World) -> None:
    with https_world(world) as (behind, _, address):
        link = new_link(behind)
        assert link.startswith(f"{HTTPS}/sign-in/")
        answer = press(link.replace(HTTPS, address), headers={"Origin": HTTPS})
        requested = requests.get(f"{address}/runs", timeout=120)
        for response, use in ((answer, "session"), (requested, "wanted")):
            lines = response.raw.headers.getlist("Set-Cookie")
            (sent,) = [each for each in lines if each.startswith(f"__Host-lms_bridge_{use}=")]
            for flag in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
                assert flag in sent
            assert "Domain" not in sent
        # The plain name, which another host of the domain could set, counts for nothing
        secret = https_secret(answer)
        for name, status in ((COOKIE, 401), (f"__Host-{COOKIE}", 200)):
            cookie = {"Cookie": f"{name}={secret}"}
            assert (
                requests.get(f"{address}/runs", headers=cookie, timeout=120).status_code == status
            )


# ---- strangers -------------------------------------------------------------------------------

FORGED: tuple[dict[str, str], ...] = (
    {},
    {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"},
    {"X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "https", "X-Original-URL": "/"},
    {"X-Remote-User": "root", "Remote-User": "root", "Authorization": "Basic cm9vdDpyb290"},
    {"Host": "localhost"},
    {"Host": "evil.example", "Origin": "http://evil.example"},  # DNS rebinding
    {"Cookie": f"{COOKIE}=; __Host-{COOKIE}=1; session=1"},
)


def operators_pages(app: Flask) -> list[tuple[str, str]]:
    """(method, path) of everything that is not public, with a sample value in each variable."""
    adapter = app.url_map.bind("localhost")
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static" or rule.endpoint.rpartition(".")[0] in PUBLIC:
            continue
        values = dict.fromkeys(rule.arguments, 1)
        path = adapter.build(rule.endpoint, values, method=next(iter(rule.methods or ())))
        found += [(method, path) for method in sorted(rule.methods or ()) if method != "OPTIONS"]
    return found


@pytest.mark.parametrize("way", ["direct", "forward", "proxy", "proxy with a foreign name"])
def test_a_stranger_sees_and_does_nothing_by_any_way(world: World, way: str) -> None:
    hosts = {"proxy": "127.0.0.1:8000", "proxy with a foreign name": "bridge"}
    with https_world(world) as (_, app, inner), forwarded(inner, hosts.get(way, "")) as outer:
        address, before = inner if way == "direct" else outer, rows(world)
        pages = operators_pages(app)
        assert len(pages) > 20
        for number, (method, path) in enumerate(pages):
            forged = FORGED[number % len(FORGED)]
            headers = {"Origin": HTTPS, "Sec-Fetch-Site": "same-origin", **forged}
            answer = requests.request(
                method, address + path, headers=headers, allow_redirects=False, timeout=120
            )
            assert answer.status_code == 401, (method, path, forged)
            assert "Sample" not in answer.text
        for forged in FORGED:
            for path in ("/runs", "/tokens"):
                answer = requests.get(address + path, headers=forged, timeout=120)
                assert answer.status_code == 401
        assert rows(world) == before


FORM = re.compile(r'<form\b[^>]*method="post".*?</form>', re.DOTALL)


def test_each_form_needs_the_token_of_its_own_session(world: World) -> None:
    own, other = signed_in_browser(world), signed_in_browser(world)
    app, before = create_app(world.bridge), rows(world)
    posts = [path for method, path in operators_pages(app) if method == "POST"]
    assert len(posts) > 10
    own_site = {"Origin": world.address, "Sec-Fetch-Site": "same-origin"}
    forged: tuple[dict[str, str], ...]
    forged = ({}, own_field(other), {TOKEN: ""}, {TOKEN: "\u00e9"}, {TOKEN: own.cookies[COOKIE]})
    for path in (*posts, "/sign-out"):
        for fields in forged:
            answer = own.post(world.address + path, fields, headers=own_site, timeout=120)
            assert answer.status_code == 403, (path, fields)
            assert "Load the page with the form again" in answer.text
    assert rows(world) == before
    for path in posts:  # with its token, it is refused for its content, if at all
        answer = own.post(world.address + path, own_field(own), headers=own_site, timeout=120)
        assert answer.status_code != 403, path


def test_the_forms_of_operators_pages_have_the_token(world: World) -> None:
    Cli(world)("token", "create", "Sample", "--scope", "offerings:read")
    browser, forms = signed_in_browser(world), []
    (field,) = own_field(browser).items()
    for path in ("", "/tokens", "/webhooks", "/connections", "/connections/1", "/runs"):
        page = browser.get(world.address + path, timeout=120)
        found = FORM.findall(page.text)
        assert all('name="{}" value="{}"'.format(*field) in each for each in found), path
        forms += found
        assert field[1] not in requests.get(world.address + path, timeout=120).text
    assert len(forms) > 10


@pytest.mark.parametrize("host", ["", "127.0.0.1:8000", "bridge"])
def test_an_operator_signs_in_and_acts_behind_a_proxy(world: World, host: str) -> None:
    with https_world(world) as (behind, _, inner), forwarded(inner, host) as address:
        link = new_link(behind).replace(HTTPS, address)
        answer = press(link, headers={"Origin": HTTPS})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        secret = https_secret(answer)
        cookie = {"Cookie": f"__Host-{COOKIE}={secret}"}
        form = {"purpose": "Sample", "scope": "offerings:read", TOKEN: token_of(secret)}
        for origin, status in ((HTTPS, 200), ("https://evil.example", 403)):
            made = requests.post(
                f"{address}/tokens", form, headers={**cookie, "Origin": origin}, timeout=120
            )
            assert made.status_code == status


# ---- the command -----------------------------------------------------------------------------


def test_a_link_is_made_on_the_command_line(world: World) -> None:
    cli = Cli(world)
    printed = cli("operator", "link", "--name", "Chen 陈").splitlines()
    (link,) = [each for each in printed if each.startswith(f"{world.address}/sign-in/")]
    browser = requests.Session()
    press(link, browser)
    assert "Chen 陈" in browser.get(world.address, timeout=120).text
    assert "Chen" in cli("operator", "sessions")
    for name in ("", " ", "x" * 101, "a\nb"):
        assert "An operator's name" in cli("operator", "link", "--name", name, code=2)
    assert "no such session" in cli("operator", "revoke", "999", code=2)
    assert "--name" in cli("operator", "revoke", code=2)


def test_a_link_names_the_address_that_people_see(world: World) -> None:
    cli = Cli(world)
    for address, secure in (
        ("https://bridge.example.org/", True),
        ("http://bridge.example.org", False),
        ("http://localhost:8000", True),
    ):
        cli.environment["LMS_BRIDGE_LTI__ADDRESS"] = address
        printed = cli("operator", "link")
        assert f"{address.rstrip('/')}/sign-in/" in printed
        assert ("is not https" in printed) == (not secure)
    cli.environment |= {"LMS_BRIDGE_LTI__ADDRESS": "", "LMS_BRIDGE_WEB__HOST": "0.0.0.0"}
    assert "http://127.0.0.1:9000/sign-in/" in cli("operator", "link", "--port", "9000")
