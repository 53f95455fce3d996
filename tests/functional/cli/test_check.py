"""`centre check`: what is missing, what it means, and what will not work."""

from __future__ import annotations

from lms_bridge.devtools.moodle.state import MoodleState
from tests.functional.cli.conftest import Cli, codes_of, registrations


def test_a_complete_centre_is_ready(alpha: Cli) -> None:
    result = alpha("centre", "check", "ALPHA")
    assert "ALPHA is ready" in result.stdout
    assert "MISSING" not in result.stdout


def test_a_revoked_capability_is_named_with_its_flow_and_remedy(
    alpha: Cli, site: MoodleState
) -> None:
    site.revoke("enrol/manual:enrol", "moodle/user:create")
    result = alpha("centre", "check", "ALPHA", code=1)
    line = next(each for each in result.stdout.splitlines() if "enrol/manual:enrol:" in each)
    assert "MISSING" in line
    assert "Allow enrol/manual:enrol" in line
    assert "Will not work: enrolments." in result.stdout
    assert "ready" not in result.stdout


def test_gaps_without_an_error_message_are_found(alpha: Cli, site: MoodleState) -> None:
    """Moodle leaves hidden courses out without a word."""
    site.catalogue.change(3, visible=0)
    site.revoke("moodle/course:viewhiddencourses")
    findings = alpha.json("centre", "check", "ALPHA", code=1)
    assert "offerings" in findings["broken_flows"]
    missing = [each for each in findings["findings"] if each["verdict"] == "missing"]
    assert any("viewhiddencourses" in each["check"] for each in missing)


def test_a_site_that_is_down_is_reported(alpha: Cli, site: MoodleState) -> None:
    site.web_services = False
    result = alpha("centre", "check", "ALPHA", code=1)
    assert "MISSING" in result.stdout
    assert "Will not work: enrolments, offerings, results." in result.stdout


def test_the_check_changes_nothing(alpha: Cli, site: MoodleState) -> None:
    before = (len(site.people), len(site.enrolments), alpha.dump())
    alpha("centre", "check", "ALPHA")
    assert (len(site.people), len(site.enrolments), alpha.dump()) == before


def test_a_right_that_is_back_lets_records_go_on(alpha: Cli, site: MoodleState) -> None:
    alpha("sync")
    people = [f"SAMPLE-{number}" for number in range(3)]
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], *people))
    site.revoke("enrol/manual:enrol")
    assert "3 enrolments wait after a failure" in alpha("sync", code=1).stdout
    assert "waited for a right" not in alpha("centre", "check", "ALPHA", code=1).stdout
    site.grant("enrol/manual:enrol")
    assert "sends 3 records that waited for a right" in alpha("centre", "check", "ALPHA").stdout
    assert "waited for a right" not in alpha("centre", "check", "ALPHA").stdout
    assert "enrolments: 3 sent" in alpha("sync", "--changes-only").stdout
