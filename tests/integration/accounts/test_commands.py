"""`lms-bridge account`, as an operator uses it."""

from __future__ import annotations

import json

import requests

from tests.integration.accounts.test_mail import post_office
from tests.integration.lti_platform.test_commands import Cli
from tests.integration.lti_platform.world import World
from tests.integration.web.conftest import world  # noqa: F401 (the fixture)


def test_an_account_is_made_and_ended_on_the_command_line(
    world: World,  # noqa: F811 (the fixture of this name)
) -> None:
    cli = Cli(world)
    assert "no account yet" in cli("account", "list")
    printed = cli("account", "add", "amina@example.org", "--name", "Sample Amina")
    assert "Account 1 is added" in printed
    assert "already" in cli("account", "add", "Amina@example.org", code=2)
    assert "reviewer of everything" in cli("account", "grant", "amina@example.org", "reviewer")
    assert "for one centre" in cli("account", "grant", "1", "coordinator", code=2)
    assert "no such centre" in cli("account", "grant", "1", "coordinator", "--centre", "X", code=2)
    assert "Sample Amina" in cli("account", "list")
    shown = json.loads(cli("account", "show", "1", "--json"))
    assert shown["email"] == "amina@example.org"
    assert shown["roles"] == [{"role": "reviewer", "centre": "", "region": ""}]
    assert json.loads(cli("account", "list", "--json")) == [shown]
    assert "no such account" in cli("account", "show", "nobody@example.org", code=2)
    link = next(line for line in cli("account", "link", "1").splitlines() if "/sign-in/" in line)
    browser = requests.Session()
    browser.post(link, headers={"Origin": world.address}, timeout=120)
    assert browser.get(f"{world.address}/account", timeout=120).status_code == 200
    assert "no longer" in cli("account", "revoke", "1", "reviewer")
    assert "The account has no role" in cli("account", "revoke", "1", "reviewer", code=2)
    cli("account", "disable", "1")
    assert browser.get(f"{world.address}/account", timeout=120).status_code == 401
    assert "disabled" in cli("account", "link", "1", code=2)
    cli("account", "enable", "1")
    assert "no password and no second factor" in cli("account", "reset", "1")
    assert "accounts" in cli("run", "list")


def test_the_mail_server_is_asked_on_the_command_line(
    world: World,  # noqa: F811 (the fixture of this name)
) -> None:
    cli = Cli(world)
    assert "no mail server" in cli("account", "mail", code=2)
    with post_office() as (box, port):
        given = {"HOST": "127.0.0.1", "PORT": port, "SECURITY": "none", "SENDER": "a@b.example"}
        cli.environment |= {f"LMS_BRIDGE_MAIL__{name}": text for name, text in given.items()}
        assert "takes messages" in cli("account", "mail")
        assert box.empty
    assert "cannot be used" in cli("account", "mail", code=1)
