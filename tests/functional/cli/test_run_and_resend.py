"""What runs did, and sending again."""

from __future__ import annotations

import pytest

from lms_bridge.devtools.faults import SimulatedFault
from lms_bridge.devtools.moodle.state import MoodleState
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


def test_a_run_is_shown_item_by_item_without_names(enrolled: Cli) -> None:
    number = str(enrolled.json("run", "list")[0]["number"])
    shown = enrolled("run", "show", number).stdout
    assert "+ enrolment acad-1 in ALPHA-" in shown
    assert "+ learner acad-1: create, acknowledged" in shown
    document = enrolled.json("run", "show", number)
    assert document["items_in_all"] == len(document["items"])
    for name in ("Given-", "Family-", "@example.org"):
        assert name not in enrolled.everything_said()
    first = enrolled.json("run", "show", number, "--most", "1")["items"][0]["number"]
    assert f"more: --after {first}\n" in enrolled("run", "show", number, "--most", "1").stdout
    rest = enrolled.json("run", "show", number, "--after", str(first))["items"]
    assert [first, *(each["number"] for each in rest)] == [
        each["number"] for each in document["items"]
    ]
    (place,) = enrolled.json("run", "show", number, "--kind", "enrolment")["items"]
    assert place["kind"] == "enrolment"
    course, state = codes_of(enrolled)[0], ("--state", "acknowledged")
    mine = enrolled.json("run", "show", number, "--course", course, *state, "--learner", "acad-1")
    assert [each["kind"] for each in mine["items"]] == ["enrolment"]
    assert mine["items_in_all"] == 1
    assert "There is no run 99" in enrolled("run", "show", "99", code=2).stderr


def test_acknowledged_records_are_sent_again(enrolled: Cli, site: MoodleState) -> None:
    code = codes_of(enrolled)[0]
    assert "nothing to do" in enrolled("sync").stdout
    assert "sends 1 record:" in enrolled("resend", "--centre", "ALPHA", f"{code}/acad-1").stdout
    assert "enrolments: 1 sent" in enrolled("sync").stdout
    enrolled("resend", "--centre", "ALPHA", code)
    assert "offerings: 1 sent" in enrolled("sync").stdout


def test_failed_records_are_tried_at_once(alpha: Cli, site: MoodleState) -> None:
    alpha("sync")
    site.people.add("other", "O", "Ther", "acad-1@example.org", idnumber="acad-99")
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "acad-1"))
    said = alpha("sync", code=4).stdout
    assert "1 learner waits for a match since" in said
    assert "lms-bridge person unmatched --centre ALPHA" in said
    assert "nothing to do" not in alpha("sync", "--dry-run", code=4).stdout
    newest = alpha.json("run", "list")[0]
    assert newest["status"] == "waiting"
    assert [each["what"] for each in newest["waits"]] == ["unsent", "unmatched"]
    assert "acad-1" in alpha("resend", "--centre", "ALPHA", "--list").stdout
    assert "sends 1 record:" in alpha("resend", "--centre", "ALPHA").stdout
    assert "Nothing waits" in alpha("resend", "--centre", "ALPHA", "--kind", "result").stdout
    site.people.change(max(user.id for user in site.people), email="elsewhere@example.org")
    assert "people: 1 sent" in alpha("sync").stdout


def test_records_of_another_centre_are_not_sent_again(enrolled: Cli, address: str) -> None:
    add = ("centre", "add", "BETA", "--name", "Beta", "--region", "europe", "--address", address)
    enrolled(*add, "--token-env", "MOODLE_TOKEN")
    code = codes_of(enrolled)[0]
    for name in (code, f"{code}/acad-1"):
        assert "no offering of BETA" in enrolled("resend", "--centre", "BETA", name, code=2).stderr


def test_an_unknown_name_resends_nothing(enrolled: Cli) -> None:
    result = enrolled("resend", "--centre", "ALPHA", "NOTHING", code=2)
    assert '"NOTHING" is no offering of ALPHA' in result.stderr


def test_one_lost_right_is_one_line(alpha: Cli, site: MoodleState) -> None:
    alpha("sync")
    code, *_ = codes_of(alpha)
    people = [f"SAMPLE-{number}" for number in range(9)]
    alpha("import", "registrations", registrations(alpha, code, *people))
    site.revoke("enrol/manual:enrol")
    summary = alpha("sync", code=1).stdout
    assert summary.count("enrol/manual:enrol") == 2  # what is missing, and the remedy
    assert f'SAMPLE-0 in {code} "' in summary
    assert "is one of them: " in summary
    listed = alpha("resend", "--centre", "ALPHA", "--list").stdout
    assert (listed.count("enrolment SAMPLE-"), listed.count("8 more wait for that")) == (1, 1)
    number = alpha.json("run", "list")[0]["number"]
    shown = alpha("run", "show", str(number)).stdout
    assert (shown.count("create, failed\n"), "6 more" in shown) == (3, True)


def test_what_ails_the_whole_site_is_named_with_a_remedy(alpha: Cli, site: MoodleState) -> None:
    alpha("sync")
    site.faults.next("*", SimulatedFault.http(503), 99)
    assert "maintenance mode" in alpha("sync", code=1).stdout
    site.faults.clear()
    tokens = dict(site.access.tokens)
    site.access.tokens.clear()
    text = alpha("sync", code=1).stdout
    assert "It expired, or somebody deleted it" in text
    assert "Create a new token" in text
    site.access.tokens.update(tokens)
    alpha("sync")


def test_a_private_address_is_refused_with_the_setting_that_allows_it(
    alpha: Cli, environment: dict[str, str]
) -> None:
    environment["LMS_BRIDGE_NETWORK__PRIVATE_ADDRESSES"] = "false"
    result = alpha("centre", "check", "ALPHA", code=2)
    assert "network.private_addresses" in result.output
