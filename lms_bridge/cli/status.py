"""`lms-bridge status`: whether anything is wrong, in one line, and which commands help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from lms_bridge.admin.matters import STOPPED, command_for, in_words, is_wrong, message_of
from lms_bridge.admin.queries import clock_state
from lms_bridge.bridge import Bridge
from lms_bridge.console import session
from lms_bridge.console.output import print_json, print_line, table, when
from lms_bridge.console.session import json_option, with_bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import plain
from lms_bridge.store.attention import Finding, failed_lately, findings
from lms_bridge.store.runs import end_lost_runs
from lms_bridge.store.write_check import WriteCheck

_SHOWN_CENTRES = 5


@click.command()
@json_option
@click.pass_context
@with_bridge
def status(bridge: Bridge, ctx: click.Context, in_json: bool) -> None:
    """Answers in one line whether anything is wrong, and shows below what helps.

    Exit code 0 when nothing is wrong, 3 when only people have to decide, else 1.
    """
    now = utc_now()
    end_lost_runs(bridge.database, now)
    with bridge.database.reading() as tx:
        found = findings(tx, now)
        lately = failed_lately(tx, now)
        clock = clock_state(tx, now, enabled=bridge.settings.clock.enabled)
    failure = WriteCheck(bridge.database).failure()
    stopped = clock == "stopped"
    wrong = bool(failure) or is_wrong(found, stopped=stopped)
    message = message_of(found, stopped=stopped, failure=failure.code if failure else "")
    if in_json:
        state = "wrong" if wrong else "waiting" if found else "ok"
        matters = [_document(each) for each in found]
        facts = {"status": state, "message": message, "clock": clock, "matters": matters}
        print_json({**facts, "failed_lately": lately})
    else:
        print_line(message, "red" if wrong else "yellow" if found else "green")
        if failure is not None:
            print_line(failure.remedy)
        _show(found, stopped)
        if lately:
            what = f"The last run failed at {_centres(lately)}. The next one may be good."
            print_line(f"{what} See: lms-bridge run list --centre {lately[0]}", "yellow")
    if wrong or found:
        ctx.exit(session.SOME_FAILED if wrong else session.WAITS_FOR_APPROVAL)


def _document(found: Finding) -> dict[str, Any]:
    return {
        "matter": found.matter,
        "count": found.count,
        "since": plain(found.since),
        "centres": [code for code in found.centres if code],
        "command": command_for(found),
    }


def _show(found: Sequence[Finding], stopped: bool) -> None:
    rows = [(STOPPED, "-", "-", "lms-bridge serve")] if stopped else []
    rows += [
        (in_words(each), _centres(each.centres), when(each.since), command_for(each))
        for each in found
    ]
    if rows:
        table(["what", "centres", "since", "what helps"], rows)


def _centres(codes: Sequence[str]) -> str:
    shown = [code or "the Academy's" for code in codes[:_SHOWN_CENTRES]]
    more = len(codes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
