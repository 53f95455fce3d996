"""`lms-bridge status`: one line and an exit code, and below what helps."""

from __future__ import annotations

from typing import Any

import pytest

from lms_bridge.admin.matters import command_for
from lms_bridge.devtools.faults import SimulatedFault
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.store.attention import Finding, Matter
from tests.functional.cli.conftest import Cli


@pytest.fixture
def quiet(alpha: Cli) -> Cli:
    """The command line where no clock is wanted."""
    alpha.environment["LMS_BRIDGE_CLOCK__ENABLED"] = "false"
    return alpha


def _matters(cli: Cli, code: int) -> dict[str, dict[str, Any]]:
    return {each["matter"]: each for each in cli.json("status", code=code)["matters"]}


def test_nothing_is_wrong_after_a_good_run(quiet: Cli) -> None:
    quiet("sync")
    assert quiet("status").stdout == "Nothing is wrong.\n"
    expected: dict[str, object] = {"status": "ok", "message": "Nothing is wrong.", "clock": "off"}
    expected |= {"matters": [], "failed_lately": []}
    assert quiet.json("status") == expected


def test_a_centre_that_never_ran_is_wrong_until_it_ran_or_is_paused(quiet: Cli) -> None:
    first, _, more = quiet("status", code=1).stdout.partition("\n")
    assert first == "Something is wrong: 1 centre never ran."
    assert "ALPHA" in more
    assert "lms-bridge sync --centre ALPHA" in more
    quiet("centre", "pause", "ALPHA")
    quiet("status")


def test_a_clock_that_does_not_run_is_wrong(alpha: Cli) -> None:
    alpha("sync")
    assert alpha("status", code=1).stdout.startswith("Something is wrong: no clock is running.\n")
    assert alpha.json("status", code=1)["clock"] == "stopped"


def test_only_decisions_have_an_exit_code_of_their_own(quiet: Cli, site: MoodleState) -> None:
    quiet("sync")
    for course in (2, 3, 4):
        site.catalogue.remove(course)
    quiet("sync", code=3)
    first, _, more = quiet("status", code=3).stdout.partition("\n")
    assert first == "People have to decide: 1 hold waits for a decision."
    assert "lms-bridge hold list" in more
    quiet("hold", "reject", "1")
    quiet("status")


def test_a_centre_that_fails_for_hours_is_wrong_until_a_run_is_good(
    quiet: Cli, site: MoodleState, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet("sync")
    site.faults.sometimes("*", SimulatedFault.http(500), 1.0)
    quiet("sync", code=1)
    first, second = quiet("status").stdout.splitlines()
    assert first == "Nothing is wrong."
    assert second.startswith("The last run failed at ALPHA. The next one may be good.")
    assert quiet.json("status")["failed_lately"] == ["ALPHA"]
    monkeypatch.setattr("lms_bridge.store.attention.FAILING_HOURS", 0)
    assert "centre fails" in quiet("status", code=1).stdout
    assert _matters(quiet, 1)["centres_failing"]["command"] == (
        "lms-bridge run list --centre ALPHA"
    )
    site.faults.clear()
    quiet("sync")
    assert quiet("status").stdout == "Nothing is wrong.\n"


@pytest.mark.parametrize("matter", Matter)
def test_the_commands_that_help_exist(cli: Cli, matter: Matter) -> None:
    _, *words = command_for(Finding(matter, 1, centres=("ALPHA",))).split()
    cli(*words, "--help")
