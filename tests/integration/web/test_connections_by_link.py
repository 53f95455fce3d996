"""A centre's administrator connects an LMS by the page that a link leads to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
from structlog.testing import capture_logs

from lms_bridge.lti import registrations
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.connect_links import make_connect_link
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.dynamic_registration import invite_tool
from lms_bridge.lti.platform.launch import start_launch
from lms_bridge.lti.registrations import MOST_PENDING, Side, Status
from tests.integration.lti_platform.test_moodle_replayed import recorded
from tests.integration.lti_platform.waiting import until
from tests.integration.lti_platform.world import BROWSER, World, code_of, form_of, world_on
from tests.integration.web.visiting import (
    Operator,
    form_to,
    goes_to,
    newest,
    old_link,
    rows,
    values_on,
    visitor,
)
from tests.peers.browser import Browser
from tests.peers.platform import ROLE, Platform, running

LMS = "https://lms.example.org"
TOOL = {
    "name": "Sample LMS",
    "initiate_login_uri": f"{LMS}/login",
    "redirect_uris": f"{LMS}/launch\r\n\r\n {LMS}/other \r\n{LMS}/launch",
    "jwks_uri": f"{LMS}/jwks",
    "deep_link_uri": f"{LMS}/choose",
}
PLATFORM = {
    "issuer": LMS,
    "client_id": "client-7",
    "deployment_id": "3",
    "authorization_endpoint": f"{LMS}/auth",
    "token_endpoint": f"{LMS}/token",
    "jwks_uri": f"{LMS}/jwks",
}


def test_reading_the_page_changes_nothing(either_world: World) -> None:
    world = either_world
    browser = visitor(world)
    before = rows(world)
    for method in ("GET", "HEAD", "GET"):
        page = requests.request(method, browser.link, timeout=120)
        assert page.status_code == 200
    for path in ("registration", "address", "tool", "platform", "withdrawal"):
        assert requests.get(f"{browser.link}/{path}", timeout=120).status_code == 405
    assert rows(world) == before
    page = browser.look()
    assert "Sample TWO" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in page.headers
    policy = page.headers["Content-Security-Policy"]
    assert "form-action 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    for script in re.findall(r"<script[^>]*>", page.text):
        assert 'src="/lti/connect/static/' in script
    assert " on" not in "".join(re.findall(r"<(?:a|button|form|input) [^>]*?( on\w+=)", page.text))


def test_a_tool_is_sent_in_by_hand(either_world: World) -> None:
    world = either_world
    browser = visitor(world)
    shown = values_on(browser.look(), "tool")
    assert shown["Platform ID (issuer)"] == world.address
    assert shown["Access token URL"] == world.address + endpoints.TOKEN
    tool = world.tool.address
    page = browser.send(
        "/tool",
        {
            "initiate_login_uri": f"{tool}/login",
            "redirect_uris": f"{tool}/launch",
            "jwks_uri": f"{tool}/jwks",
        },
    )
    assert page.status_code == 200
    registration = newest(world)
    assert page.url == f"{browser.link}#connection-{registration.id}"
    assert "waits for approval since" in page.text
    assert (registration.side, registration.centre, registration.status) == (
        Side.TOOL,
        "TWO",
        Status.PENDING,
    )
    assert (registration.client_id, registration.deployment_ids) == (shown["Client ID"], ("1",))
    assert values_on(page, f"own-{registration.id}") == shown
    assert values_on(page, "tool")["Client ID"] != shown["Client ID"]  # the next one's

    with pytest.raises(LtiRefused, match="No learning system"):
        start_launch(world.lti, "acad-1", "OFF-3", browser=BROWSER)
    Operator(world).send(f"/{registration.id}", "/approval", {"email": "on"})
    assert "Active" in browser.look().text
    login = start_launch(world.lti, "acad-1", "OFF-3", browser=BROWSER)
    assert login.address == f"{tool}/login"
    answer = world.authenticate(world.auth_request(login, redirect_uri=f"{tool}/launch"))
    claims = world.read(form_of(answer.text)["id_token"])
    assert (claims["aud"], claims[lti.DEPLOYMENT_ID]) == (shown["Client ID"], "1")
    assert (claims["sub"], claims["email"]) == ("acad-1", "l1@example.org")


def test_a_tool_sent_in_by_hand_has_its_values(world: World) -> None:
    visitor(world).send("/tool", TOOL)
    registration = newest(world)
    assert registration.name == "Sample LMS"
    assert registration.redirect_uris == (f"{LMS}/launch", f"{LMS}/other", f"{LMS}/choose")
    assert registration.target_link_uri == f"{LMS}/launch"
    assert registration.deep_link_uri == f"{LMS}/choose"
    assert registration.scopes == lti.SCOPES
    assert registration.private_addresses  # as for the sample centre's other connections


def test_a_platform_registers_by_one_address(world: World) -> None:
    browser = visitor(world)
    before = rows(world)["nonce"]
    page = browser.send("/address")
    address = re.search(r'<code id="address" dir="ltr">([^<]+)</code>', page.text)
    assert address is not None
    assert rows(world)["nonce"] == before + 1
    with running(Platform(client_id="given-1", deployment="7")) as platform:
        given = {"openid_configuration": f"{platform.address}/configuration"}
        done = requests.get(address[1], given, timeout=120)
        assert done.status_code == 200, done.text
        assert (newest(world).centre, newest(world).status) == ("TWO", Status.PENDING)
        assert "waits for approval since" in browser.look().text
        _launch_from(world, platform)


def test_a_platform_is_sent_in_by_hand(either_world: World) -> None:
    world = either_world
    browser = visitor(world)
    assert values_on(browser.look(), "platform")["Initiate login URL"].endswith("/lti/tool/login")
    with running(Platform(client_id="given-1", deployment="7")) as platform:
        given = {
            "issuer": platform.address,
            "client_id": "given-1",
            "deployment_id": "7",
            "authorization_endpoint": f"{platform.address}/auth",
            "token_endpoint": f"{platform.address}/token",
            "jwks_uri": f"{platform.address}/jwks",
            "token_audience": "https://api.example.org/auth/token",
        }
        page = browser.send("/platform", given)
        assert newest(world).token_audience == given["token_audience"]
        assert page.url.endswith(f"#connection-{newest(world).id}")
        assert newest(world).name == "127.0.0.1"
        _launch_from(world, platform)


def _launch_from(world: World, platform: Platform) -> None:
    """A teacher's launch is refused before the newest connection is approved, and taken after."""
    browser = Browser()
    begun = browser.post(f"{world.address}/lti/tool/login", platform.login(world.address))
    assert begun.code == "platform-not-active"
    Operator(world).send(f"/{newest(world).id}", "/approval")

    def is_let_in() -> bool:  # what the tool side knows of a platform it knows for a second
        nonlocal begun
        login = platform.login(world.address)
        begun = browser.post(f"{world.address}/lti/tool/login", login, follow=False)
        return begun.status == 302

    until(is_let_in)
    role = [f"{ROLE}Instructor"]
    form = platform.answer(
        begun.goes_to,
        world.address,
        lambda claims: claims.update({lti.ROLES: role}),
    )
    arrived = browser.post(f"{world.address}/lti/tool/launch", form)
    assert arrived.status == 200, arrived.text
    browser.close()


