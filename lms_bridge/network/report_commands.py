"""`lms-bridge report year`: what the network did in a year."""

from __future__ import annotations

from pathlib import Path

import click

from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_json, print_line, table
from lms_bridge.console.session import json_option, with_bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.network.year import FIRST_YEAR, LAST_YEAR, Wanted, as_csv, report, rows_of
from lms_bridge.reference import reference

_SHOWN = (
    *("planned", "given", "cancelled", "participants", "countries", "completion_percent"),
    *("certificates", "reports_missing"),
)


@click.command()
@click.argument("year", type=click.IntRange(FIRST_YEAR, LAST_YEAR))
@click.option("--region", default="", help="Only what was given in this region.")
@click.option("--centre", default="", help="Only what this centre gave.")
@click.option(
    "--csv",
    "file",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path),
    help="Write all figures to this file as CSV; - for standard output.",
)
@json_option
@with_bridge
def year(
    bridge: Bridge, year: int, region: str, centre: str, file: Path | None, in_json: bool
) -> None:
    """Shows what the network did in YEAR: courses, people, certificates, reports in time."""
    if region and region not in reference().regions:
        known = ", ".join(reference().regions)
        raise NotFound("no-such-region", "There is no such region.", f"Known: {known}.")
    if centre:
        bridge.centre(centre)
    with bridge.database.reading() as tx:
        found = report(tx, Wanted(year, region, centre), bridge.settings.rules, utc_now())
    if file is not None:
        with click.open_file(str(file), "wb") as stream:
            stream.write(as_csv(found))
        if str(file) != "-" and not in_json:
            print_line(f"The report of {year} is in {file}.")
    if in_json:
        print_json(found)
    elif file is None:
        table(
            ["", *(name.replace("_", " ") for name in _SHOWN)],
            [
                (
                    each.get("centre") or each.get("region") or "all",
                    *("-" if each[name] is None else each[name] for name in _SHOWN),
                )
                for _, each in rows_of(found)
            ],
        )
        print_line("All figures: --json or --csv FILE")
