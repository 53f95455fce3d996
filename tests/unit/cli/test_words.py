"""What is written: tables, differences, summaries, exit codes."""

from __future__ import annotations

import pytest

from lms_bridge.console import session
from lms_bridge.console.output import clean, table
from lms_bridge.console.summary import changed, differing, exit_code, in_words, show_items
from lms_bridge.domain.errors import NotFound, RetryLater, SettingsInvalid, StopRun
from lms_bridge.sync.run import RunReport

_ITEM = {
    "kind": "offering",
    "record_id": 1,
    "external_id": "7",
    "system": "academy",
    "action": "update",
    "state": "acknowledged",
    "fields": None,
    "message": "",
}


def test_tables_are_aligned_whatever_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    table(["name", "x"], [("示例", 1), ("عينة", 2), ("abc", 3)])
    assert capsys.readouterr().out == "name  x\n示例  1\nعينة  2\nabc   3\n"


def test_texts_of_others_cannot_command_the_terminal() -> None:
    assert clean("a\x1b[31mb\x9b2Jc\r\nd\u202ee") == "a [31mb 2Jc d e"


def test_personal_values_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    item = {**_ITEM, "kind": "learner", "fields": {"given_name": None, "email": None}}
    show_items([item], {})
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[1:]] == [
        "given_name, email (personal or secret: values are not shown)"
    ]


def test_changed_fields_of_every_kind_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    values = {
        "listed": [True, False],
        "seats": [None, 25],
        "topics": [["a"], ["a", "b"]],
        "price": ["150", None],
        "location": ["", None],
    }
    show_items([{**_ITEM, "fields": values}], {("offering", 1): "AFR-1"})
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "  ~ offering AFR-1: update, acknowledged (7 at academy)"
    assert [line.strip() for line in shown[1:]] == [
        "listed: yes -> no",
        "seats: 25",
        "topics: a -> a; b",
        "price: 150 -> (empty)",
    ]


def test_long_texts_are_cut_to_where_they_differ() -> None:
    old, new = "x" * 300 + "old" + "y" * 300, "x" * 300 + "new" + "y" * 300
    before, after = differing(old, new)
    assert "old" in before
    assert "new" in after
    assert before.startswith("…")
    assert max(len(before), len(after)) < 70
    assert differing("a", "b" * 100) == ("a", "b" * 59 + "…")


def test_counts_are_written_in_words() -> None:
    counts = {
        "pages.read": 9,
        "offering.create.applied": 2,
        "offering.create.acknowledged": 1,
        "offering.update.acknowledged": 1,
        "learner.create.waits": 1,
        "result.read.quarantined": 0,
    }
    assert in_words(counts) == "offerings: 2 new, 2 sent; people: 1 wait"
    assert changed(counts) == 4
    assert changed({"learner.create.waits": 3, "offering.read.quarantined": 1}) == 0
    assert in_words({}) == ""


def _report(status: str, held: tuple[int, ...] = ()) -> RunReport:
    return RunReport("A", 1, status, {}, (), held, (), 0.1)


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([], session.ALL_DONE),
        ([_report("done"), _report("done")], session.ALL_DONE),
        ([_report("done"), _report("partial")], session.SOME_FAILED),
        ([_report("busy")], session.SOME_FAILED),
        ([_report("failed")], session.SOME_FAILED),
        ([_report("held", (4,)), _report("done")], session.WAITS_FOR_APPROVAL),
        ([_report("held", (4,)), _report("failed")], session.SOME_FAILED),
        ([_report("waiting"), _report("done")], session.SOME_WAIT),
        ([_report("waiting"), _report("held", (4,))], session.WAITS_FOR_APPROVAL),
        ([_report("waiting"), _report("partial")], session.SOME_FAILED),
    ],
)
def test_reports_have_their_exit_code(reports: list[RunReport], code: int) -> None:
    assert exit_code(reports) == code


def test_errors_have_their_exit_code() -> None:
    assert session.exit_code_of(SettingsInvalid(["x is not y"])) == 2
    assert session.exit_code_of(NotFound("no-such", "There is none.")) == 2
    assert session.exit_code_of(StopRun("x", "Stop.")) == 1
    assert session.exit_code_of(RetryLater("x", "Later.")) == 1
