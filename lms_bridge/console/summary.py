"""Runs in words: summaries, changes field by field, names of records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
from sqlalchemy import Connection

from lms_bridge.audit import Subject
from lms_bridge.bridge import Bridge
from lms_bridge.console import session
from lms_bridge.console.output import STYLES, clean, print_line, shortened, when
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.model import Kind, system_label
from lms_bridge.domain.plurals import counted
from lms_bridge.store.record_names import record_names
from lms_bridge.store.waits import Wait
from lms_bridge.sync.run import RunReport
from lms_bridge.sync.run_state import DONE, HELD, WAITING


def record_labels(tx: Connection, kind: Kind, record_ids: Iterable[int]) -> dict[int, str]:
    """{record id: label}; records that do not exist are left out."""
    return {id_: clean(name) for id_, name in record_names(tx, kind, record_ids).items()}


def item_labels(tx: Connection, items: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], str]:
    """{(kind, record id): label} of all records in the items of a run."""
    ids: dict[Kind, set[int]] = {}
    for item in items:
        if item["record_id"] is not None and item["kind"] in set(Kind):
            ids.setdefault(Kind(item["kind"]), set()).add(item["record_id"])
    return {
        (kind, id_): name
        for kind, of_kind in ids.items()
        for id_, name in record_labels(tx, kind, of_kind).items()
    }


_PLURALS: dict[str, str] = {
    Kind.OFFERING: "offerings",
    Kind.LEARNER: "people",
    Kind.ENROLMENT: "enrolments",
    Kind.RESULT: "results",
    **{subject: subject.flow for subject in Subject},
}
_WORDS = {
    ("create", "applied"): "new",
    ("update", "applied"): "changed",
    ("remove", "applied"): "gone",
    ("create", "acknowledged"): "sent",
    ("update", "acknowledged"): "sent",
    ("remove", "acknowledged"): "sent",
    ("conflict", "source wins"): "conflicts sent again",
    ("conflict", "kept"): "conflicts left as they are",
    ("conflict", "held"): "conflicts held",
    ("add", "done"): "added",
    ("approve", "done"): "approved",
    ("change", "done"): "changed",
    ("disable", "done"): "switched off",
    ("forget", "done"): "forgotten",
    ("make", "done"): "made",
    ("revoke", "done"): "revoked",
    ("enable", "done"): "switched on",
    ("pause", "done"): "paused",
    ("resume", "done"): "resumed",
    ("remove", "done"): "removed",
    ("renew", "done"): "with a new secret",
    ("resend", "done"): "sent again",
    ("rotate", "done"): "changed",
    ("link", "done"): "given a link",
    ("sign in", "done"): "signed in",
    ("sign out", "done"): "signed out",
}
_STANDING = frozenset({"waits", "quarantined", "failed", "held", "would be held"})
"""States of things that stand, not of changes by a run."""


def changed(counts: Mapping[str, int]) -> int:
    """How many steps changed something, here or there (or would, in a dry run)."""
    return sum(number for kind, _, state, number in _parts(counts) if state not in _STANDING)


def _parts(counts: Mapping[str, int]) -> Iterable[tuple[str, str, str, int]]:
    for key, number in counts.items():
        kind, _, rest = key.partition(".")
        action, _, state = rest.partition(".")
        if kind != "pages" and number:
            yield kind, action, state, number


def in_words(counts: Mapping[str, int]) -> str:
    """Such as `offerings: 6 new, 6 sent; people: 4 new`."""
    by_kind: dict[str, dict[str, int]] = {}
    for kind, action, state, number in _parts(counts):
        word = _WORDS.get((action, state), "wait" if state == "waits" else state)
        words = by_kind.setdefault(kind, {})
        words[word] = words.get(word, 0) + number
    return "; ".join(
        f"{_PLURALS[kind]}: " + ", ".join(f"{n} {word}" for word, n in by_kind[kind].items())
        for kind in _PLURALS
        if kind in by_kind
    )


def outcome_words(status: str, counts: Mapping[str, int], waits: Sequence[Wait]) -> str:
    """What a run changed and what waits at its end."""
    parts = [in_words(counts), *map(_waiting, waits)]
    words = "; ".join(part for part in parts if part)
    return words or ("nothing to do" if status == DONE else "")


WAITS = {
    "failed": "wait after a failure",
    "unsent": "wait to be sent",
    "unmatched": "wait for a match",
    "quarantined": "in quarantine",
    "held": "wait for approval",
    "staying": "still in courses outside the catalogue",
    "unopened": "wait for their learner",
    "unread": "wait for a connection",
    "missed": "wait for a reading in one run",
}
"""How a command says each kind of wait."""


def _waiting(wait: Wait) -> str:
    if wait.number == 1:
        return f"1 {wait.kind} {WAITS[wait.what].replace('wait', 'waits')}"
    return f"{wait.number} {_PLURALS[wait.kind]} {WAITS[wait.what]}"


def show_waits(waits: Iterable[Wait]) -> None:
    """How many records wait, since when, why, and the command that helps."""
    for each in waits:
        since = f" since {when(each.since)}" if each.since else ""
        print_line(f"    {_waiting(each)}{since}: {clean(each.why)}")
        print_line(f"      See: {each.command}")


def line_of(report: RunReport) -> str:
    """One line about one run."""
    words = outcome_words(report.status, report.counts, report.waits)
    status = click.style(report.status, fg=STYLES.get(report.status))
    text = f"{report.centre}: {status} in {report.seconds:.1f} s"
    return f"{text}, {words}" if words else text


def show_errors(report: RunReport) -> None:
    """What ended a stage early, with what to do about it."""
    if report.status == "busy":
        print_line("    Another run of this centre is at work.")
    for stage, error, more in alike(report.errors):
        print_line(f"    {stage}: {clean(error.message)}" + (f" And {more} more." if more else ""))
        if error.remedy:
            print_line(f"      {clean(error.remedy)}")
    show_waits(report.waits)
    for number in report.held:
        if number:
            print_line(f"    Held for approval: lms-bridge hold show {number}")


def alike(
    errors: Iterable[tuple[str, BridgeError]],
) -> list[tuple[str, BridgeError, int]]:
    """(first step, first error, how many more of it): one lost right is one line, not one for each
    course, and a token that ended is one line, not one for each step."""
    groups: dict[tuple[str, str], list[tuple[str, BridgeError]]] = {}
    for stage, error in errors:
        groups.setdefault((error.code, error.remedy), []).append((stage, error))
    return [(*same[0], len(same) - 1) for same in groups.values()]


def reports_as_json(report: RunReport) -> dict[str, Any]:
    return {
        "centre": report.centre,
        "run": report.run_id or None,
        "status": report.status,
        "seconds": round(report.seconds, 3),
        "counts": dict(report.counts),
        "held": [number for number in report.held if number],
        "waits": [each.document() for each in report.waits],
        "errors": [
            {"stage": stage, "code": e.code, "message": e.message, "remedy": e.remedy}
            for stage, e in report.errors
        ],
        "changes": [
            {name: value for name, value in change.items() if name not in ("run_id", "at")}
            for change in report.changes
        ],
    }


def exit_code(reports: Iterable[RunReport]) -> int:
    """0 when all is done, 1 when anything failed, 3 when something waits for approval, 4 when
    something else waits."""
    statuses = {report.status for report in reports}
    if statuses - {DONE, HELD, WAITING}:
        return session.SOME_FAILED
    if HELD in statuses:
        return session.WAITS_FOR_APPROVAL
    return session.SOME_WAIT if WAITING in statuses else session.ALL_DONE


# Items of a run are shown field by field. Long texts are shortened to where they differ. Of people
# only the names of changed fields are shown.


LONGEST = 60
_SIGNS = {"create": "+", "update": "~", "remove": "-", "read": "!", "conflict": "!"}
_COLOURS = {"+": "green", "~": "yellow", "-": "red", "!": "red"}
_EMPTY: tuple[object, ...] = (None, "", [], {})


def show_items(
    items: Iterable[Mapping[str, Any]], names: Mapping[tuple[str, int], str], indent: str = "  "
) -> None:
    seen: Counter[tuple[str, ...]] = Counter()
    for item in items:
        if item["state"] == "failed":
            cause = tuple(item[name] for name in ("system", "kind", "action", "code"))
            seen[cause] += 1
            if seen[cause] > MOST_ALIKE:
                continue
        sign = _SIGNS.get(item["action"], "*")
        print_line(indent + click.style(_headline(item, sign, names), fg=_COLOURS.get(sign)))
        for line in field_lines(item["fields"] or {}):
            print_line(f"{indent}    {line}")
        if item["message"]:
            print_line(f"{indent}    {clean(item['message'])}")
    for (system, kind, action, code), number in seen.items():
        if number > MOST_ALIKE:
            more = f"{number - MOST_ALIKE} more: {action}, failed for the same reason ({code})"
            print_line(f"{indent}! {kind} at {system_label(system)}, {more}", "red")


MOST_ALIKE = 3
"""Failures of one kind and cause in a run that are shown one by one; the others are counted."""


def _headline(item: Mapping[str, Any], sign: str, names: Mapping[tuple[str, int], str]) -> str:
    name = names.get((item["kind"], item["record_id"] or 0)) or clean(item["external_id"])
    at = system_label(item["system"])
    where = f" ({clean(item['external_id'])} at {at})" if item["external_id"] else ""
    return f"{sign} {item['kind']} {name or 'new'}: {item['action']}, {item['state']}{where}"


def field_lines(fields: Mapping[str, Any]) -> Iterator[str]:
    """What changed, field by field: {field: [before, after], or None if it is personal}."""
    personal = [name for name, values in fields.items() if values is None]
    if personal:
        yield f"{', '.join(personal)} (personal or secret: values are not shown)"
    for name, values in fields.items():
        if values is None:
            continue
        old, new = values
        if old in _EMPTY and new in _EMPTY:
            continue
        if old in _EMPTY:
            yield f"{name}: {shortened(_text(new), LONGEST)}"
        else:
            before, after = differing(_text(old), _text(new))
            yield f"{name}: {before} -> {after}"


def _text(value: object) -> str:
    if value in _EMPTY:
        return "(empty)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(_text(each) for each in value)
    if isinstance(value, Mapping):
        return " ".join(_text(each) for each in value.values())
    return clean(value)


def differing(old: str, new: str) -> tuple[str, str]:
    """Both texts, cut down to the place where they begin to differ."""
    if len(old) <= LONGEST and len(new) <= LONGEST:
        return old, new
    pairs = enumerate(zip(old, new, strict=False))
    same = next((at for at, (a, b) in pairs if a != b), min(len(old), len(new)))
    start = max(0, same - LONGEST // 3)
    lead = "…" if start else ""
    return lead + shortened(old[start:], LONGEST), lead + shortened(new[start:], LONGEST)


def show_changes(bridge: Bridge, reports: Sequence[RunReport]) -> None:
    """What dry runs would have changed."""
    with bridge.database.reading() as tx:
        names = item_labels(tx, [item for report in reports for item in report.changes])
    for report in reports:
        print_line(f"{report.centre}: " + _steps(report))
        show_items(report.changes, names)
        show_errors(report)
        if report.held:
            print_line("    Removals or conflicts would be held for approval.", "yellow")
    print_line("Nothing was changed: this was a dry run.")


def _accounts(counts: Mapping[str, int]) -> str:
    """How many new people have an account, get one, or stay unmatched."""
    found = {
        words: counts.get(f"{Kind.LEARNER}.create.{state}", 0)
        for state, words in _OF_ACCOUNTS.items()
    }
    told = ", ".join(f"{number} {words}" for words, number in found.items() if number)
    return f"; accounts: {told}" if told else ""


_OF_ACCOUNTS = {
    "would be found": "found there",
    "would be sent": "to be made",
    "would wait": "to be matched by a person",
}


def _steps(report: RunReport) -> str:
    steps = changed(report.counts)
    if steps:
        return f"{counted(steps, 'step')} to do{_accounts(report.counts)}"
    return "nothing to do" if report.status == DONE else report.status
