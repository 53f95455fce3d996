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

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli import main
from lms_bridge.cli.session import Session
from lms_bridge.domain.model import Centre
from lms_bridge.lti import parties
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.parties import Party, PersonId, Privacy, Side, Status
from lms_bridge.lti.platform import endpoints, resources
from lms_bridge.lti.platform.launching import start_deep_linking, start_launch
from lms_bridge.secrets import Vault
from lms_bridge.settings import load
from lms_bridge.store import centres, lti_services
from lms_bridge.store.database import Database
from lms_bridge.store.migrate import upgrade
from lms_bridge.sync.heartbeat import Heartbeat
from lms_bridge.sync.work import utc_now
from lms_bridge.web import create_app
from tests.integration.lti_platform import ltijs
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

HOSTILE = "<script>alert('x')</script>\" onfocus=\"alert(1)"
LMS = "https://lms.example.org"


def add(world: World, **changed: object) -> Party:
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
        return parties.add(tx, Party(**{**given, **changed}))  # type: ignore[arg-type]  # by name


def now_of(world: World, party: Party) -> Party | None:
    with world.bridge.database.reading() as tx:
        return parties.find(tx, party.id)


# ---- what is shown ---------------------------------------------------------------------------


def test_those_that_wait_come_first(either_world: World) -> None:
    world = either_world
    first, second = add(world), add(world, client_id="client-8", centre="")
    page = Operator(world).look()
    assert re.findall(r'href="/connections/(\d+)"', page.text) == [
        str(party.id) for party in (first, second, world.party)
    ]
    assert page.text.count("Waits for approval") == 2
    for asked in (f"{LMS}/auth", f"{LMS}/jwks", "lineitem", "contextmembership.readonly"):
        assert asked in page.text
    assert "Sample TWO" in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_a_long_list_has_pages(world: World) -> None:
    for number in range(60):
        add(world, client_id=f"c-{number}", status=Status.DISABLED)
    page = Operator(world).look()
    assert len(re.findall(r'href="/connections/\d+"', page.text)) == 50
    assert len(re.findall(r'href="/connections/\d+"', Operator(world).look("?page=2").text)) == 11


def test_one_connection(world: World) -> None:
    page = Operator(world).look(f"/{world.party.id}")
    assert values_on(page, "value")["Client ID"] == world.party.client_id
    for text in (*world.party.redirect_uris, *world.party.scopes, "offering = $Context.id"):
        assert text in page.text
    platform = add(world)
    page = Operator(world).look(f"/{platform.id}")
    assert values_on(page, "value")["Tool URL"] == f"{world.address}/lti/tool/launch"
    assert "has told no deployment ID" in page.text


def test_no_connection_yet(world: World) -> None:
    with world.bridge.database.writing() as tx:
        parties.remove(tx, world.party.id)
    assert "No learning system is connected yet" in Operator(world).look().text


@pytest.mark.parametrize("path", ["/99", "/99999999999999999999", "/x", "/offering?code=NONE"])
def test_what_there_is_not(world: World, path: str) -> None:
    Operator(world).look(path, 404)


def test_texts_of_others_are_never_markup(world: World) -> None:
    party = add_tool(
        world.room,
        world.tool,
        name=HOSTILE,
        status=Status.PENDING,
        custom={HOSTILE: HOSTILE},
        scopes=(HOSTILE,),
        target_link_uri=f"{LMS}/{HOSTILE}",
    )
    with world.bridge.database.writing() as tx:
        resources.add(tx, party, world.ids["OFF-1"], title=HOSTILE, address=HOSTILE, now=utc_now())
    for path in ("", f"/{party.id}", "/offering?code=OFF-1"):
        page = Operator(world).look(path).text
        assert "<script>" not in page
        assert 'onfocus="' not in page
        assert "alert(&#39;x&#39;)" in page


# ---- approval --------------------------------------------------------------------------------


