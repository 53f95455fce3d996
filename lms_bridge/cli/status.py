"""`lms-bridge status`: whether anything is wrong, in one line, and which commands help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from lms_bridge.admin.queries import clock_state
from lms_bridge.bridge import Bridge
from lms_bridge.console import session
from lms_bridge.console.output import print_json, print_line, table, when
from lms_bridge.console.session import json_option, with_bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import plain
from lms_bridge.store.attention import DECISIONS, FAILING_HOURS, Finding, Matter, findings
from lms_bridge.store.failures import StorageFailure
from lms_bridge.store.probe import WriteProbe

_SHOWN_CENTRES = 5
_WORDS: dict[Matter, tuple[str, str]] = {
    Matter.CENTRES_FAILING: (
        f"centre fails for more than {FAILING_HOURS} hours",
        f"centres fail for more than {FAILING_HOURS} hours",
    ),
    Matter.CENTRES_NEVER_RAN: ("centre never ran", "centres never ran"),
    Matter.RECORDS_FAILING: ("record waits after a failure", "records wait after failures"),
    Matter.QUARANTINED: ("record is in quarantine", "records are in quarantine"),
    Matter.WEBHOOKS_OFF: ("webhook is switched off", "webhooks are switched off"),
    Matter.HOLDS: ("hold waits for a decision", "holds wait for a decision"),
    Matter.PEOPLE_UNMATCHED: ("person waits to be matched", "people wait to be matched"),
    Matter.CONNECTIONS_WAITING: (
        "LTI connection waits for approval",
        "LTI connections wait for approval",
    ),
}
_COMMANDS: dict[Matter, str] = {
    Matter.CENTRES_FAILING: "run list --centre {centre}",
    Matter.CENTRES_NEVER_RAN: "sync --centre {centre}",
    Matter.RECORDS_FAILING: "resend --centre {centre} --list",
    Matter.QUARANTINED: "run show {run}",
    Matter.WEBHOOKS_OFF: "webhook list",
    Matter.HOLDS: "hold list",
    Matter.PEOPLE_UNMATCHED: "person unmatched",
    Matter.CONNECTIONS_WAITING: "lti list",
}
_STOPPED = "no clock is running"


@click.command()
@json_option
@click.pass_context
@with_bridge
def status(bridge: Bridge, ctx: click.Context, in_json: bool) -> None:
    """Answers in one line whether anything is wrong, and shows below what helps.

    Exit code 0 when nothing is wrong, 3 when only people have to decide, else 1.
    """
    now = utc_now()
    with bridge.database.reading() as tx:
        found = findings(tx, now)
        clock = clock_state(tx, now, enabled=bridge.settings.clock.enabled)
    failure = WriteProbe(bridge.database).failure()
    stopped = clock == "stopped"
    wrong = bool(failure) or stopped or any(each.matter not in DECISIONS for each in found)
    message = _message(found, stopped, wrong, failure)
    if in_json:
        state = "wrong" if wrong else "waiting" if found else "ok"
        matters = [_document(each) for each in found]
        print_json({"status": state, "message": message, "clock": clock, "matters": matters})
    else:
        print_line(message, "red" if wrong else "yellow" if found else "green")
        if failure is not None:
            print_line(failure.remedy)
        _show(found, stopped)
    if wrong or found:
        ctx.exit(session.SOME_FAILED if wrong else session.WAITS_FOR_APPROVAL)


def _message(
    found: Sequence[Finding], stopped: bool, wrong: bool, failure: StorageFailure | None
) -> str:
    parts = [f"nothing can be stored ({failure.code})"] if failure else []
    parts += [_STOPPED] if stopped else []
    parts += [_in_words(each) for each in found]
    if not parts:
        return "Nothing is wrong."
    lead = "Something is wrong" if wrong else "Nothing failed, but people have to decide"
    return f"{lead}: {', '.join(parts)}."


def _in_words(found: Finding) -> str:
    one, many = _WORDS[found.matter]
    return f"{found.count} {one if found.count == 1 else many}"


def command_for(found: Finding) -> str:
    """The command that helps, with the first centre or the last run in it."""
    centre = next((code for code in found.centres if code), "")
    return f"lms-bridge {_COMMANDS[found.matter]}".format(centre=centre, run=found.run)


def _document(found: Finding) -> dict[str, Any]:
    return {
        "matter": found.matter,
        "count": found.count,
        "since": plain(found.since),
        "centres": [code for code in found.centres if code],
        "command": command_for(found),
    }


def _show(found: Sequence[Finding], stopped: bool) -> None:
    rows = [(_STOPPED, "-", "-", "lms-bridge serve")] if stopped else []
    rows += [
        (_in_words(each), _centres(each.centres), when(each.since), command_for(each))
        for each in found
    ]
    if rows:
        table(["what", "centres", "since", "what helps"], rows)


def _centres(codes: Sequence[str]) -> str:
    shown = [code or "the Academy's" for code in codes[:_SHOWN_CENTRES]]
    more = len(codes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
