"""`lms-bridge centre`: training centres and how their LMSs are reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import click
from sqlalchemy import Row

from lms_bridge.admin.pauses import set_active
from lms_bridge.admin.queries import last_run_of_each
from lms_bridge.api.documents import NO_PROFILE, centre_state_document
from lms_bridge.bridge import Bridge
from lms_bridge.cli.centre_options import (
    TypedCentre,
    centre_as_json,
    centre_of,
    membership_problems,
    problems_of,
    typed_memberships,
)
from lms_bridge.console import session
from lms_bridge.console.output import print_json, print_line, table, warn, when
from lms_bridge.console.secret_input import TokenSource, ask_secret, token_options
from lms_bridge.console.session import DAY, by_command, json_option, with_bridge
from lms_bridge.console.summary import show_waits
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import Centre
from lms_bridge.domain.plurals import counted
from lms_bridge.domain.ports import ProbeFinding, Verdict
from lms_bridge.jobs.centre_checks import broken_flows, check_centre, finding_document
from lms_bridge.network.memberships import add_in
from lms_bridge.network.regions import record_move
from lms_bridge.registry import connector
from lms_bridge.store import centres, cycles, flow_states
from lms_bridge.store import memberships as memberships_store
from lms_bridge.store.runs import end_lost_runs
from lms_bridge.store.waits import wait_of
from lms_bridge.sync.run_state import state_in_words, worst


def show_findings(findings: Sequence[ProbeFinding]) -> bool:
    """Shows the findings; returns whether anything is missing."""
    if findings:
        table(
            ["check", "verdict", "what it means", "remedy"],
            [(f.check, f.verdict.upper(), f.message, f.remedy) for f in findings],
        )
    broken = broken_flows([finding_document(each) for each in findings])
    if broken:
        print_line(f"Will not work: {', '.join(broken)}.", "red")
    return any(finding.verdict is Verdict.MISSING for finding in findings)


@click.command()
@click.argument("code")
@json_option
@click.pass_context
@with_bridge
def check(bridge: Bridge, ctx: click.Context, code: str, in_json: bool) -> None:
    """Checks everything that the flows need of a centre's LMS, and changes nothing there.

    If nothing is missing, records that were refused for want of a right are sent by the next run.
    Exit code 0 when nothing is missing, else 1.
    """
    centre = bridge.centre(code)
    found = check_centre(bridge, centre, session.user_name())
    documents = [finding_document(each) for each in found.findings]
    if in_json:
        told = {"error": found.error} if found.error else {}
        flows = broken_flows(documents)
        print_json({"centre": code, "broken_flows": flows, "findings": documents, **told})
    elif not found.findings and not found.error:
        print_line(f"The connector {centre.connector} has nothing that could be checked.")
    else:
        show_findings(found.findings)
        if found.error:
            print_line(found.error, "red")
        elif not found.missing:
            print_line(f"{code} is ready: lms-bridge sync --centre {code} --dry-run", "green")
    if found.released and not in_json:
        print_line(
            f"The next run sends {counted(found.released, 'record')} that waited for a right."
        )
    if found.missing or found.error:
        ctx.exit(session.SOME_FAILED)


Command = TypeVar("Command", bound=Callable[..., Any])
_ANYTHING = "(a secret)"


def _fields(command: Command) -> Command:
    options = (
        click.option("--name", help="The centre's name for people."),
        click.option("--region", help="africa, americas, arab_states, asia_pacific, cis, europe."),
        click.option("--country", help="Two letters, such as KE."),
        click.option("--language", "languages", multiple=True, help="Such as fr. May be repeated."),
        click.option("--time-zone", help="Such as Africa/Nairobi."),
        click.option("--connector", help="The kind of LMS: moodle, files, ..."),
        click.option("--address", help="The LMS's address, or a folder's path for files."),
        click.option(
            "-o",
            "--option",
            "options",
            multiple=True,
            metavar="NAME=VALUE",
            help="An option of the connector; empty: its default. May be repeated.",
        ),
        click.option(
            "--policy",
            "policy",
            multiple=True,
            metavar="NAME=VALUE",
            help="A policy, a limit or the catalogue's time for this centre alone; empty: the "
            "general one. May be repeated.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("code")
@_fields
@click.option(
    "--membership",
    "memberships",
    multiple=True,
    metavar="CYCLE[=AREA;AREA]",
    help="A place in a cycle, with priority areas. May be repeated.",
)
@token_options
@with_bridge
def add(
    bridge: Bridge,
    /,
    code: str,
    memberships: tuple[str, ...],
    token_env: str | None,
    token_stdin: bool,
    **fields: Any,
) -> None:
    """Adds a centre. Asks for the LMS's token, which is kept encrypted; files and LTI need none."""
    typed = TypedCentre(**fields)
    blank = Centre(code=code.strip(), name="", region="", connector="moodle")
    centre, problems = centre_of(typed, blank)
    problems += _taken(bridge, centre.code)
    places = typed_memberships(centre.code, memberships)
    with bridge.database.reading() as tx:
        problems += membership_problems(places, cycles.all_cycles(tx))
    source = TokenSource(token_env, token_stdin)
    secret = source.read() if source.named else _ANYTHING
    problems += problems_of(centre, secret, bridge)
    if not problems and not source.named:
        needed = connector(centre.connector, "centre").needs_secret
        secret = ask_secret() if needed else ""
        problems = problems_of(centre, secret, bridge)
    if problems:
        raise SettingsInvalid(problems)
    by = by_command()
    with bridge.database.writing() as tx:
        centres.add(tx, centre, bridge.vault.lock(secret))
        decided = [add_in(tx, each, by=by) for each in places]
    for each in decided:
        for warning in each.warnings:
            warn(warning)
    print_line(f"{centre.code} is added. Now: lms-bridge centre check {centre.code}")