def test_approval_with_choices(either_world: World) -> None:
    world = either_world
    party = add_tool(world.room, world.tool, status=Status.PENDING, privacy=Privacy())
    ticks = {"name": None, "email": "on", "pseudonyms": "on", "opens_in": "window"}
    with capture_logs() as lines:
        page = Operator(world).send(f"/{party.id}", "/approval", ticks)
    assert page.url == f"{world.address}/connections/{party.id}"
    found = now_of(world, party)
    assert found is not None
    assert found.active
    assert found.privacy == Privacy(name=False, email=True, pseudonyms=True)
    assert found.opens_in == "window"
    (line,) = [each for each in lines if each["event"] == "connection approved"]
    assert (line["connection"], line["personal_data"]) == (party.id, ["email", "pseudonyms"])
    assert "Sample tool" not in str(lines)
    # The choices can be made anew
    Operator(world).send(f"/{party.id}", "/approval", {"email": None, "opens_in": ""})
    found = now_of(world, party)
    assert found is not None
    assert (found.privacy, found.opens_in) == (Privacy(name=False, pseudonyms=True), "")


def test_how_a_platform_names_learners(world: World) -> None:
    party = add(world)
    Operator(world).send(f"/{party.id}", "/approval", {"person_id": "sourced_id"})
    found = now_of(world, party)
    assert found is not None
    assert (found.person_id, found.active) == (PersonId.SOURCED_ID, True)


def test_only_what_was_seen_is_approved(world: World) -> None:
    asked = visitor(world)
    given = {
        "issuer": LMS,
        "client_id": "client-7",
        "authorization_endpoint": f"{LMS}/auth",
        "token_endpoint": f"{LMS}/token",
        "jwks_uri": f"{LMS}/jwks",
    }
    asked.send("/platform", given)
    party = newest(world)
    shown = Operator(world).look(f"/{party.id}")
    seen = re.search(r'name="seen" value="(\w+)"', shown.text)
    assert seen is not None
    asked.send("/platform", {**given, "jwks_uri": "https://elsewhere.example.org/jwks"})
    for fingerprint in (seen[1], "", "x"):
        answer = requests.post(
            f"{world.address}/connections/{party.id}/approval",
            {"seen": fingerprint},
            headers={"Origin": world.address},
            timeout=10,
        )
        assert (answer.status_code, code_of(answer)) == (409, "connection-changed")
    assert newest(world).status is Status.PENDING


def test_addresses_are_checked_again(world: World) -> None:
    party = add_tool(
        world.room,
        world.tool,
        status=Status.PENDING,
        private_addresses=False,
        jwks_uri="https://169.254.169.254/",
    )
    answer = Operator(world).send(f"/{party.id}", "/approval")
    assert (answer.status_code, code_of(answer)) == (400, "registration-address")
    assert newest(world).status is Status.PENDING


# ---- the end ---------------------------------------------------------------------------------


def test_one_that_waits_is_forgotten(either_world: World) -> None:
    world = either_world
    party = add(world)
    page = Operator(world).send(f"/{party.id}", "/rejection")
    assert page.url == f"{world.address}/connections"
    assert now_of(world, party) is None
    again = requests.post(
        f"{world.address}/connections/{party.id}/rejection",
        headers={"Origin": world.address},
        timeout=10,
    )
    assert again.status_code == 404


def test_one_that_is_used_is_switched_off_and_on(world: World) -> None:
    login = world.start()
    Operator(world).send(f"/{world.party.id}", "/rejection")
    refused = world.authenticate(world.auth_request(login))
    assert code_of(refused) == "auth-client-inactive"
    page = Operator(world).look(f"/{world.party.id}")
    assert "Switched off" in page.text
    Operator(world).send(f"/{world.party.id}", "/approval")
    assert world.launch()["sub"] == "acad-1"


def test_one_that_others_stand_on_is_not_forgotten(either_world: World) -> None:
    """A platform or tool that registers again waits again, with all that belongs to it."""
    world = either_world
    party = add_tool(world.room, world.tool, status=Status.PENDING)
    with world.bridge.database.writing() as tx:
        resources.add(tx, party, world.ids["OFF-1"], title="Unit", now=utc_now())
    Operator(world).send(f"/{party.id}", "/rejection")
    found = now_of(world, party)
    assert found is not None
    assert found.status is Status.DISABLED


# ---- deployments -----------------------------------------------------------------------------


