"""Adding, changing and showing centres."""

from __future__ import annotations

import pytest

from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from tests.functional.cli.conftest import Cli, codes_of, registrations

_ADD = ("centre", "add", "ALPHA", "--name", "Alpha", "--region", "africa")


def test_an_added_centre_is_shown_without_its_token(alpha: Cli, address: str) -> None:
    shown = alpha.json("centre", "show", "ALPHA")
    assert shown["address"] == address
    assert shown["options"] == {"publish_field": "itu_publish"}
    assert shown["time_zone"] == "Africa/Nairobi"
    assert shown["token"] == "set"
    assert [each["code"] for each in alpha.json("centre", "list")] == ["ALPHA"]
    assert "ALPHA" in alpha("centre", "list").stdout
    assert SERVICE_TOKEN not in alpha.everything_said()
    assert not any(SERVICE_TOKEN in line for line in alpha.dump())


@pytest.mark.parametrize("typed", [f"{SERVICE_TOKEN}\n"])
def test_the_token_is_typed_without_an_echo(cli: Cli, address: str, typed: str) -> None:
    result = cli(*_ADD, "--address", address, typed=typed)
    assert "Token (not shown" in result.output
    assert SERVICE_TOKEN not in result.output
    cli("centre", "check", "ALPHA")


def test_the_token_may_come_from_standard_input(cli: Cli, address: str) -> None:
    cli(*_ADD, "--address", address, "--token-stdin", typed=f"{SERVICE_TOKEN}\n")
    cli("centre", "check", "ALPHA")


def test_a_missing_token_variable_is_named(cli: Cli, address: str) -> None:
    result = cli(*_ADD, "--address", address, "--token-env", "NO_SUCH", code=2)
    assert "NO_SUCH" in result.stderr
    assert cli.json("centre", "list") == []


def test_a_centre_without_a_token_is_not_added_outside_a_terminal(cli: Cli, address: str) -> None:
    result = cli(*_ADD, "--address", address, typed="", code=2)
    assert "--token-env" in result.stderr
    assert cli.json("centre", "list") == []


def test_no_option_takes_a_secret(cli: Cli) -> None:
    for command in ("add", "change"):
        assert "--token " not in cli("centre", command, "--help").stdout


def test_all_problems_are_reported_at_once(cli: Cli) -> None:
    result = cli(
        *("centre", "add", "AL PHA", "--name", "", "--region", "atlantis", "--country", "kenya"),
        *("--language", "Deutsch", "--time-zone", "Mars/Phobos", "--membership", "1999-2000"),
        *("--address", "ftp://alpha.example", "-o", "page=many", "-o", "nonsense=1"),
        *("--policy", "removal=shred", "--policy", "mood=good", "--token-env", "MOODLE_TOKEN"),
        code=2,
    )
    for expected in (
        "code:",
        "name:",
        "region: is not one of: africa",
        "country:",
        "language Deutsch",
        'time zone: is "Mars/Phobos", which is not a time zone',
        "membership 1999-2000: is no cycle",
        "address:",
        "option page: is not a number",
        "option nonsense: there is none",
        "policy.removal",
        "policy mood: there is none",
    ):
        assert expected in result.stderr
    assert "Problems in the settings: 12" in result.stderr
    assert cli.json("centre", "list") == []


def test_an_unknown_connector_lists_the_known_ones(cli: Cli) -> None:
    result = cli(*_ADD, "--connector", "moodel", "--token-env", "MOODLE_TOKEN", code=2)
    assert "moodle" in result.stderr
    academy = cli(*_ADD, "--connector", "embedded", "--token-env", "MOODLE_TOKEN", code=2)
    assert '"embedded" does not exist for a centre' in academy.stderr


def test_a_code_in_another_case_is_taken_already(alpha: Cli, address: str) -> None:
    add = ("centre", "add", "alpha", "--name", "A", "--region", "africa", "--address", address)
    result = alpha(*add, "--token-env", "MOODLE_TOKEN", code=2)
    assert "centre change" in result.stderr


def test_an_unknown_priority_area_is_a_warning(cli: Cli, address: str) -> None:
    result = cli(
        *_ADD,
        *("--address", address, "--token-env", "MOODLE_TOKEN"),
        *("--membership", "2015-2018=Cybersecurity;Basket weaving;E-waste"),
        *("--membership", "2023-=Cybersecurity"),
    )
    assert "not among the areas of 2015-2018: Basket weaving" in result.stderr
    assert "at most 2 priority areas in the cycle 2015-2018" in result.stderr
    shown = cli.json("centre", "show", "ALPHA")
    assert [each["cycle"] for each in shown["memberships"]] == ["2015-2018", "2023-"]


def test_options_are_kept_in_their_kinds(alpha: Cli) -> None:
    options = ("categories=2,3", "subcategories=yes", "page=50", "fields.level=my_level")
    alpha("centre", "change", "ALPHA", *(part for each in options for part in ("-o", each)))
    shown = alpha.json("centre", "show", "ALPHA")["options"]
    assert shown == {
        "publish_field": "itu_publish",
        "categories": [2, 3],
        "subcategories": True,
        "page": 50,
        "fields": {"level": "my_level"},
    }
    alpha("centre", "change", "ALPHA", "-o", "page=", "-o", "fields=", "-o", "categories=")
    shown = alpha.json("centre", "show", "ALPHA")["options"]
    assert shown == {"publish_field": "itu_publish", "subcategories": True}


