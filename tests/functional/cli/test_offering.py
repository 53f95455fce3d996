"""The life of an offering by commands alone."""

from __future__ import annotations

from tests.functional.cli.conftest import Cli

_SCHEDULE = """\
id;title;modality;level;starts at;ends at;status;location
S-1;Spectrum;Blended;Advanced;2060-03-02;2060-03-13;planned;Nairobi
S-2;Security;Blended;Advanced;2026-03-02;2026-03-13;published;Nairobi
"""


def test_an_offering_passes_through_its_life_by_commands(alpha: Cli) -> None:
    path = alpha.file("schedule.csv", _SCHEDULE)
    pushed = alpha.json("schedule", "push", path, "--centre", "ALPHA")
    planned, over = (row["code"] for row in pushed["rows"])
    alpha("offering", "outline", planned, "--mandate", "It is", "--instructor", "A sample")
    submitted = alpha("offering", "submit", planned, "--by", "Coordinator").stdout
    assert "Without a comment or an objection until 20" in submitted
    alpha("offering", "comment", planned, "Check it", "--point", "accuracy", "--by", "Expert")
    refused = alpha("offering", "publish", planned, code=2).output
    assert "cannot be taken through" in refused
    point = ("--point", "description")
    back = alpha("offering", "object", planned, "--reason", "Too long", *point).stdout
    assert "goes back to its centre. It is planned again." in back
    alpha("offering", "submit", planned)
    alpha("offering", "review", planned)
    alpha("offering", "publish", planned)
    silent = alpha("offering", "postpone", planned).stdout
    assert "is postponed" in silent
    assert "no-reason" in silent
    shown = alpha.json("offering", "show", planned)
    assert (shown["status"], shown["actions"]) == ("postponed", ["publish", "cancel"])
    assert [each["outcome"] for each in shown["review"]["rounds"]] == ["objection", "no_objection"]
    assert shown["history"][0]["by"] == "Coordinator"
    text = alpha("offering", "show", planned).stdout
    assert "comment of Expert on accuracy: Check it" in text
    assert "object by" in text
    assert "(description: Too long)" in text

    reported = alpha("offering", "report", over, "--summary", "Well done").stdout
    assert f"The report of {over} waits for validation." in reported
    back = alpha("offering", "object", over, "--reason", "What was difficult?").stdout
    assert "It is delivered again." in back
    assert "What was difficult?" in alpha("offering", "show", over).stdout
    alpha("offering", "report", over, "--summary", "Well done", "--difficulties", "Slow lines")
    assert "is validated" in alpha("offering", "close", over).stdout
    assert "report of" in alpha("offering", "show", over).stdout
    assert "0 certificates released" in alpha("offering", "certify", over).stdout
    (row,) = alpha.json("offering", "certify", over, "NOBODY")
    assert (row["outcome"], row["code"]) == ("refused", "no-such-registration")
    alpha("offering", "complete", over, "--set", "location=Lagos", code=1)  # it is pushed
    alpha("offering", "show", "NOTHING", code=2)
    trail = alpha("run", "list", "--centre", "ALPHA").stdout
    assert "command" in trail


def test_who_teaches_an_offering_is_named_and_dismissed(alpha: Cli) -> None:
    path = alpha.file("schedule.csv", _SCHEDULE)
    code = alpha.json("schedule", "push", path, "--centre", "ALPHA")["rows"][0]["code"]
    assert f"Nobody is named as a teacher of {code}" in alpha("offering", "teachers", code).stdout
    assert "teaches" in alpha("offering", "teach", code, "T-1").stdout
    alpha("offering", "teach", code, "T-1")
    listed = alpha("offering", "teachers", code).stdout
    assert listed.count("T-1") == 1
    assert "waits for the next run" in listed
    alpha("offering", "teach", code, "T-1", "--end")
    assert "leaves with the next run" in alpha("offering", "teachers", code).stdout
    alpha("offering", "teach", code, "T-2", "--end", code=2)
    alpha("offering", "teach", code, "T 2", code=2)
    alpha("offering", "teach", "NOTHING", "T-1", code=2)