def test_a_deployment_is_added(either_world: World) -> None:
    world = either_world
    party = add(world)
    for given in ("5", " 5 ", "6:abc"):
        Operator(world).send(f"/{party.id}", "/deployments", {"deployment_id": given})
    found = now_of(world, party)
    assert found is not None
    assert found.deployment_ids == ("5", "6:abc")
    for wrong in ("", "  ", "x" * 256, "nul\x00", "line\nbreak"):
        answer = Operator(world).send(f"/{party.id}", "/deployments", {"deployment_id": wrong})
        assert (answer.status_code, code_of(answer)) == (400, "deployment-invalid")
    assert now_of(world, party) == found


# ---- links for administrators ----------------------------------------------------------------


def test_a_link_for_an_administrator(world: World) -> None:
    page = Operator(world).send("", "/link", {"centre": "TWO"})
    link = re.search(r'<code id="link" dir="ltr">([^<]+)</code>', page.text)
    assert link is not None
    assert "Sample TWO" in requests.get(link[1], timeout=10).text
    assert Operator(world).send("", "/link", {"centre": "NONE"}).status_code == 404


def test_a_link_from_the_command_line(world: World) -> None:
    url = world.bridge.database.engine.url
    session = Session(
        {
            "LMS_BRIDGE_STORE__ADDRESS": url.render_as_string(hide_password=False),
            "LMS_BRIDGE_SECRETS__KEY": VAULT_KEY,
            "LMS_BRIDGE_LTI__ADDRESS": world.address,
        }
    )
    done = CliRunner().invoke(main, ["lti", "connect-link", "TWO"], obj=session)
    assert done.exit_code == 0
    link = next(line for line in done.output.splitlines() if line.startswith("http"))
    assert "Sample TWO" in requests.get(link, timeout=10).text
    done = CliRunner().invoke(main, ["lti", "connect-link", "NONE"], obj=session)
    assert done.exit_code == 2
    assert "http" not in done.output


# ---- resources -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    """ltijs, a tool that nobody here wrote."""
    with ltijs.running() as address:
        yield address


def test_from_the_address_to_the_chosen_resource(world: World, peer: str) -> None:
    """The whole way of a centre whose LMS registers itself, by pages alone."""
    asked, operator = visitor(world), Operator(world)
    way = goes_to(asked.send("/registration", {"registration": f"{peer}/register"}))
    assert requests.get(way, timeout=20).status_code == 200
    party = newest(world)
    assert (party.centre, party.status) == ("TWO", Status.PENDING)
    assert "Waits for approval since" in asked.look().text
    operator.send(f"/{party.id}", "/approval", {"email": "on"})
    assert "None is attached yet" in operator.look("/offering?code=OFF-3").text
    answer = enter(world, start_launch(world.room, "acad-1", "OFF-3", browser=BROWSER))
    assert answer.json()["userInfo"]["email"] == "l1@example.org"

    link = goes_to(operator.send("/offering?code=OFF-3", "/choice"))
    moved = requests.post(link, timeout=10, allow_redirects=False)
    assert moved.headers["Location"].startswith(peer)
    login = start_deep_linking(world.room, "OFF-3", person="operator", browser=BROWSER)
    form = form_of(enter(world, login).text)
    assert requests.post(form.pop("action"), data=form, timeout=20).status_code == 200
    for path in ("/offering?code=OFF-3", f"/{party.id}"):
        assert "Unit 1 &amp; more" in operator.look(path).text


def test_where_resources_can_be_chosen(world: World) -> None:
    operator = Operator(world)
    add_tool(world.room, world.tool, name="Nothing to choose", deep_link_uri="")
    add_tool(world.room, world.tool, name="Waiting", status=Status.PENDING)
    page = operator.look("/offering?code=OFF-1")
    assert page.text.count("Choose at") == 1
    assert "Nothing to choose" in page.text
    assert "Waiting" not in page.text
    link = goes_to(operator.send("/offering?code=OFF-1", "/choice"))
    assert link.startswith(world.address + endpoints.LAUNCH)
    moved = requests.post(link, timeout=10, allow_redirects=False)
    assert moved.headers["Location"].startswith(world.party.initiate_login_uri)
    assert "No active connection" in operator.look("/offering?code=OFF-3").text
    for given in ({"offering": "OFF-3"}, {"offering": "NONE"}, {}, {"connection": "9" * 30}):
        answer = requests.post(
            f"{world.address}/connections/choice",
            {"offering": "OFF-1", **given} if given else {},
            headers={"Origin": world.address},
            timeout=10,
        )
        assert answer.status_code == 404, given


