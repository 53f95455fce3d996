"""What operators see of connections, and decide."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from cryptography.fernet import Fernet
from structlog.testing import capture_logs

from lms_bridge.audit import Actor, Subject
from lms_bridge.bootstrap import assemble, open_bridge
from lms_bridge.cli import main
from lms_bridge.console.session import CommandSession
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Centre
from lms_bridge.lti import approval, deployments, registrations
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints, resources, storage
from lms_bridge.lti.platform.launch import start_deep_linking, start_launch
from lms_bridge.lti.registrations import LtiRegistration, PersonId, Privacy, Side, Status
from lms_bridge.secrets import Vault
from lms_bridge.server.app import create_app
from lms_bridge.settings import load
from lms_bridge.store import centres
from lms_bridge.store.database import Database
from lms_bridge.store.migrate import upgrade
from lms_bridge.web.csrf import TOKEN, token_of
from tests.integration.audited import acts
from tests.integration.lti_platform.test_ltijs import enter
from tests.integration.lti_platform.world import (
    BROWSER,
    VAULT_KEY,
    World,
    add_tool,
    code_of,
    form_of,
)
from tests.integration.web.visiting import (
    OWN_FORM,
    Operator,
    goes_to,
    newest,
    rows,
    values_on,
    visitor,
)
from tests.operators import COOKIE, own_field, signed_in
from tests.peers.node_tools import ltijs
from tests.words import english_words

HOSTILE = "<script>alert('x')</script>\" onfocus=\"alert(1)"
LMS = "https://lms.example.org"


def add(world: World, **changed: object) -> LtiRegistration:
    given: dict[str, object] = {
        "side": Side.PLATFORM,
        "name": "Sample platform",
        "centre": "TWO",
        "issuer": LMS,
        "client_id": "client-7",
        "authorization_endpoint": f"{LMS}/auth",
        "token_endpoint": f"{LMS}/token",
        "jwks_uri": f"{LMS}/jwks",
        "scopes": lti.SCOPES,
    }
    with world.bridge.database.writing() as tx:
        return registrations.add(tx, LtiRegistration(**{**given, **changed}))  # type: ignore[arg-type]  # by name


def now_of(world: World, registration: LtiRegistration) -> LtiRegistration | None:
    with world.bridge.database.reading() as tx:
        return registrations.find(tx, registration.id)


# ---- what is shown ---------------------------------------------------------------------------


def test_pending_connections_come_first(either_world: World) -> None:
    world = either_world
    first, second = add(world), add(world, client_id="client-8", centre="")
    page = Operator(world).look()
    assert re.findall(r'href="/connections/(\d+)"', page.text) == [
        str(registration.id) for registration in (first, second, world.registration)
    ]
    assert page.text.count("Waits for approval") == 2
    for requested in (f"{LMS}/auth", f"{LMS}/jwks", "lineitem", "contextmembership.readonly"):
        assert requested in page.text
    assert "Sample TWO" in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_a_long_list_has_pages(world: World) -> None:
    for number in range(60):
        add(world, client_id=f"c-{number}", status=Status.DISABLED)
    page = Operator(world).look()
    assert len(re.findall(r'href="/connections/\d+"', page.text)) == 50
    (rest,) = re.findall(r'rel="next" href="/connections([^"]+)"', page.text)
    assert len(re.findall(r'href="/connections/\d+"', Operator(world).look(rest).text)) == 11


def test_a_connection_is_shown_with_its_values(world: World) -> None:
    page = Operator(world).look(f"/{world.registration.id}")
    assert values_on(page, "value")["Client ID"] == world.registration.client_id
    for text in (
        *world.registration.redirect_uris,
        *world.registration.scopes,
        "offering = $Context.id",
    ):
        assert text in page.text
    platform = add(world)
    page = Operator(world).look(f"/{platform.id}")
    assert values_on(page, "value")["Tool URL"] == f"{world.address}/lti/tool/launch"
    assert "has told no deployment ID" in page.text


def test_an_empty_list_shows_that_no_system_is_connected(world: World) -> None:
    with world.bridge.database.writing() as tx:
        registrations.remove(tx, world.registration.id)
    assert "No learning system is connected yet" in Operator(world).look().text


@pytest.mark.parametrize("path", ["/99", "/99999999999999999999", "/x", "/offering?code=NONE"])
def test_an_unknown_connection_is_not_found(world: World, path: str) -> None:
    Operator(world).look(path, 404)


def test_foreign_texts_are_escaped(world: World) -> None:
    registration = add_tool(
        world.lti,
        world.tool,
        name=HOSTILE,
        status=Status.PENDING,
        custom={HOSTILE: HOSTILE},
        scopes=(HOSTILE,),
        target_link_uri=f"{LMS}/{HOSTILE}",
    )
    with world.bridge.database.writing() as tx:
        resources.add(
            tx, registration, world.ids["OFF-1"], title=HOSTILE, address=HOSTILE, now=utc_now()
        )
    for path in ("", f"/{registration.id}", "/offering?code=OFF-1"):
        page = Operator(world).look(path).text
        assert "<script>" not in page
        assert 'onfocus="' not in page
        assert "alert(&#39;x&#39;)" in page


@pytest.mark.parametrize("language", ["ar", "ru", "zh"])
def test_connections_are_shown_in_the_readers_language(world: World, language: str) -> None:
    tool, platform = world.registration, add(world)
    with world.bridge.database.writing() as tx:
        resources.add(tx, tool, world.ids["OFF-1"], title="Unit", now=utc_now())
    operator, administrator = Operator(world), visitor(world)
    paths = (f"/{tool.id}", f"/{platform.id}", "/refused", "/offering?code=OFF-1", "?after=x")
    pages = [operator.look(f"{each}{'&' if '?' in each else '?'}lang={language}") for each in paths]
    pages.append(requests.get(f"{administrator.link}?lang={language}", timeout=120))
    pages.append(
        requests.post(
            f"{administrator.link}/tool?lang={language}",
            data={"redirect_uris": "1" * 3000, "jwks_uri": "https://lms.example.org"},
            headers={"Origin": "null", **OWN_FORM},
            timeout=120,
        )
    )
    pages.append(requests.get(f"{administrator.link}gone?lang={language}", timeout=120))
    for page in pages:
        assert f'<html lang="{language}"' in page.text
        assert english_words(page.text, language) <= {"bridge", "lms_bridge", "Brightspace"}
    assert [page.status_code for page in pages[-3:]] == [200, 422, 404]


# ---- approval --------------------------------------------------------------------------------


def test_a_connection_is_approved_with_choices(either_world: World) -> None:
    world = either_world
    registration = add_tool(world.lti, world.tool, status=Status.PENDING, privacy=Privacy())
    ticks = {"name": None, "email": "on", "pseudonyms": "on", "opens_in": "window"}
    with capture_logs() as lines:
        page = Operator(world).send(f"/{registration.id}", "/approval", ticks)
    assert page.url == f"{world.address}/connections/{registration.id}"
    found = now_of(world, registration)
    assert found is not None
    assert found.active
    assert found.privacy == Privacy(name=False, email=True, pseudonyms=True)
    assert found.opens_in == "window"
    (line,) = [each for each in lines if each["event"] == "connection approved"]
    assert (line["connection"], line["personal_data"]) == (registration.id, ["email", "pseudonyms"])
    assert "Sample tool" not in str(lines)
    # The choices can be made anew
    Operator(world).send(f"/{registration.id}", "/approval", {"email": None, "opens_in": ""})
    found = now_of(world, registration)
    assert found is not None
    assert (found.privacy, found.opens_in) == (Privacy(name=False, pseudonyms=True), "")


def test_the_way_a_platform_names_learners_can_be_chosen(world: World) -> None:
    registration = add(world)
    Operator(world).send(f"/{registration.id}", "/approval", {"person_id": "sourced_id"})
    found = now_of(world, registration)
    assert found is not None
    assert (found.person_id, found.active) == (PersonId.SOURCED_ID, True)


def test_the_token_audience_of_a_platform_can_be_changed(world: World) -> None:
    registration = add(world, token_audience="https://old.example.org")
    operator, number = Operator(world), registration.id
    operator.send(f"/{number}", "/approval", {"token_audience": " https://api.example.org/token "})
    found = now_of(world, registration)
    assert found is not None
    assert found.token_audience == "https://api.example.org/token"
    assert "https://api.example.org/token" in operator.look(f"/{number}").text
    for wrong in ("x" * 2001, "a\u202eb"):
        assert (
            operator.send(f"/{number}", "/approval", {"token_audience": wrong}).status_code == 400
        )


def test_a_connection_that_changed_is_not_approved(world: World) -> None:
    requested = visitor(world)
    given = {
        "issuer": LMS,
        "client_id": "client-7",
        "authorization_endpoint": f"{LMS}/auth",
        "token_endpoint": f"{LMS}/token",
        "jwks_uri": f"{LMS}/jwks",
    }
    requested.send("/platform", given)
    registration = newest(world)
    shown = Operator(world).look(f"/{registration.id}")
    seen = re.search(r'name="seen" value="(\w+)"', shown.text)
    assert seen is not None
    requested.send("/platform", {**given, "jwks_uri": "https://elsewhere.example.org/jwks"})
    for fingerprint in (seen[1], "", "x"):
        answer = world.operator.post(
            f"{world.address}/connections/{registration.id}/approval",
            {"seen": fingerprint, **own_field(world.operator)},
            headers={"Origin": world.address},
            timeout=120,
        )
        assert (answer.status_code, code_of(answer)) == (409, "connection-changed")
    assert newest(world).status is Status.PENDING


def test_addresses_are_checked_again_on_approval(world: World) -> None:
    registration = add_tool(
        world.lti,
        world.tool,
        status=Status.PENDING,
        private_addresses=False,
        jwks_uri="https://169.254.169.254/",
    )
    answer = Operator(world).send(f"/{registration.id}", "/approval")
    assert (answer.status_code, code_of(answer)) == (400, "registration-address")
    assert newest(world).status is Status.PENDING


# ---- the end ---------------------------------------------------------------------------------


def test_a_rejected_pending_connection_is_deleted(either_world: World) -> None:
    world = either_world
    registration = add(world)
    page = Operator(world).send(f"/{registration.id}", "/rejection")
    assert page.url == f"{world.address}/connections"
    assert now_of(world, registration) is None
    again = world.operator.post(
        f"{world.address}/connections/{registration.id}/rejection",
        own_field(world.operator),
        headers={"Origin": world.address},
        timeout=120,
    )
    assert again.status_code == 404


def test_an_active_connection_is_disabled_and_enabled(world: World) -> None:
    login = world.start()
    Operator(world).send(f"/{world.registration.id}", "/rejection")
    refused = world.authenticate(world.auth_request(login))
    assert code_of(refused) == "auth-client-inactive"
    page = Operator(world).look(f"/{world.registration.id}")
    assert "Switched off" in page.text
    Operator(world).send(f"/{world.registration.id}", "/approval")
    assert world.launch()["sub"] == "acad-1"


def test_a_rejected_connection_in_use_is_disabled(either_world: World) -> None:
    """A platform or tool that registers again waits again, with all that belongs to it."""
    world = either_world
    registration = add_tool(world.lti, world.tool, status=Status.PENDING)
    with world.bridge.database.writing() as tx:
        resources.add(tx, registration, world.ids["OFF-1"], title="Unit", now=utc_now())
    Operator(world).send(f"/{registration.id}", "/rejection")
    found = now_of(world, registration)
    assert found is not None
    assert found.status is Status.DISABLED


# ---- deployments -----------------------------------------------------------------------------


def test_a_deployment_is_added(either_world: World) -> None:
    world = either_world
    registration = add(world)
    for given in ("5", " 5 ", "6:abc"):
        Operator(world).send(f"/{registration.id}", "/deployments", {"deployment_id": given})
    found = now_of(world, registration)
    assert found is not None
    assert found.deployment_ids == ("5", "6:abc")
    for wrong in ("", "  ", "x" * 256, "nul\x00", "line\nbreak"):
        answer = Operator(world).send(
            f"/{registration.id}", "/deployments", {"deployment_id": wrong}
        )
        assert (answer.status_code, code_of(answer)) == (400, "deployment-invalid")
    assert now_of(world, registration) == found


def test_a_deployment_is_taken_back(either_world: World) -> None:
    world = either_world
    registration = add(world, status=Status.ACTIVE)
    operator, path = Operator(world), f"/{registration.id}"
    for each in ("5", "6"):
        operator.send(path, "/deployments", {"deployment_id": each})
    address = f"{world.address}/connections{path}/deployments/removal"
    for each, status in (("5", 303), ("5", 404)):
        answer = world.operator.post(
            address,
            {"deployment_id": each, **own_field(world.operator)},
            headers={"Origin": world.address, **OWN_FORM},
            allow_redirects=False,
            timeout=120,
        )
        assert answer.status_code == status
    operator.send(path, "/deployments/removal")  # the last one: the page has a button for it
    found = now_of(world, registration)
    assert found is not None
    assert found.deployment_ids == ()
    removed = acts(world.bridge.database, Subject.CONNECTION, registration.id)[-1]
    assert removed.fields == {"deployment_ids": [["6"], None]}
    assert "has told no deployment ID" in operator.look(path).text


def test_the_only_deployment_of_a_tool_stays(world: World) -> None:
    registration = add_tool(world.lti, world.tool)
    (only,) = registration.deployment_ids
    with (
        world.bridge.database.writing() as tx,
        pytest.raises(LtiRefused, match="one deployment at least"),
    ):
        approval.remove_deployment(tx, registration, only, Actor("somebody", "page", utc_now()))
    assert "/deployments/removal" not in Operator(world).look(f"/{registration.id}").text


@pytest.mark.parametrize("number", ["x", "", "-1", "9" * 20])
def test_an_unreadable_connection_chooses_none(world: World, number: str) -> None:
    answer = world.operator.post(
        f"{world.address}/connections/choice",
        {"offering": "OFF-1", "connection": number, **own_field(world.operator)},
        headers={"Origin": world.address, **OWN_FORM},
        timeout=120,
    )
    assert answer.status_code == 404
    assert "There is no such connection." in answer.text


def test_no_deployment_waits_once_all_are_accepted(either_world: World) -> None:
    world = either_world
    registration = add(world, status=Status.ACTIVE)
    with world.bridge.database.writing() as tx:
        for each in ("5", "6"):
            deployments.count(tx, registration.id, each, utc_now())
    operator, path = Operator(world), f"/{registration.id}"
    assert "Deployments that are not accepted" in operator.look(path).text
    operator.send(path, "/approval", {"any_deployment": "on"})
    assert "Deployments that are not accepted" not in operator.look(path).text


@pytest.mark.parametrize("to", ["9" * 20, "abc", "-1", "", None])
def test_only_a_clear_choice_ends_a_connection(either_world: World, to: str | None) -> None:
    """A field that is missing or broken must not mean the choice that deletes."""
    world = either_world
    registration = add(world, status=Status.DISABLED)
    for sure in ({}, {"sure": "1"}):
        path = f"/{registration.id}"
        answer = Operator(world).send(path, "/replacement", {"to": to, **sure})
        assert answer.status_code == 404
        assert "There is no such connection." in answer.text
    assert now_of(world, registration) == registration


# ---- links for administrators ----------------------------------------------------------------


def test_a_link_for_an_administrator_is_made(world: World) -> None:
    page = Operator(world).send("", "/link", {"centre": "TWO"})
    link = re.search(r'<code id="link" dir="ltr">([^<]+)</code>', page.text)
    assert link is not None
    assert "Sample TWO" in requests.get(link[1], timeout=120).text
    assert Operator(world).send("", "/link", {"centre": "NONE"}).status_code == 404


def test_a_link_is_made_on_the_command_line(world: World) -> None:
    url = world.bridge.database.engine.url
    session = CommandSession(
        open_bridge,
        {
            "LMS_BRIDGE_STORE__ADDRESS": url.render_as_string(hide_password=False),
            "LMS_BRIDGE_SECRETS__KEY": VAULT_KEY,
            "LMS_BRIDGE_LTI__ADDRESS": world.address,
        },
    )
    done = CliRunner().invoke(main, ["lti", "connect-link", "TWO"], obj=session)
    assert done.exit_code == 0
    link = next(line for line in done.output.splitlines() if line.startswith("http"))
    assert "Sample TWO" in requests.get(link, timeout=120).text
    for centre, status in (("ONE", 200), ("", 200), ("TWO", 404)):
        done = CliRunner().invoke(main, ["lti", "connect-link", centre, "--end"], obj=session)
        assert "ended" in done.output
        assert requests.get(link, timeout=120).status_code == status
    done = CliRunner().invoke(main, ["lti", "connect-link", "NONE"], obj=session)
    assert done.exit_code == 2
    assert "http" not in done.output


# ---- resources -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    """ltijs, a tool that nobody here wrote."""
    with ltijs() as address:
        yield address


def test_a_tool_registers_is_approved_and_used_by_pages_alone(world: World, peer: str) -> None:
    """The whole way of a centre whose LMS registers itself, by pages alone."""
    requested, operator = visitor(world), Operator(world)
    way = goes_to(requested.send("/registration", {"registration": f"{peer}/register"}))
    assert requests.get(way, timeout=120).status_code == 200
    registration = newest(world)
    assert (registration.centre, registration.status) == ("TWO", Status.PENDING)
    assert "waits for approval since" in requested.look().text
    operator.send(f"/{registration.id}", "/approval", {"email": "on"})
    assert "None is attached yet" in operator.look("/offering?code=OFF-3").text
    answer = enter(world, start_launch(world.lti, "acad-1", "OFF-3", browser=BROWSER))
    assert answer.json()["userInfo"]["email"] == "l1@example.org"

    link = goes_to(operator.send("/offering?code=OFF-3", "/choice"))
    moved = requests.post(link, timeout=120, allow_redirects=False)
    assert moved.headers["Location"].startswith(peer)
    login = start_deep_linking(world.lti, "OFF-3", person="operator", browser=BROWSER)
    form = form_of(enter(world, login).text)
    assert requests.post(form.pop("action"), data=form, timeout=120).status_code == 200
    for path in ("/offering?code=OFF-3", f"/{registration.id}"):
        assert "Unit 1 &amp; more" in operator.look(path).text


def test_an_offering_lists_the_tools_to_choose_from(world: World) -> None:
    operator = Operator(world)
    add_tool(world.lti, world.tool, name="Nothing to choose", deep_link_uri="")
    add_tool(world.lti, world.tool, name="Waiting", status=Status.PENDING)
    page = operator.look("/offering?code=OFF-1")
    assert page.text.count("Choose at") == 1
    assert "Nothing to choose" in page.text
    assert "Waiting" not in page.text
    link = goes_to(operator.send("/offering?code=OFF-1", "/choice"))
    assert link.startswith(world.address + endpoints.LAUNCH)
    moved = requests.post(link, timeout=120, allow_redirects=False)
    assert moved.headers["Location"].startswith(world.registration.initiate_login_uri)
    assert "No active connection" in operator.look("/offering?code=OFF-3").text
    for given in ({"offering": "OFF-3"}, {"offering": "NONE"}, {}, {"connection": "9" * 30}):
        answer = world.operator.post(
            f"{world.address}/connections/choice",
            own_field(world.operator) | ({"offering": "OFF-1", **given} if given else {}),
            headers={"Origin": world.address},
            timeout=120,
        )
        assert answer.status_code == 404, given


def test_new_offerings_can_be_chosen_only_at_an_lti_centre(world: World) -> None:
    operator = Operator(world)
    path = f"/{world.registration.id}"
    assert "Choose new offerings" not in operator.look(path).text
    with world.bridge.database.writing() as tx:
        centre = centres.find(tx, "ONE")
        assert centre is not None
        centres.change(tx, replace(centre, connector="lti"))
    link = goes_to(operator.send(path, "/choice"))
    moved = requests.post(link, timeout=120, allow_redirects=False)
    assert moved.headers["Location"].startswith(world.registration.initiate_login_uri)


def test_a_connection_links_to_the_offerings_of_its_resources(world: World) -> None:
    with world.bridge.database.writing() as tx:
        for code in ("OFF-1", "OFF-2"):
            resources.add(
                tx, world.registration, world.ids[code], title=f"Unit of {code}", now=utc_now()
            )
        assert storage.resources(tx, registration_id=world.registration.id)
    page = Operator(world).look(f"/{world.registration.id}")
    assert "Unit of OFF-2" in page.text
    assert 'href="/connections/offering?code=OFF-2"' in page.text
    assert "Unit of OFF-2" not in Operator(world).look("/offering?code=OFF-1").text


# ---- who may act -----------------------------------------------------------------------------

ACTIONS = (
    "/link",
    "/choice",
    "/1/approval",
    "/1/rejection",
    "/1/deployments",
    "/1/deployments/removal",
)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost"},
        {"Origin": "{}", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "{}", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_form_is_refused(world: World, headers: dict[str, str]) -> None:
    before = rows(world)
    sent = {name: text.format(world.address) for name, text in headers.items()}
    for path in ACTIONS:
        answer = world.operator.post(
            f"{world.address}/connections{path}", headers=sent, timeout=120
        )
        assert answer.status_code == 403
        assert "This form was not sent by a page of the bridge." in answer.text
    assert rows(world) == before
    assert now_of(world, world.registration) == world.registration


@pytest.mark.parametrize("path", ["", "/1", "/offering?code=OFF-1"])
def test_pages_are_closed_to_strangers(world: World, path: str) -> None:
    answer = requests.get(f"{world.address}/connections{path}", timeout=120)
    assert answer.status_code == 401
    assert "lms-bridge operator link" in answer.text


@pytest.mark.parametrize("path", ACTIONS)
def test_actions_are_closed_to_strangers(world: World, path: str) -> None:
    before = rows(world)
    answer = requests.post(
        f"{world.address}/connections{path}",
        headers={"Origin": world.address, **OWN_FORM},
        timeout=120,
    )
    assert answer.status_code == 401
    assert rows(world) == before


def test_a_form_under_a_foreign_name_is_refused_even_with_a_session(tmp_path: Path) -> None:
    """A page of the web can lead a browser here under a name of its own (DNS rebinding), and is
    then of the same origin for it."""
    address = f"sqlite:///{tmp_path}/bridge.sqlite3"
    settings = load(
        {
            "LMS_BRIDGE_STORE__ADDRESS": address,
            "LMS_BRIDGE_LTI__ADDRESS": "https://bridge.example.org/",
        }
    )
    database = Database(address)
    upgrade(database)
    with database.writing() as tx:
        centres.add(tx, Centre("ONE", "Sample ONE", "africa", "files", sample=True), b"")
    vault = Vault(Fernet.generate_key().decode())
    bridge = assemble(settings, database, vault)
    client = create_app(bridge).test_client(use_cookies=False)
    secret = signed_in(database)[COOKIE]
    cookie = f"__Host-{COOKIE}={secret}"
    for host, origin, status in (
        ("evil.example", "http://evil.example", 403),
        ("bridge.example.org", "http://bridge.example.org", 403),  # its address is https
        ("bridge.example.org", "https://bridge.example.org", 200),
        ("inside:8000", "https://bridge.example.org", 200),  # a proxy with a name of its own
        ("127.0.0.1:8000", "http://127.0.0.1:8000", 200),
        ("127.0.0.1:8000", "http://127.0.0.1:8001", 403),
    ):
        answer = client.post(
            "/connections/link",
            data={"centre": "ONE", TOKEN: token_of(secret)},
            headers={"Host": host, "Origin": origin, "Cookie": cookie},
        )
        assert answer.status_code == status, (host, origin)
    bridge.close()


def test_every_code_is_explained() -> None:
    root = Path(__file__).resolve().parents[3]
    room = root / "lms_bridge" / "lti"
    names = ("approval", "connect_links", "registrations")
    sources = [room / f"{name}.py" for name in names] + [*(room / "pages").glob("*.py")]
    found = [re.findall(r'LtiRefused\(\s*"([a-z-]+)"', each.read_text()) for each in sources]
    codes = {code for each in found for code in each}
    assert len(codes) >= 7
    explained = (root / "docs/lti.md").read_text(encoding="utf-8")
    assert {code for code in codes if f"`{code}`" not in explained} == set()
