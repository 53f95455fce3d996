"""Showing centres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.centre.checking import as_json
from lms_bridge.cli.output import say, table, tell_json, when
from lms_bridge.cli.session import with_bridge
from lms_bridge.domain.model import Centre
from lms_bridge.store import centres, reports

_json = click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")


@click.command("list")
@_json
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """All centres, with their last runs."""
    with bridge.database.reading() as tx:
        known = centres.all_centres(tx)
        last = {each.code: reports.last_runs(tx, centre=each.code, most=1) for each in known}
    if in_json:
        tell_json([as_json(each) for each in known])
        return
    if not known:
        say("There are no centres yet. Add one: lms-bridge centre add --help")
        return
    table(
        ["centre", "name", "region", "connector", "state", "last run", "status"],
        [_row(each, last[each.code]) for each in known],
    )


def _row(centre: Centre, runs: Sequence[Any]) -> tuple[str, ...]:
    last = (when(runs[0].started_at), runs[0].status) if runs else ("never", "-")
    state = "enabled" if centre.active else "disabled"
    return (centre.code, centre.name, centre.region, centre.connector, state, *last)


@click.command()
@click.argument("code")
@_json
@with_bridge
def show(bridge: Bridge, code: str, in_json: bool) -> None:
    """One centre with its options and policy, without its token."""
    centre = bridge.centre(code)
    with bridge.database.reading() as tx:
        has_token = bool(centres.secret_of(tx, code))
    shown = {**as_json(centre), "token": "set" if has_token else "none"}
    if in_json:
        tell_json(shown)
        return
    table(["field", "value"], [(name, _text(value)) for name, value in shown.items()])


def _text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(_text(each) for each in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_text(each)}" for name, each in value.items()) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "-"
