"""`lms-bridge sync`: the runs themselves."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_json, print_line
from lms_bridge.console.progress import watching
from lms_bridge.console.session import json_option, with_bridge
from lms_bridge.console.summary import exit_code, reports_as_json, show_changes
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.store import centres


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
@json_option
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
    """Reads the active or the named centres, and sends the differences.

    The exit code is 0 if all is done and nothing waits. It is 1 if anything failed or was
    quarantined, or a centre was busy. It is 3 if something waits for approval, and 4 if something
    else waits: people without an account, or records in quarantine or after a failure.
    """
    chosen = _chosen(bridge, codes)
    requests = [
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
        reports = bridge.run_all(requests, watch.progress, watch.done) if requests else []
    if in_json:
        print_json({"dry_run": dry_run, "centres": [reports_as_json(report) for report in reports]})
    elif not requests:
        print_line(_nobody(bridge))
    elif dry_run:
        show_changes(bridge, reports)
    ctx.exit(exit_code(reports))


def _nobody(bridge: Bridge) -> str:
    with bridge.database.reading() as tx:
        paused = [each.code for each in centres.all_centres(tx)]
    if not paused:
        return "There is no centre to sync. Add one: lms-bridge centre add --help"
    return f"Every centre is paused. Let one run again: lms-bridge centre resume {paused[0]}"


def _chosen(bridge: Bridge, codes: Sequence[str]) -> Sequence[Centre]:
    if not codes:
        with bridge.database.reading() as tx:
            return centres.all_centres(tx, active_only=True)
    chosen = [bridge.centre(code) for code in dict.fromkeys(codes)]
    paused = [centre.code for centre in chosen if not centre.active]
    if paused:
        raise Refused(
            "centre-paused",
            f"Paused: {', '.join(paused)}.",
            "Resume it first: lms-bridge centre resume CODE",
        )
    return chosen