@click.command()
@click.argument("code")
@_fields
@token_options
@click.option("--ask-token", is_flag=True, help="Ask for a new token.")
@click.option(
    "--moved-on",
    type=DAY,
    help="With --region: the first day in the new region. Default: today. What was given before "
    "stays with the old one.",
)
@with_bridge
def change(
    bridge: Bridge,
    /,
    code: str,
    moved_on: date | None,
    token_env: str | None,
    token_stdin: bool,
    ask_token: bool,
    **fields: Any,
) -> None:
    """Changes the named fields of a centre and keeps the others."""
    before = bridge.centre(code)
    centre, problems = centre_of(TypedCentre(**fields), before)
    source = TokenSource(token_env, token_stdin)
    with bridge.database.reading() as tx:
        secret = bridge.vault.unlock(centres.secret_of(tx, code))
    if source.named:
        secret = source.read()
    elif ask_token:
        secret = ask_secret()
    problems += problems_of(centre, secret, bridge)
    if problems:
        raise SettingsInvalid(problems)
    new = bridge.vault.lock(secret) if source.named or ask_token else None
    with bridge.database.writing() as tx:
        centres.change(tx, centre, new)
        record_move(tx, before, centre, moved_on or utc_now().date(), by=by_command())
    print_line(f"{code} is changed." if new or centre != before else f"{code} was so already.")


@click.command()
@click.argument("code")
@with_bridge
def pause(bridge: Bridge, code: str) -> None:
    """Lets nothing run for a centre. Nothing is removed, neither here nor there."""
    changed = set_active(bridge, code, False, by_command())
    print_line(f"{code} is paused: nothing runs for it." if changed else f"{code} was so already.")


@click.command()
@click.argument("code")
@with_bridge
def resume(bridge: Bridge, code: str) -> None:
    """Lets a paused centre run again, at its usual times."""
    changed = set_active(bridge, code, True, by_command())
    print_line(f"{code} runs again." if changed else f"{code} was so already.")


def _taken(bridge: Bridge, code: str) -> list[str]:
    with bridge.database.reading() as tx:
        known = {each.code.casefold() for each in centres.all_centres(tx)}
    there = f"code: there is a centre {code} already; see `lms-bridge centre change`"
    return [there] if code.casefold() in known else []


@click.command("list")
@json_option
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """Lists all centres, with their last runs and the worst state of their flows."""
    end_lost_runs(bridge.database, utc_now())
    with bridge.database.reading() as tx:
        known = centres.all_centres(tx)
        places, told = memberships_store.by_centre(tx), centres.profiles(tx)
        last = last_run_of_each(tx)
        states = flow_states.statuses(tx)
    if in_json:
        documents = [
            {
                **centre_as_json(each, places.get(each.code, ()), told.get(each.code, NO_PROFILE)),
                **_state_as_json(states.get(each.code, {})),
            }
            for each in known
        ]
        print_json(documents)
        return
    if not known:
        print_line("There are no centres yet. Add one: lms-bridge centre add --help")
        return
    table(
        ["centre", "name", "region", "connector", "state", "last run", "status"],
        [_row(each, last.get(each.code), states.get(each.code, {})) for each in known],
    )


def _row(centre: Centre, run: Row[Any] | None, states: Mapping[str, str]) -> tuple[str, ...]:
    last = when(run.started_at) if run else "never"
    state = "active" if centre.active else "paused"
    status = state_in_words(states) or (run.status if run else "-")
    return (centre.code, centre.name, centre.region, centre.connector, state, last, status)


def _state_as_json(states: Mapping[str, str]) -> Mapping[str, Any]:
    return {"status": worst(states.values()) if states else None, "flows": dict(states)}


@click.command()
@click.argument("code")
@json_option
@with_bridge
def show(bridge: Bridge, code: str, in_json: bool) -> None:
    """Shows one centre: its options and policy, how its flows go, and what waits. No token."""
    centre = bridge.centre(code)
    end_lost_runs(bridge.database, utc_now())
    with bridge.database.reading() as tx:
        has_token = bool(centres.secret_of(tx, code))
        places = memberships_store.memberships_of(tx, code)
        profile = centres.profile_of(tx, code)
        state = centre_state_document(tx, centre)
    shown = {**centre_as_json(centre, places, profile), "token": "set" if has_token else "none"}
    if in_json:
        print_json({**shown, "state": state})
        return
    table(["field", "value"], [(name, _text(value)) for name, value in shown.items()])
    _show_state(state)


_OF_A_FLOW = ("flow", "run", "status", "failing_since", "good_at")


def _show_state(state: Mapping[str, Any]) -> None:
    """How each flow goes, and what waits."""
    print_line()
    if not state["active"]:
        print_line(f"Paused, nothing runs until: lms-bridge centre resume {state['centre']}")
    if not state["flows"]:
        print_line(f"No flow ran yet: lms-bridge sync --centre {state['centre']}")
        return
    table(
        ["flow", "last run", "status", "fails since", "last good run"],
        [[each[name] or "-" for name in _OF_A_FLOW] for each in state["flows"]],
    )
    print_line("What waits:" if state["waits"] else "Nothing waits.")
    show_waits(map(wait_of, state["waits"]))


def _text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(_text(each) for each in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_text(each)}" for name, each in value.items()) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "-"
