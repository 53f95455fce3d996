"""`sync`: what it does, what it says, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from lms_bridge.devtools.moodle.saved import save
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from tests.functional.cli.conftest import Cli, codes_of, registrations


def test_the_second_sync_has_nothing_to_do(alpha: Cli) -> None:
    assert "ALPHA: done" in (first := alpha("sync").stdout)
    assert "offerings: 6 new, 6 sent" in first
    assert "nothing to do" in alpha("sync").stdout
    assert "\x1b" not in alpha.everything_said()


def test_json_is_one_document_and_nothing_else(alpha: Cli) -> None:
    result = alpha("sync", "--json")
    (centre,) = json.loads(result.stdout)["centres"]
    assert centre["status"] == "done"
    assert centre["counts"]["offering.create.applied"] == 6
    assert result.stderr == ""


def test_a_dry_run_shows_fields_and_changes_nothing(alpha: Cli, site: MoodleState) -> None:
    alpha("sync")
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "acad-1"))
    site.catalogue.change(3, fullname="Another title", summary="<p>" + "long " * 500 + "</p>")
    before, there = alpha.dump(), save(site)
    result = alpha("sync", "--dry-run")
    assert "~ offering" in result.stdout
    assert "-> Another title" in result.stdout
    assert "+ learner acad-1: create, would be sent" in result.stdout
    assert "accounts: 1 to be made" in result.stdout
    assert "personal or secret: values are not shown" in result.stdout
    assert "Given-acad-1" not in result.stdout
    assert "acad-1@example.org" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) < 250
    assert "Nothing was changed" in result.stdout
    assert alpha.dump() == before
    assert save(site) == there


def test_a_dry_run_is_printed_as_json(alpha: Cli) -> None:
    document = alpha.json("sync", "--dry-run")
    assert document["dry_run"] is True
    changes = document["centres"][0]["changes"]
    assert {"applied", "would be sent"} == {each["state"] for each in changes}
    titles = [each["fields"]["title"][1] for each in changes if each["fields"]]
    assert any(title.startswith("[Sample]") for title in titles)


def test_one_flow_can_run_alone(alpha: Cli) -> None:
    alpha("sync", "--flow", "results", "--changes-only")
    assert codes_of(alpha) == []
    alpha("sync", "--flow", "offerings")
    assert len(codes_of(alpha)) == 6


def test_a_run_of_changes_only_reads_no_target(alpha: Cli, site: MoodleState) -> None:
    site.catalogue.change(2, enddate=0)  # what ended long ago is not looked at any more
    alpha("sync")
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "acad-1"))
    alpha("sync")
    (enrolment,) = site.enrolments
    site.unenrol(enrolment.course_id, enrolment.user_id)
    assert "nothing to do" in alpha("sync", "--changes-only").stdout
    assert "1 conflicts sent again, 1 sent" in alpha("sync").stdout


def test_a_bad_record_is_exit_code_1(alpha: Cli, site: MoodleState) -> None:
    site.catalogue.change(3, startdate=1_780_000_000, enddate=1_770_000_000)
    result = alpha("sync", code=1)
    assert "1 quarantined" in result.stdout
    run = alpha.json("run", "list")[0]["number"]
    assert "ends_at is before the start" in alpha("run", "show", str(run)).stdout


def test_a_course_in_quarantine_is_named_with_its_cause_and_concerns_its_flow_alone(
    alpha: Cli, site: MoodleState
) -> None:
    alpha("sync")
    wrong = {"startdate": 1_780_000_000, "enddate": 1_770_000_000}
    course = site.catalogue.change(3, **wrong)
    new = site.catalogue.add_course(
        "NEW", "A wrong new course", customfields={"itu_publish": 1}, **wrong
    )
    summary = alpha("sync", code=1).stdout
    number = alpha.json("run", "list")[0]["number"]
    for said in (summary, alpha("run", "show", str(number)).stdout):
        assert "2 offerings in quarantine" in said
        assert (
            f'"{course.fullname}" is one of them: ends_at is before the start. Correct it' in said
        )
    alone = {"offerings": "partial", "enrolments": "done", "results": "done"}
    assert flows_of(alpha) == alone
    site.catalogue.remove(3)
    assert f'"A wrong new course" ({new.id}): ends_at is before' in alpha("sync", code=4).stdout
    assert flows_of(alpha) == {**alone, "offerings": "waiting"}
    assert "waiting (offerings)" in alpha("centre", "list").stdout
    assert "A wrong new course" in alpha("centre", "show", "ALPHA").stdout


def flows_of(cli: Cli) -> dict[str, str]:
    """How each flow of the one centre went, as both commands say."""
    (listed,) = cli.json("centre", "list")
    shown = cli.json("centre", "show", "ALPHA")["state"]["flows"]
    found = {each["flow"]: each["status"] for each in shown}
    assert listed["flows"] == found
    return found


def test_records_in_quarantine_are_told_by_cause_and_the_command_lists_them_all(
    alpha: Cli, site: MoodleState
) -> None:
    site.catalogue.change(3, startdate=1_780_000_000, enddate=1_770_000_000)
    alpha("sync", code=1)
    site.catalogue.change(4, fullname="")
    said = alpha("sync", code=1).stdout
    assert "ends_at is before the start" in said
    assert "lms-bridge quarantine list --centre ALPHA" in said
    listed = alpha("quarantine", "list", "--centre", "ALPHA").stdout
    assert listed.count("ALPHA: offering") == 2
    assert alpha.json("status", code=1)["matters"][0]["command"] == "lms-bridge quarantine list"


def test_centres_that_are_all_paused_are_no_missing_centres(alpha: Cli) -> None:
    alpha("centre", "pause", "ALPHA")
    assert "lms-bridge centre resume ALPHA" in alpha("sync").stdout
    alpha("centre", "resume", "ALPHA")
    alpha("sync")


def test_a_site_that_is_away_is_exit_code_1_with_its_reason(alpha: Cli, site: MoodleState) -> None:
    site.maintenance = True
    result = alpha("sync", code=1)
    assert "offerings read: " in result.stdout
    assert "Moodle is in maintenance mode" in result.stdout
    assert "Site administration, Server, Maintenance mode" in result.stdout


def test_what_a_failed_step_left_unsent_waits_with_that_cause(
    alpha: Cli, site: MoodleState
) -> None:
    alpha("sync")
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "acad-1"))
    site.revoke("moodle/user:viewalldetails")
    said = alpha("sync", code=1).stdout
    assert "Allow moodle/user:viewdetails and moodle/user:viewalldetails" in said
    assert "1 learner waits to be sent: A step of this run failed before it." in said
    assert "a decision is missing" not in said
    site.grant("moodle/user:viewalldetails")
    assert "people: 1 sent; enrolments: 1 sent" in alpha("sync").stdout


def test_a_learner_whose_first_sending_was_refused_is_done_in_one_run(
    alpha: Cli, site: MoodleState
) -> None:
    alpha("sync")
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "acad-1"))
    document = Path("docs/moodle.md").read_text(encoding="utf-8")
    every = set(re.findall(r"`((?:core|enrol|gradereport|tool)_[a-z_]+)`", document))
    site.access.restrict(SERVICE_TOKEN, every - {"core_user_create_users"})
    said = alpha("sync", code=1).stdout
    assert "core_user_create_users" in said
    assert "core_user_create_users is not in the token's service" in said
    site.access.restrict(SERVICE_TOKEN, every)
    alpha("sync")
    assert "nothing to do" in alpha("sync").stdout


@pytest.fixture
def halved(alpha: Cli, site: MoodleState) -> Cli:
    """Half of the catalogue is gone at the source."""
    alpha("sync")
    for course in (2, 3, 4):
        site.catalogue.remove(course)
    return alpha


def test_a_run_that_only_waits_for_approval_is_exit_code_3(halved: Cli) -> None:
    assert "would be held" in halved("sync", "--dry-run", code=3).stdout
    assert "hold show 1" in halved("sync", code=3).stdout
    assert len(codes_of(halved)) == 6


def test_a_failure_outranks_a_hold(halved: Cli, site: MoodleState) -> None:
    site.catalogue.change(5, customfields={"itu_publish": 1, "itu_price": "much"})
    halved("sync", code=1)


def test_an_unknown_flow_is_wrong_usage(alpha: Cli) -> None:
    assert "offerings" in alpha("sync", "--flow", "grades", code=2).stderr


def test_a_sync_import_and_export_work_on_postgresql(
    cli: Cli, address: str, postgres_address: str, tmp_path: Path
) -> None:
    cli.environment["LMS_BRIDGE_STORE__ADDRESS"] = postgres_address
    add = ("centre", "add", "ALPHA", "--name", "Alpha", "--region", "africa")
    cli(*add, "--address", address, "--token-env", "MOODLE_TOKEN")
    assert "offerings: 6 new, 6 sent" in cli("sync").stdout
    cli("import", "registrations", registrations(cli, codes_of(cli)[0], "acad-1"), "--whole")
    assert "would be sent" in cli("sync", "--dry-run").stdout
    assert "enrolments: 1 sent" in cli("sync").stdout
    assert "nothing to do" in cli("sync").stdout
    out = str(tmp_path / "out.csv")
    cli("export", "registrations", out)
    assert cli.json("import", "registrations", out, "--whole")["centres"][0]["counts"] == {}
    assert "acad-1 in ALPHA-" in cli("run", "show", "3").stdout


def test_an_unreviewed_offering_waits_if_the_centres_policy_requires_it(alpha: Cli) -> None:
    alpha("centre", "change", "ALPHA", "--policy", "unreviewed=review")
    alpha("sync")
    path = alpha.file("offerings.csv", "id,title,centre\nF-1,Sample course,ALPHA\n")
    alpha("import", "offerings", path)
    assert statuses(alpha) == {"planned": 7}
    alpha("centre", "change", "ALPHA", "--policy", "unreviewed=")
    path = alpha.file("offerings.csv", "id,title,centre\nF-2,Sample course,ALPHA\n")
    alpha("import", "offerings", path)
    assert statuses(alpha) == {"planned": 7, "published": 1}


def statuses(cli: Cli) -> dict[str, int]:
    """{status: number of offerings that have it}"""
    text = cli("export", "offerings", "-").stdout.lstrip("\ufeff")
    return dict(Counter(row["status"] for row in csv.DictReader(io.StringIO(text))))