def test_a_tool_is_sent_to_its_registration_page(world: World) -> None:
    browser = visitor(world)
    page = browser.send("/registration", {"registration": f"{LMS}/register?id=4"})
    address = goes_to(page)
    assert address.startswith(f"{LMS}/register?id=4&openid_configuration=")
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "form-action 'self';" in page.headers["Content-Security-Policy"]


@pytest.fixture(scope="module")
def shared_world(shared_sqlite_address: str) -> Iterator[World]:
    """One world for all wrong fields, since a refused form leaves nothing behind."""
    with world_on(shared_sqlite_address) as made:
        yield made


# ---- what is wrong is said where it is wrong ------------------------------------------------

WRONG = [
    ("tool", "initiate_login_uri", "", "Please fill this in"),
    ("tool", "initiate_login_uri", "not an address", "https://"),
    ("tool", "initiate_login_uri", "javascript:alert(1)", "https://"),
    ("tool", "initiate_login_uri", f"{LMS}/login#part", "not an address"),
    ("tool", "initiate_login_uri", f"{LMS}/a b", "not an address"),
    ("tool", "jwks_uri", "https://user:word@lms.example.org/", "password"),
    ("tool", "jwks_uri", "https://169.254.169.254/latest", "must not be reached"),
    ("tool", "jwks_uri", "https://0x7f.1/", "odd spelling"),
    ("tool", "jwks_uri", f"{LMS}/{'x' * 2000}", "At most 2,000 characters"),
    ("tool", "redirect_uris", f"{LMS}/launch\nftp://x", "https://"),
    ("tool", "redirect_uris", "\n".join(f"{LMS}/{i}" for i in range(11)), "At most 10"),
    ("tool", "redirect_uris", " \n ", "Please fill this in"),
    ("tool", "target_link_uri", "https://[::1", "cannot be read"),
    ("tool", "name", "n" * 256, "At most 255 characters"),
    ("tool", "name", "Nul\x00", "cannot be shown"),
    ("tool", "name", "turned \u202e round", "cannot be shown"),
    ("platform", "issuer", "lms.example.org", "https://"),
    ("platform", "issuer", f"{LMS}/{'x' * 255}", "At most 255 characters"),
    ("platform", "client_id", "", "Please fill this in"),
    ("platform", "client_id", "c" * 256, "At most 255 characters"),
    ("platform", "deployment_id", "\x1b[31m", "cannot be shown"),
    ("platform", "token_endpoint", "https://169.254.1.1/", "must not be reached"),
    ("registration", "registration", "", "Please fill this in"),
    ("registration", "registration", "https://lms.example.org@169.254.1.1/", "password"),
    ("registration", "registration", "http://[::ffff:169.254.169.254]/", "must not be reached"),
]


