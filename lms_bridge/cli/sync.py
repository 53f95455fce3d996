"""`lms-bridge sync`: the runs themselves."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli import exits
from lms_bridge.cli.diff import show_items
from lms_bridge.cli.naming import names_of_items
from lms_bridge.cli.output import say, tell_json
from lms_bridge.cli.progress import watching
from lms_bridge.cli.session import with_bridge
from lms_bridge.cli.summary import as_json, changed, show_errors
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.store import centres
from lms_bridge.sync.run import Report


@click.command()
@click.option("--centre", "codes", multiple=True, help="This centre alone. May be repeated.")
@click.option(
    "--flow",
    "flows",
    multiple=True,
    type=click.Choice([flow.value for flow in Flow]),
    help="This flow alone. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Show every change, field by field; make none.")
@click.option(
    "--changes-only",
    is_flag=True,
    help="Follow what changed, without comparing with what the targets show.",
)
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
@with_bridge
def sync(
    bridge: Bridge,
    ctx: click.Context,
    codes: tuple[str, ...],
    flows: tuple[str, ...],
    dry_run: bool,
    changes_only: bool,
    in_json: bool,
) -> None:
    """Reads and sends everything that differs, for all centres that are enabled or those named.

    Exit code 0 when all is done, 1 when anything failed or was quarantined or a centre was busy,
    3 when nothing is left but what waits for approval.
    """
    chosen = _chosen(bridge, codes)
    orders = [
        bridge.request(
            centre,
            tuple(flow for flow in Flow if not flows or flow in flows),
            full=not changes_only,
            dry=dry_run,
        )
        for centre in chosen
    ]
    quiet = in_json or dry_run
    with watching([centre.code for centre in chosen], quiet=quiet) as watch:
        reports = bridge.run_all(orders, watch.progress, watch.done) if orders else []
    if in_json:
        tell_json({"dry_run": dry_run, "centres": [as_json(report) for report in reports]})
    elif not orders:
        say("There is no centre to sync. Add one: lms-bridge centre add --help")
    elif dry_run:
        show_changes(bridge, reports)
    ctx.exit(exits.of_reports(reports))


def _chosen(bridge: Bridge, codes: Sequence[str]) -> Sequence[Centre]:
    if not codes:
        with bridge.database.reading() as tx:
            return centres.all_centres(tx, active_only=True)
    chosen = [bridge.centre(code) for code in dict.fromkeys(codes)]
    disabled = [centre.code for centre in chosen if not centre.active]
    if disabled:
        raise Refused(
            "centre-disabled",
            f"Disabled: {', '.join(disabled)}.",
            "Enable it first: lms-bridge centre enable CODE",
        )
    return chosen


def show_changes(bridge: Bridge, reports: Sequence[Report]) -> None:
    """What dry runs would have changed."""
    with bridge.database.reading() as tx:
        names = names_of_items(tx, [item for report in reports for item in report.changes])
    for report in reports:
        steps = changed(report.counts)
        say(f"{report.centre}: " + (f"{steps} step(s) to do" if steps else "nothing to do"))
        show_items(report.changes, names)
        show_errors(report)
        if report.held:
            say("    Removals or conflicts would be held for approval.", "yellow")
    say("Nothing was changed: this was a dry run.")
