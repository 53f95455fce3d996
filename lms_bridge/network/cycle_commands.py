"""`lms-bridge cycle` and `lms-bridge area`: cycles of the programme, and their priority areas."""

from __future__ import annotations

from datetime import date
from typing import Any

import click

from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_json, print_line, table, warn
from lms_bridge.console.session import DAY, by_command, json_option, with_bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.network import Cycle
from lms_bridge.network import areas
from lms_bridge.network import cycles as service
from lms_bridge.network.decision import decide, find_cycle
from lms_bridge.network.schemas import cycle_document
from lms_bridge.reference import reference
from lms_bridge.store import cycles

_overlap = click.option("--overlap", is_flag=True, help="Allow days that another cycle has, too.")
_most = click.option("--most", type=click.IntRange(1, 100), help="Most priority areas of a centre.")
_programme = click.option("--programme", help="What the programme is called.")


@click.command("list")
@json_option
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """Lists all cycles, the earliest first."""
    today = utc_now().date()
    with bridge.database.reading() as tx:
        found = list(cycles.all_cycles(tx).values())
        changed = service.compare(tx, reference().cycles)
    if changed:
        warn("config/ says other than here: see `lms-bridge cycle compare`")
    if in_json:
        print_json([cycle_document(each, today) for each in found])
    elif not found:
        print_line("There are no cycles yet. Open one: lms-bridge cycle open --help")
    else:
        table(
            ["cycle", "programme", "days", "state", "areas"],
            [
                (
                    each.name,
                    each.programme,
                    each.period,
                    each.period.status(today),
                    len(each.areas),
                )
                for each in found
            ],
        )


@click.command()
@click.argument("name")
@json_option
@with_bridge
def show(bridge: Bridge, name: str, in_json: bool) -> None:
    """Shows one cycle with its priority areas."""
    with bridge.database.reading() as tx:
        found = find_cycle(tx, name)
    _show(found, in_json)


def _show(found: Cycle, in_json: bool) -> None:
    if in_json:
        print_json(cycle_document(found, utc_now().date()))
        return
    print_line(f"{found.name}: {found.programme or '-'}, {found.period}")
    most = f"at most {found.most_per_centre}" if found.most_per_centre else "no known limit"
    whole = "these are all" if found.complete else "there may be others than these"
    print_line(f"Priority areas of a centre: {most}; {whole}")
    for each in found.areas:
        before = [old for old, now in found.former.items() if now == each]
        print_line(f"  {each}" + (f" (before: {', '.join(before)})" if before else ""))


@click.command("open")
@click.argument("name")
@click.option("--starts", type=DAY, required=True, help="Its first day, such as 2027-01-01.")
@click.option("--ends", type=DAY, help="Its last day. Without one it has no end yet.")
@_programme
@click.option("--area", "names", multiple=True, help="A priority area. May be repeated.")
@click.option("--areas-of", default="", help="Take the priority areas of this cycle.")
@_most
@click.option("--complete", is_flag=True, help="These are all areas that the cycle has.")
@_overlap
@json_option
@with_bridge
def open_(
    bridge: Bridge,
    name: str,
    starts: date,
    ends: date | None,
    programme: str | None,
    names: tuple[str, ...],
    areas_of: str,
    most: int | None,
    complete: bool,
    overlap: bool,
    in_json: bool,
) -> None:
    """Opens a cycle of the programme."""
    new = Cycle(name, programme or "", starts, ends, complete, most, names)
    made = decide(
        bridge.database,
        service.open_cycle(new, by=by_command(), areas_of=areas_of, overlap=overlap),
    )
    _show(made, in_json)


@click.command()
@click.argument("name")
@click.option("--starts", type=DAY, help="Its first day.")
@click.option("--ends", type=DAY, help="Its last day. Memberships end with it at the latest.")
@click.option("--no-end", is_flag=True, help="It has no end yet.")
@_programme
@_most
@click.option("--no-limit", is_flag=True, help="No limit of priority areas is known.")
@click.option("--complete", type=bool, help="Whether the list of areas is whole: yes or no.")
@_overlap
@json_option
@with_bridge
def change(
    bridge: Bridge,
    name: str,
    starts: date | None,
    ends: date | None,
    no_end: bool,
    programme: str | None,
    most: int | None,
    no_limit: bool,
    complete: bool | None,
    overlap: bool,
    in_json: bool,
) -> None:
    """Changes the named values of a cycle and keeps the others."""
    if (ends and no_end) or (most and no_limit):
        raise Refused("two-answers", "Give --ends or --no-end, --most or --no-limit, not both.")
    given = {
        "starts_on": starts,
        "ends_on": ends,
        "programme": programme,
        "most_per_centre": most,
        "complete": complete,
    }
    changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    changes |= {"ends_on": None} if no_end else {}
    changes |= {"most_per_centre": None} if no_limit else {}
    _show(
        decide(
            bridge.database, service.change_cycle(name, changes, by=by_command(), overlap=overlap)
        ),
        in_json,
    )


@click.command()
@json_option
@with_bridge
def compare(bridge: Bridge, in_json: bool) -> None:
    """Shows what changed in config/ since its cycles were copied. It changes nothing."""
    with bridge.database.reading() as tx:
        found = service.compare(tx, reference().cycles)
    if in_json:
        print_json(
            [
                {
                    "cycle": each.cycle,
                    "field": each.field,
                    "seeded": each.seeded,
                    "config": each.now,
                    "here": each.here,
                }
                for each in found
            ]
        )
    elif not found:
        print_line("Nothing in config/ says other than here.")
    else:
        table(
            ["cycle", "field", "config/ said", "config/ says", "here"],
            [
                (each.cycle, each.field or "(new)", each.seeded, each.now, each.here)
                for each in found
            ],
        )
        print_line("Nothing was changed. Change it here: lms-bridge cycle change, area add, ...")


@click.command()
@click.argument("cycle")
@click.argument("name")
@json_option
@with_bridge
def add(bridge: Bridge, cycle: str, name: str, in_json: bool) -> None:
    """Adds a priority area to CYCLE."""
    _show(decide(bridge.database, areas.add_area(cycle, name, by=by_command())), in_json)


@click.command()
@click.argument("cycle")
@click.argument("area")
@click.argument("name")
@json_option
@with_bridge
def rename(bridge: Bridge, cycle: str, area: str, name: str, in_json: bool) -> None:
    """Gives AREA of CYCLE another NAME; offerings with the old one still have their area."""
    _show(decide(bridge.database, areas.rename_area(cycle, area, name, by=by_command())), in_json)


@click.command()
@click.argument("cycle")
@click.argument("merged", nargs=-1, required=True, metavar="AREA...")
@click.option("--into", required=True, help="The area that stays.")
@json_option
@with_bridge
def merge(bridge: Bridge, cycle: str, merged: tuple[str, ...], into: str, in_json: bool) -> None:
    """Makes one area of several; offerings with the old names still have their area."""
    _show(decide(bridge.database, areas.merge_areas(cycle, merged, into, by=by_command())), in_json)