@pytest.mark.parametrize(("form", "field", "typed", "words"), WRONG)
def test_a_wrong_field_is_refused_with_its_problem(
    shared_world: World, form: str, field: str, typed: str, words: str
) -> None:
    world = shared_world
    browser = visitor(world)
    before = rows(world)
    good: dict[str, str] = {"tool": TOOL, "platform": PLATFORM}.get(form, {})
    page = browser.send(f"/{form}", {**good, field: typed})
    assert page.status_code == 422
    assert rows(world) == before
    sent = form_to(page, f"/{form}")
    assert sent.wrong == {field}
    problem = re.search(rf'id="{form}-{field}-problem">([^<]+)<', page.text)
    assert problem is not None
    assert words in problem[1]
    for name, text in good.items():
        if name != field:
            assert sent.fields[name].split() == text.split()
    if typed.strip() and "\x00" not in typed:
        assert sent.fields[field].split() == typed.split()


def test_several_problems_are_shown_at_once(world: World) -> None:
    page = visitor(world).send("/platform", {"issuer": "x", "jwks_uri": "y"})
    assert form_to(page, "/platform").wrong == set(PLATFORM) - {"deployment_id"}
    assert '<details id="platform-by-hand" open>' in page.text


def test_names_are_escaped(world: World) -> None:
    browser = visitor(world)
    hostile = "<script>alert('x')</script>\" onfocus=\"alert(1)"
    page = browser.send("/tool", {**TOOL, "name": hostile, "jwks_uri": 'https://x/"><script>'})
    assert page.status_code == 422
    assert "<script>" not in page.text
    assert form_to(page, "/tool").fields["name"] == hostile
    page = browser.send("/tool", {**TOOL, "name": hostile})
    assert newest(world).name == hostile
    assert "<script>" not in page.text
    assert 'onfocus="' not in page.text


def test_a_form_that_is_too_large_is_refused(world: World) -> None:
    browser = visitor(world)
    before = rows(world)
    assert browser.send("/tool", {**TOOL, "name": "n" * 70_000}).status_code == 413
    assert rows(world) == before