def test_options_of_another_kind_of_lms_are_dropped(alpha: Cli) -> None:
    folder = ("--connector", "files", "--address", str(alpha.folder))
    alpha("centre", "change", "ALPHA", *folder, "-o", "results=no")
    assert alpha.json("centre", "show", "ALPHA")["options"] == {"results": False}


def test_a_policy_of_one_centre_is_set_and_unset(alpha: Cli) -> None:
    alpha("centre", "change", "ALPHA", "--policy", "removal=keep", "--policy", "attempts=2")
    assert alpha.json("centre", "show", "ALPHA")["policy"] == {"removal": "keep", "attempts": 2}
    alpha("centre", "change", "ALPHA", "--policy", "removal=")
    assert alpha.json("centre", "show", "ALPHA")["policy"] == {"attempts": 2}


def test_a_policy_outside_its_bounds_is_refused(alpha: Cli) -> None:
    change = ("centre", "change", "ALPHA", "--policy", "results_days=999999")
    assert "results_days is 999999; it must be 0 to 3650" in alpha(*change, code=2).stderr
    for name in ("calls_at_once", "attempts", "connect_seconds", "read_seconds", "break_after"):
        result = alpha("centre", "change", "ALPHA", "--policy", f"{name}=0", code=2)
        assert f"{name} is 0; it must be" in result.stderr


def test_a_centre_may_have_its_own_nightly_hour(alpha: Cli) -> None:
    alpha("centre", "change", "ALPHA", "--policy", "catalogue=30 3 * * mon-fri")
    assert alpha.json("centre", "show", "ALPHA")["policy"] == {"catalogue": "30 3 * * mon-fri"}
    change = ("centre", "change", "ALPHA", "--policy", "catalogue=every night")
    assert "policy catalogue: is not a cron expression" in alpha(*change, code=2).stderr
    alpha("centre", "change", "ALPHA", "--policy", "catalogue=")
    assert alpha.json("centre", "show", "ALPHA")["policy"] == {}


def test_a_change_without_a_new_token_keeps_the_old_one(alpha: Cli) -> None:
    assert "changed" in alpha("centre", "change", "ALPHA", "--name", "Alpha II").stdout
    alpha("centre", "check", "ALPHA")
    alpha("centre", "change", "ALPHA", "--token-stdin", typed="wrong\n")
    assert "token" in alpha("centre", "check", "ALPHA", code=1).stdout.lower()


def test_paused_centres_are_left_out(alpha: Cli) -> None:
    alpha("centre", "pause", "ALPHA")
    assert "Every centre is paused." in alpha("sync").stdout
    refused = alpha("sync", "--centre", "ALPHA", code=2)
    assert "Paused: ALPHA" in refused.stderr
    alpha("centre", "resume", "ALPHA")
    alpha("sync", "--centre", "ALPHA")


def test_an_unknown_centre_lists_the_known_ones(alpha: Cli) -> None:
    result = alpha("centre", "show", "BETA", code=2)
    assert 'There is no centre "BETA".' in result.stderr
    assert "Known: ALPHA." in result.stderr


def test_a_shown_centre_says_how_its_flows_go_and_what_helps(alpha: Cli, site: MoodleState) -> None:
    assert (
        "No flow ran yet: lms-bridge sync --centre ALPHA" in alpha("centre", "show", "ALPHA").stdout
    )
    alpha("sync")
    assert alpha("centre", "show", "ALPHA").stdout.endswith("\nNothing waits.\n")
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "SAMPLE-1"))
    site.revoke("enrol/manual:enrol")
    alpha("sync", "--flow", "enrolments", code=1)
    state = alpha.json("centre", "show", "ALPHA")["state"]
    assert (state["status"], state["active"]) == ("partial", True)
    by_flow = {each["flow"]: each for each in state["flows"]}
    enrolments, offerings = by_flow["enrolments"], by_flow["offerings"]
    assert (offerings["run"], enrolments["run"]) == (1, 3)
    assert (offerings["status"], enrolments["status"]) == ("done", "partial")
    (wait,) = state["waits"]
    assert (wait["what"], wait["kind"], wait["number"]) == ("failed", "enrolment", 1)
    shown = alpha("centre", "show", "ALPHA").stdout
    assert "enrol/manual:enrol" in shown
    assert "See: lms-bridge resend --centre ALPHA --list" in shown
    alpha("centre", "pause", "ALPHA")
    shown = alpha("centre", "show", "ALPHA").stdout
    assert "Paused, nothing runs until: lms-bridge centre resume ALPHA" in shown


def test_what_no_run_tried_waits_only_where_a_run_said_so(alpha: Cli) -> None:
    alpha("sync")
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "SAMPLE-1"))
    assert alpha.json("centre", "show", "ALPHA")["state"]["waits"] == []