def test_new_offerings_of_a_centre_that_speaks_only_lti(world: World) -> None:
    operator = Operator(world)
    path = f"/{world.party.id}"
    assert "Choose new offerings" not in operator.look(path).text
    with world.bridge.database.writing() as tx:
        centre = centres.find(tx, "ONE")
        assert centre is not None
        centres.change(tx, replace(centre, connector="lti"))
    link = goes_to(operator.send(path, "/choice"))
    moved = requests.post(link, timeout=10, allow_redirects=False)
    assert moved.headers["Location"].startswith(world.party.initiate_login_uri)


def test_resources_lead_to_their_offerings(world: World) -> None:
    with world.bridge.database.writing() as tx:
        for code in ("OFF-1", "OFF-2"):
            resources.add(tx, world.party, world.ids[code], title=f"Unit of {code}", now=utc_now())
        assert lti_services.resources(tx, party_id=world.party.id)
    page = Operator(world).look(f"/{world.party.id}")
    assert "Unit of OFF-2" in page.text
    assert 'href="/connections/offering?code=OFF-2"' in page.text
    assert "Unit of OFF-2" not in Operator(world).look("/offering?code=OFF-1").text


# ---- who may act -----------------------------------------------------------------------------

ACTIONS = ("/link", "/choice", "/1/approval", "/1/rejection", "/1/deployments")


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
        answer = requests.post(f"{world.address}/connections{path}", headers=sent, timeout=10)
        assert (answer.status_code, code_of(answer)) == (403, "form-elsewhere")
    assert rows(world) == before
    assert now_of(world, world.party) == world.party


@pytest.mark.parametrize("path", ["", "/1", "/offering?code=OFF-1"])
def test_pages_are_closed_to_other_machines(world: World, path: str) -> None:
    address = f"{world.address}/connections{path}"
    answer = requests.get(address, headers={"X-Forwarded-For": "203.0.113.9"}, timeout=10)
    assert answer.status_code == 403
    assert "web.open_operations" in answer.text


@pytest.mark.parametrize("path", ACTIONS)
def test_actions_are_closed_to_other_machines(world: World, path: str) -> None:
    before = rows(world)
    answer = requests.post(
        f"{world.address}/connections{path}",
        headers={"Origin": world.address, **OWN_FORM, "X-Forwarded-For": "203.0.113.9"},
        timeout=10,
    )
    assert answer.status_code == 403
    assert "web.open_operations" in answer.text
    assert rows(world) == before


def test_a_foreign_name_does_not_act_even_where_operations_are_open(tmp_path: Path) -> None:
    """A page of the web can lead a browser here under a name of its own (DNS rebinding), and is
    then of the same origin for it."""
    address = f"sqlite:///{tmp_path}/bridge.sqlite3"
    settings = load(
        {
            "LMS_BRIDGE_STORE__ADDRESS": address,
            "LMS_BRIDGE_WEB__OPEN_OPERATIONS": "true",
            "LMS_BRIDGE_LTI__ADDRESS": "https://bridge.example.org/",
        }
    )
    database = Database(address)
    upgrade(database)
    with database.writing() as tx:
        centres.add(tx, Centre("ONE", "Sample ONE", "africa", "files", sample=True), b"")
    vault = Vault(Fernet.generate_key().decode())
    bridge = Bridge(settings, database, vault, Heartbeat(database))
    client = create_app(bridge).test_client()
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
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
            data={"centre": "ONE"},
            headers={"Host": host, "Origin": origin},
            environ_overrides=elsewhere,
        )
        assert answer.status_code == status, (host, origin)
    bridge.close()


def test_every_code_is_explained() -> None:
    root = Path(__file__).resolve().parents[3]
    names = ("connecting", "deciding", "waiting")
    sources = [root / f"lms_bridge/lti/{name}.py" for name in names]
    sources += (root / "lms_bridge/web/connections").glob("*.py")
    found = [re.findall(r'LtiRefused\(\s*"([a-z-]+)"', each.read_text()) for each in sources]
    codes = {code for each in found for code in each}
    assert len(codes) >= 7
    explained = (root / "docs/lti.md").read_text(encoding="utf-8")
    assert {code for code in codes if f"`{code}`" not in explained} == set()