def test_private_addresses_only_where_they_are_allowed(world: World) -> None:
    """Here they are: the network's setting says so, and the centre is a sample."""
    page = visitor(world).send("/tool", {**TOOL, "jwks_uri": "http://10.0.0.1/jwks"})
    assert page.status_code == 200


# ---- whose it is, and for how long -----------------------------------------------------------


@pytest.mark.parametrize("hours", [168.5, 1000.0])
def test_an_expired_link_is_refused(world: World, hours: float) -> None:
    link = old_link(world, hours)
    for answer in (
        requests.get(link, timeout=120),
        requests.post(f"{link}/tool", TOOL, timeout=120),
        requests.post(f"{link}/address", timeout=120),
    ):
        assert (answer.status_code, code_of(answer)) == (404, "connect-link-gone")
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert requests.get(old_link(world, 167), timeout=120).status_code == 200


def test_a_guessed_link_is_refused(world: World) -> None:
    before = rows(world)
    for token in ("guessed", "x" * 4000, "%00", "..%2f"):
        assert requests.get(f"{world.address}/lti/connect/{token}", timeout=120).status_code in (
            400,
            404,
        )
    invitation = make_connect_link(world.lti, "TWO").rpartition("/")[2]
    registered = requests.post(
        world.address + endpoints.REGISTRATION,
        headers={"Authorization": f"Bearer {invitation}"},
        timeout=120,
    )
    assert registered.status_code == 401  # a link is no invitation
    assert rows(world)["lti_registration"] == before["lti_registration"]


def test_another_centres_connections_are_out_of_reach(world: World) -> None:
    one, two = visitor(world, "ONE"), visitor(world, "TWO")
    one.send("/tool", TOOL)
    registration = newest(world)
    assert "Sample LMS" not in two.look().text
    assert registration.client_id not in two.look().text
    assert requests.post(
        f"{two.link}/withdrawal", {"connection": str(registration.id)}, timeout=120
    ).ok
    for number in ("999999999999999999999", "-1", "x", ""):
        for path, name in (("withdrawal", "connection"), ("tool", "number")):
            sent = {**TOOL, name: number}
            answer = requests.post(f"{two.link}/{path}", sent, timeout=120)
            assert answer.status_code == 404
            assert "There is no such connection." in answer.text
    assert newest(world) == registration
    one.send("/platform", PLATFORM)
    page = two.send("/platform", PLATFORM)
    assert page.status_code == 422
    assert "registered for another centre" in page.text
    assert newest(world).centre == "ONE"


def test_the_academys_platform_is_sent_in(world: World) -> None:
    browser = visitor(world, "")
    assert "the ITU Academy" in browser.look().text
    browser.send("/platform", PLATFORM)
    assert (newest(world).centre, newest(world).status) == ("", Status.PENDING)


# ---- again and again -------------------------------------------------------------------------


def test_the_same_form_sent_twice_is_stored_once(either_world: World) -> None:
    world = either_world
    browser = visitor(world)
    for ending, given in (("/tool", TOOL), ("/platform", PLATFORM)):
        form = form_to(browser.look(), ending)
        address = world.address + form.action.partition("#")[0]
        first = requests.post(address, {**form.fields, **given}, timeout=120)
        count = rows(world)["lti_registration"]
        again = requests.post(address, {**form.fields, **given}, timeout=120)
        assert (again.status_code, urlsplit(again.url)) == (200, urlsplit(first.url))
        assert rows(world)["lti_registration"] == count


def test_a_client_id_serves_one_tool(world: World) -> None:
    browser = visitor(world)
    old = form_to(browser.look(), "/tool")
    browser.send("/tool", TOOL)
    first = newest(world)
    other = {**old.fields, **TOOL, "jwks_uri": f"{LMS}/other"}
    page = requests.post(f"{browser.link}/tool", other, timeout=120)
    assert page.status_code == 422
    assert "belongs to another tool" in page.text
    assert newest(world) == first
    page = requests.post(
        f"{browser.link}/tool",
        {**other, "number": form_to(page, "/tool").fields["number"]},
        timeout=120,
    )
    assert newest(world).client_id != first.client_id


