"""A schedule pushed from the command line: here, and to a bridge elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lms_bridge.bootstrap import open_bridge
from lms_bridge.settings import load
from lms_bridge.web import create_app
from tests.functional.cli.conftest import Cli
from tests.peers.serving import free_socket, serving

_SCHEDULE = """\
id;title;modality;level;starts at;ends at;status
S-1;Spectrum;Blended;Advanced;2060-03-02;2060-03-13;planned
S-2;Security;sometimes;Advanced;2060-03-02;2060-03-13;planned
"""
_GOOD = _SCHEDULE.replace("sometimes", "Blended")


def test_a_trial_then_the_push_then_the_same_again(alpha: Cli) -> None:
    path = alpha.file("schedule.csv", _GOOD)
    before = alpha.dump()
    trial = alpha("schedule", "push", path, "--centre", "ALPHA", "--dry-run").stdout
    assert "Row 2 S-1: created\n" in trial
    assert "    title: Spectrum\n" in trial
    assert trial.endswith("2 rows: 2 created. This was a trial: nothing was changed.\n")
    assert alpha.dump() == before
    made = alpha("schedule", "push", path, "--centre", "ALPHA").stdout
    assert made.endswith("2 rows: 2 created.\n")
    assert "Row" not in made
    again = alpha.json("schedule", "push", path, "--centre", "ALPHA")
    assert [each["outcome"] for each in again["rows"]] == ["unchanged", "unchanged"]
    renamed = alpha.file("schedule.csv", _GOOD.replace("Spectrum", "Waves"))
    shown = alpha("schedule", "push", renamed, "--centre", "ALPHA", "--dry-run").stdout
    assert "Row 2 S-1: updated\n    title: Spectrum -> Waves\n" in shown


def test_what_is_refused_is_told_with_the_remedy(alpha: Cli) -> None:
    path = alpha.file("schedule.csv", _SCHEDULE)
    told = alpha("schedule", "push", path, "--centre", "ALPHA", code=1).stdout
    assert "Row 3 S-2: refused\n" in told
    assert "    modality is not one of: online_instructor_led, face_to_face, blended" in told
    assert "1 created, 1 refused" in told
    for wrong in (("no.csv",), ("schedule.doc",), (alpha.file("x.csv", "id,titel\n1,2\n"),)):
        alpha("schedule", "push", *wrong, "--centre", "ALPHA", code=2)
    assert "meant: title?" in alpha.results[-1].output
    alpha("schedule", "push", path, "--centre", "NONE", code=2)


def test_a_whole_schedule_is_held(alpha: Cli) -> None:
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
    assert "0 row(s) read." in alpha("import", "offerings", path, "--centre", "ALPHA").stdout
    assert "id,title" in alpha("schedule", "template", "--centre", "ALPHA").stdout


@pytest.fixture
def elsewhere(alpha: Cli) -> Iterator[str]:
    """The same bridge, behind real HTTP."""
    with (
        open_bridge(load(alpha.environment)) as bridge,
        serving(create_app(bridge).wsgi_app, free_socket()) as address,
    ):
        yield address


def test_a_bridge_elsewhere(alpha: Cli, elsewhere: str, tmp_path: Path) -> None:
    made = alpha(
        *("token", "create", "Sample schedule", "--centre", "ALPHA"),
        *("--scope", "offerings:write"),
    ).stdout
    token = made.splitlines()[0]
    there = Cli({}, tmp_path)  # without any settings of its own
    path = there.file("schedule.csv", _SCHEDULE)
    push = ("schedule", "push", path, "--centre", "ALPHA", "--url", elsewhere, "--token-stdin")
    told = there(*push, typed=f"{token}\n", code=1).stdout
    assert "Row 3 S-2: refused" in told
    assert "1 created, 1 refused" in told
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
    told = alpha("schedule", "push", path, "--centre", "ALPHA").stdout
    note = "note: Nobody has reviewed the offering in the bridge"
    assert told.count(f"    {note}") == 20
    assert told.count("Row ") == 20
    assert "note: 5 more rows: Nobody has reviewed" in told
