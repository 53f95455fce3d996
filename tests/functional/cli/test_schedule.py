"""A schedule pushed from the command line: here, and to a bridge elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lms_bridge.bootstrap import open_bridge
from lms_bridge.server.app import create_app
from lms_bridge.settings import load
from tests.functional.cli.conftest import Cli
from tests.peers.serving import free_socket, serving

_SCHEDULE = """\
id;title;modality;level;starts at;ends at;status;location
S-1;Spectrum;Blended;Advanced;2060-03-02;2060-03-13;planned;Nairobi
S-2;Security;sometimes;Advanced;2060-03-02;2060-03-13;planned;Nairobi
"""
_GOOD = _SCHEDULE.replace("sometimes", "Blended")


def test_a_dry_run_changes_nothing_and_a_repeated_push_is_unchanged(alpha: Cli) -> None:
    path = alpha.file("schedule.csv", _GOOD)
    before = alpha.dump()
    dry_run = alpha("schedule", "push", path, "--centre", "ALPHA", "--dry-run").stdout
    assert "Row 2 S-1: created\n" in dry_run
    assert "    title: Spectrum\n" in dry_run
    assert dry_run.endswith("2 rows: 2 created. This was a dry run: nothing was changed.\n")
    assert alpha.dump() == before
    made = alpha("schedule", "push", path, "--centre", "ALPHA").stdout
    assert made.endswith("2 rows: 2 created.\n")
    assert "Row" not in made
    again = alpha.json("schedule", "push", path, "--centre", "ALPHA")
    assert [each["outcome"] for each in again["rows"]] == ["unchanged", "unchanged"]
    renamed = alpha.file("schedule.csv", _GOOD.replace("Spectrum", "Waves"))
    shown = alpha("schedule", "push", renamed, "--centre", "ALPHA", "--dry-run").stdout
    assert "Row 2 S-1: updated\n    title: Spectrum -> Waves\n" in shown


def test_a_refused_row_is_reported_with_its_remedy(alpha: Cli) -> None:
    path = alpha.file("schedule.csv", _SCHEDULE)
    reported = alpha("schedule", "push", path, "--centre", "ALPHA", code=1).stdout
    assert "Row 3 S-2: refused\n" in reported
    assert (
        '    modality is "sometimes", which is not one of: online_instructor_led, face_to'
        in reported
    )
    assert "1 created, 1 refused" in reported
    for wrong in (("no.csv",), ("schedule.doc",), (alpha.file("x.csv", "id,titel\n1,2\n"),)):
        alpha("schedule", "push", *wrong, "--centre", "ALPHA", code=2)
    assert "Perhaps meant: title." in alpha.results[-1].output
    alpha("schedule", "push", path, "--centre", "NONE", code=2)


def test_a_whole_schedule_with_many_removals_is_held(alpha: Cli) -> None:
    rows = "".join(f"S-{number};Course {number}\n" for number in range(9))
    path = alpha.file("schedule.csv", f"id;title\n{rows}")
    alpha("schedule", "push", path, "--centre", "ALPHA", "--whole")
    less = alpha.file("less.csv", "id;title\nS-1;Course 1\n")
    held = alpha("schedule", "push", less, "--centre", "ALPHA", "--whole", code=3).stdout
    assert "S-0 (" in held
    assert "would end" in held
    number = held.rpartition("hold show ")[2].strip()
    alpha("hold", "approve", number)
    done = alpha("schedule", "push", less, "--centre", "ALPHA", "--whole").stdout
    assert "8 ended" in done


def test_the_template_is_a_schedule_without_rows(alpha: Cli) -> None:
    path = str(alpha.folder / "template.csv")
    alpha("schedule", "template", "--centre", "ALPHA", path)
    assert "Africa/Nairobi" in Path(path).read_text(encoding="utf-8")
    assert alpha.json("schedule", "push", path, "--centre", "ALPHA")["rows"] == []
    assert "0 rows read." in alpha("import", "offerings", path, "--centre", "ALPHA").stdout
    assert "id,title" in alpha("schedule", "template", "--centre", "ALPHA").stdout


@pytest.fixture
def elsewhere(alpha: Cli) -> Iterator[str]:
    """The same bridge, behind real HTTP."""
    with (
        open_bridge(load(alpha.environment)) as bridge,
        serving(create_app(bridge).wsgi_app, free_socket()) as address,
    ):
        yield address


def test_a_schedule_is_pushed_to_a_bridge_elsewhere(
    alpha: Cli, elsewhere: str, tmp_path: Path
) -> None:
    made = alpha(
        *("token", "create", "Sample schedule", "--centre", "ALPHA"),
        *("--scope", "offerings:write"),
    ).stdout
    token = made.splitlines()[0]
    there = Cli({}, tmp_path)  # without any settings of its own
    path = there.file("schedule.csv", _SCHEDULE)
    push = ("schedule", "push", path, "--centre", "ALPHA", "--url", elsewhere, "--token-stdin")
    reported = there(*push, typed=f"{token}\n", code=1).stdout
    assert "Row 3 S-2: refused" in reported
    assert "1 created, 1 refused" in reported
    there(*push, typed="lmsb_wrong\n", code=1)
    assert "token" in there.results[-1].output
    other = ("schedule", "push", path, "--centre", "BETA", "--url", elsewhere, "--token-stdin")
    there(*other, typed=f"{token}\n", code=2)
    assert "There is no such centre." in there.results[-1].output
    there("schedule", "push", path, "--centre", "ALPHA", "--url", elsewhere, code=2)
    assert token not in there.everything_said()
    answer = there(*push, "--json", typed=f"{token}\n", code=1).stdout
    assert json.loads(answer)["summary"]["unchanged"] == 1


def test_notes_that_many_rows_share_are_counted(alpha: Cli) -> None:
    rows = "".join(
        f"S-{number};Course {number};Blended;Advanced;2060-03-02;2060-03-13\n"
        for number in range(25)
    )
    head = "id;title;modality;level;starts at;ends at\n"
    path = alpha.file("schedule.csv", head + rows)
    reported = alpha("schedule", "push", path, "--centre", "ALPHA").stdout
    note = "note: Nobody has reviewed the offering in the bridge"
    assert reported.count(f"    {note}") == 20
    assert reported.count("Row ") == 20
    assert "note: 5 more rows: Nobody has reviewed" in reported