def test_a_pending_platform_takes_new_values(world: World) -> None:
    browser = visitor(world)
    browser.send("/platform", PLATFORM)
    first = newest(world)
    browser.send("/platform", {**PLATFORM, "jwks_uri": f"{LMS}/moved"})
    changed = newest(world)
    assert (changed.id, changed.jwks_uri) == (first.id, f"{LMS}/moved")
    Operator(world).send(f"/{first.id}", "/approval")
    page = browser.send("/platform", PLATFORM)
    assert "connected already" in page.text
    assert newest(world).jwks_uri == f"{LMS}/moved"
    assert newest(world).active


def test_a_pending_connection_can_be_withdrawn(world: World) -> None:
    browser = visitor(world)
    browser.send("/platform", PLATFORM)
    registration = newest(world)
    page = browser.send("/withdrawal")
    assert page.url == browser.link
    assert newest(world).id != registration.id
    browser.send("/platform", PLATFORM)
    Operator(world).send(f"/{newest(world).id}", "/approval")
    number = {"connection": str(newest(world).id)}
    requests.post(f"{browser.link}/withdrawal", number, timeout=120)
    assert newest(world).active


def test_the_number_of_pending_connections_is_bounded(world: World) -> None:
    browser = visitor(world)
    for number in range(MOST_PENDING):
        browser.send("/platform", {**PLATFORM, "client_id": f"client-{number}"})
    page = browser.send("/platform", {**PLATFORM, "client_id": "one too many"})
    assert page.status_code == 422
    assert "Too many connections" in page.text
    with world.bridge.database.reading() as tx:
        assert len(registrations.all_registrations(tx, centre="TWO")) == MOST_PENDING
    again = browser.send("/platform", {**PLATFORM, "client_id": "client-0", "name": "Changed"})
    assert again.status_code == 200
    # Those that register themselves count, too, and an invitation is not used up in vain.
    invitation = invite_tool(world.lti, "TWO", private_addresses=True)
    body, token = recorded("/register")["body"], invitation.token
    refused = world.call("POST", endpoints.REGISTRATION, token, body)
    assert (refused.status_code, refused.json()["code"]) == (400, "connections-many")
    with world.bridge.database.writing() as tx:
        registrations.remove(tx, newest(world).id)
    assert world.call("POST", endpoints.REGISTRATION, token, body).status_code == 200


# ---- forms of elsewhere ----------------------------------------------------------------------

ELSEWHERE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "http://127.0.0.1:1"},
]


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_another_sites_form_is_refused(world: World, headers: dict[str, str]) -> None:
    browser = visitor(world)
    before = rows(world)
    for ending, given in (
        ("/tool", TOOL),
        ("/platform", PLATFORM),
        ("/address", {}),
        ("/registration", {"registration": LMS}),
    ):
        page = browser.send(ending, given, **headers)
        assert page.status_code == 403
        assert "This form was not sent by a page of the bridge." in page.text
    assert rows(world) == before


def test_older_browsers_are_served(world: World) -> None:
    """Those that say nothing of where a form comes from, or name their origin."""
    browser = visitor(world)
    for number, headers in enumerate(({}, {"Origin": "null"}, {"Origin": world.address})):
        given = {**PLATFORM, "client_id": f"client-{number}"}
        page = requests.post(f"{browser.link}/platform", given, headers=headers, timeout=120)
        assert page.status_code == 200


def test_the_log_knows_no_secret_and_no_name(world: World) -> None:
    browser = visitor(world)
    with capture_logs() as lines:
        browser.send("/tool", TOOL)
        browser.send("/address")
        page = browser.send("/registration", {"registration": f"{LMS}/register"})
        browser.send("/withdrawal")
    reported = str(lines)
    assert [line["event"] for line in lines] == [
        "connection sent in",
        "platform invited",
        "tool invited",
        "connection withdrawn",
    ]
    for secret in (browser.link.rpartition("/")[2], "Sample LMS", "registration_token"):
        assert secret not in reported
    assert goes_to(page).rpartition("=")[2] not in reported
