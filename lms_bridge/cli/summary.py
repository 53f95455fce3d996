"""What came of runs, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from lms_bridge.cli.output import STYLES, clean, say
from lms_bridge.domain.model import Kind
from lms_bridge.sync.auditing import Subject
from lms_bridge.sync.run import Report

_PLURALS: dict[str, str] = {
    Kind.OFFERING: "offerings",
    Kind.LEARNER: "people",
    Kind.ENROLMENT: "enrolments",
    Kind.RESULT: "results",
    **{subject: subject.flow for subject in Subject},
}
_WORDS = {
    ("create", "taken in"): "new",
    ("update", "taken in"): "changed",
    ("remove", "taken in"): "gone",
    ("create", "acknowledged"): "sent",
    ("update", "acknowledged"): "sent",
    ("remove", "acknowledged"): "sent",
    ("conflict", "source wins"): "conflicts sent again",
    ("conflict", "kept"): "conflicts left as they are",
    ("conflict", "held"): "conflicts held",
    ("create", "waits"): "wait for a match",
    ("add", "done"): "added",
    ("approve", "done"): "approved",
    ("change", "done"): "changed",
    ("disable", "done"): "switched off",
    ("forget", "done"): "forgotten",
    ("make", "done"): "made",
    ("revoke", "done"): "revoked",
    ("enable", "done"): "switched on",
    ("remove", "done"): "removed",
    ("renew", "done"): "given another secret",
    ("resend", "done"): "told once more",
    ("rotate", "done"): "changed",
}
_STANDING = frozenset({"waits", "quarantined", "failed", "held", "would be held"})
"""States that tell what stands, not what a run changed."""


def changed(counts: Mapping[str, int]) -> int:
    """How many steps changed something, here or there (or would, in a dry run)."""
    return sum(number for kind, _, state, number in _parts(counts) if state not in _STANDING)


def _parts(counts: Mapping[str, int]) -> Iterable[tuple[str, str, str, int]]:
    for key, number in counts.items():
        kind, _, rest = key.partition(".")
        action, _, state = rest.partition(".")
        if kind != "answers" and number:
            yield kind, action, state, number


def in_words(counts: Mapping[str, int]) -> str:
    """Such as `offerings: 6 new, 6 sent; people: 4 new`."""
    told: dict[str, dict[str, int]] = {}
    for kind, action, state, number in _parts(counts):
        word = _WORDS.get((action, state), state)
        words = told.setdefault(kind, {})
        words[word] = words.get(word, 0) + number
    return "; ".join(
        f"{_PLURALS[kind]}: " + ", ".join(f"{n} {word}" for word, n in told[kind].items())
        for kind in _PLURALS
        if kind in told
    )


def line_of(report: Report) -> str:
    """One line about one run."""
    words = in_words(report.counts)
    if not words:
        words = "nothing to do" if report.status == "done" else ""
    status = click.style(report.status, fg=STYLES.get(report.status))
    text = f"{report.centre}: {status} in {report.seconds:.1f} s"
    return f"{text}, {words}" if words else text


def show_errors(report: Report) -> None:
    """What ended a stage early, with what to do about it."""
    if report.status == "busy":
        say("    Another run of this centre is at work.")
    for stage, error in report.errors:
        say(f"    {stage}: {clean(error.message)}")
        if error.remedy:
            say(f"      {clean(error.remedy)}")
    for number in report.held:
        if number:
            say(f"    Held for approval: lms-bridge hold show {number}")


def as_json(report: Report) -> dict[str, Any]:
    return {
        "centre": report.centre,
        "run": report.run_id or None,
        "status": report.status,
        "seconds": round(report.seconds, 3),
        "counts": dict(report.counts),
        "held": [number for number in report.held if number],
        "errors": [
            {"stage": stage, "code": e.code, "message": e.message, "remedy": e.remedy}
            for stage, e in report.errors
        ],
        "changes": [
            {name: value for name, value in change.items() if name not in ("run_id", "at")}
            for change in report.changes
        ],
    }
