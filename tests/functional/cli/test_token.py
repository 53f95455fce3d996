"""Tokens from the command line."""

from __future__ import annotations

import json

from tests.functional.cli.conftest import Cli


def test_a_token_is_created_listed_and_revoked(alpha: Cli) -> None:
    made = alpha(
        *("token", "create", "Sample schedule", "--centre", "ALPHA", "--days", "30"),
        *("--scope", "offerings:read", "--scope", "offerings:write"),
    ).stdout
    text = made.splitlines()[0]
    assert text.startswith("lmsb_")
    assert "only now" in made
    (reported,) = json.loads(alpha("token", "list", "--json").stdout)
    assert (reported["centre"], reported["status"]) == ("ALPHA", "active")
    assert reported["scopes"] == ["offerings:read", "offerings:write"]
    assert text[18:] not in alpha("token", "list").stdout
    alpha("token", "revoke", reported["token"])
    assert "revoked" in alpha("token", "list").stdout

    ended, begun = alpha.json("run", "list")
    assert (begun["centre"], begun["flows"], begun["trigger"]) == ("ALPHA", "tokens", "command")
    assert begun["asked_by"] == ended["asked_by"] == reported["created_by"]
    listed = alpha("run", "list").stdout
    assert "tokens: 1 made" in listed
    assert "tokens: 1 revoked" in listed
    shown = alpha("run", "show", str(begun["number"])).stdout
    assert f"token {reported['token']}: make, done" in shown
    assert "scopes: offerings:read; offerings:write" in shown
    assert text[18:] not in shown + "".join(alpha.dump())


def test_a_token_with_a_wrong_centre_region_scope_or_limit_is_refused(alpha: Cli) -> None:
    for wrong in (
        ("--centre", "NONE", "--scope", "offerings:read"),
        ("--region", "atlantis", "--scope", "offerings:read"),
        ("--centre", "ALPHA", "--scope", "offerings:review"),
        ("--scope", "everything"),
        ("--scope", "offerings:read", "--days", "3000000"),
        ("--scope", "offerings:read", "--per-minute", "9999999999"),
        (),
    ):
        alpha("token", "create", "Sample", *wrong, code=2)
    alpha("token", "revoke", "nobodys", code=2)
    assert "no token yet" in alpha("token", "list").stdout
