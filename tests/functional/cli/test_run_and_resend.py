"""What runs did, and sending again."""

from __future__ import annotations

import pytest

from lms_bridge.simulators.moodle import MoodleState
from tests.functional.cli.conftest import Cli, codes_of, registrations


@pytest.fixture
def enrolled(alpha: Cli) -> Cli:
    alpha("sync")
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "acad-1"))
    alpha("sync")
    return alpha


def test_runs_are_listed_newest_first(enrolled: Cli) -> None:
    runs = enrolled.json("run", "list")
    assert [run["trigger"] for run in runs] == ["command", "import", "command"]
    assert len(enrolled.json("run", "list", "--most", "1", "--centre", "ALPHA")) == 1
    assert "offerings: 6 new, 6 sent" in enrolled("run", "list").stdout


def test_one_run_item_by_item_without_a_name(enrolled: Cli) -> None:
    number = str(enrolled.json("run", "list")[0]["id"])
    shown = enrolled("run", "show", number).stdout
    assert "+ enrolment acad-1 in ALPHA-" in shown
    assert "+ learner acad-1: create, acknowledged" in shown
    document = enrolled.json("run", "show", number)
    assert document["items_in_all"] == len(document["items"])
    for name in ("Given-", "Family-", "@example.org"):
        assert name not in enrolled.everything_said()
    assert "--most" in enrolled("run", "show", number, "--most", "1").stdout
    assert "There is no run 99" in enrolled("run", "show", "99", code=2).stderr


def test_what_was_acknowledged_is_sent_again(enrolled: Cli, site: MoodleState) -> None:
    code = codes_of(enrolled)[0]
    assert "nothing to do" in enrolled("sync").stdout
    assert "1 record(s)" in enrolled("resend", "--centre", "ALPHA", f"{code}/acad-1").stdout
    assert "enrolments: 1 sent" in enrolled("sync").stdout
    enrolled("resend", "--centre", "ALPHA", code)
    assert "offerings: 1 sent" in enrolled("sync").stdout


def test_what_failed_is_tried_at_once(alpha: Cli, site: MoodleState) -> None:
    alpha("sync")
    site.people.add("other", "O", "Ther", "acad-1@example.org", idnumber="acad-99")
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "acad-1"))
    alpha("sync")
    assert "acad-1" in alpha("resend", "--centre", "ALPHA", "--list").stdout
    assert "1 record(s)" in alpha("resend", "--centre", "ALPHA").stdout
    assert "Nothing waits" in alpha("resend", "--centre", "ALPHA", "--kind", "result").stdout
    site.people.change(max(user.id for user in site.people), email="elsewhere@example.org")
    assert "people: 1 sent" in alpha("sync").stdout


def test_records_of_another_centre_are_not_sent_again(enrolled: Cli, address: str) -> None:
    add = ("centre", "add", "BETA", "--name", "Beta", "--region", "europe", "--address", address)
    enrolled(*add, "--token-env", "MOODLE_TOKEN")
    code = codes_of(enrolled)[0]
    for name in (code, f"{code}/acad-1"):
        assert "no offering of BETA" in enrolled("resend", "--centre", "BETA", name, code=2).stderr


def test_nothing_is_sent_again_for_a_name_that_stands_for_nothing(enrolled: Cli) -> None:
    result = enrolled("resend", "--centre", "ALPHA", "NOTHING", code=2)
    assert '"NOTHING" is no offering of ALPHA' in result.stderr
