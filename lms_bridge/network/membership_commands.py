"""`lms-bridge membership` and `lms-bridge roll-over`: who is a member, when, and who stays one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import click

from lms_bridge.api.documents import membership_document
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_json, print_line, table, warn, when
from lms_bridge.console.session import DAY, NUMBER, by_command, json_option, with_bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.network import MembershipStatus
from lms_bridge.domain.plurals import counted
from lms_bridge.network import memberships as service
from lms_bridge.network import roll_overs
from lms_bridge.network.decision import decide
from lms_bridge.network.memberships import Decided, NewMembership
from lms_bridge.reference import reference
from lms_bridge.store import centres
from lms_bridge.store import memberships as store
from lms_bridge.sync.memberships import uncovered

_reason = click.option("--reason", default="", help="Why; kept with the membership.")
_in_cycle = click.option("--cycle", default="", help="In this cycle, where there are several.")


@click.command("list")
@click.option("--centre", default="", help="Only those of this centre.")
@click.option("--region", default="", help="Only those of centres in this region.")
@click.option("--cycle", default="", help="Only those in this cycle.")
@click.option(
    "--status",
    type=click.Choice([each.value for each in MembershipStatus]),
    help="Only those that are this today.",
)
@json_option
@with_bridge
def list_(
    bridge: Bridge, centre: str, region: str, cycle: str, status: str | None, in_json: bool
) -> None:
    """Lists memberships by centre, the earliest first."""
    today = utc_now().date()
    with bridge.database.reading() as tx:
        regions = {each.code: each.region for each in centres.all_centres(tx)}
        found = [
            each
            for each in store.all_memberships(tx, in_cycle=cycle)
            if centre in ("", each.centre)
            and region in ("", regions[each.centre])
            and status in (None, each.period.status(today))
        ]
    if in_json:
        print_json([membership_document(each, today) for each in found])
        return
    table(
        ["number", "centre", "cycle", "days", "status", "priority areas"],
        [
            (
                each.number,
                each.centre,
                each.cycle,
                each.period,
                each.period.status(today),
                "; ".join(each.priority_areas) or "-",
            )
            for each in found
        ],
    )


@click.command()
@click.argument("centre")
@click.argument("cycle")
@click.option("--starts", type=DAY, help="The first day. Default: that of the cycle.")
@click.option("--ends", type=DAY, help="The last day. Default: that of the cycle.")
@click.option("--area", "areas", multiple=True, help="A priority area. May be repeated.")
@_reason
@json_option
@with_bridge
def add(
    bridge: Bridge,
    centre: str,
    cycle: str,
    starts: date | None,
    ends: date | None,
    areas: tuple[str, ...],
    reason: str,
    in_json: bool,
) -> None:
    """Makes CENTRE a member in CYCLE."""
    new = NewMembership(centre, cycle, starts, ends, areas, reason)
    _show(bridge, decide(bridge.database, service.add_membership(new, by=by_command())), in_json)


@click.command()
@click.argument("centre")
@click.option("--area", "areas", multiple=True, required=True, help="May be repeated.")
@_in_cycle
@json_option
@with_bridge
def areas(bridge: Bridge, centre: str, areas: tuple[str, ...], cycle: str, in_json: bool) -> None:
    """Replaces the priority areas of CENTRE's membership."""
    number = _number(bridge, centre, cycle)
    _show(
        bridge,
        decide(bridge.database, service.change_areas(number, areas, by=by_command())),
        in_json,
    )


@click.command()
@click.argument("centre")
@click.option("--on", "last_day", type=DAY, help="The last day. Default: today.")
@_in_cycle
@_reason
@json_option
@with_bridge
def end(
    bridge: Bridge, centre: str, last_day: date | None, cycle: str, reason: str, in_json: bool
) -> None:
    """Ends CENTRE's membership. Courses that have begun run to their end, and no new one starts."""
    number = _number(bridge, centre, cycle)
    ended = decide(
        bridge.database,
        service.end_membership(
            number, last_day or utc_now().date(), by=by_command(), reason=reason
        ),
    )
    _show(bridge, ended, in_json)


@click.command()
@click.argument("centre")
@click.option("--starts", type=DAY, help="Of one that is over: its next first day. Default: today.")
@click.option("--ends", type=DAY, help="The last day. Default: that of the cycle.")
@_in_cycle
@_reason
@json_option
@with_bridge
def renew(
    bridge: Bridge,
    centre: str,
    starts: date | None,
    ends: date | None,
    cycle: str,
    reason: str,
    in_json: bool,
) -> None:
    """Lets CENTRE's membership last longer, or begin again."""
    renewed = decide(
        bridge.database,
        service.renew_membership(
            _number(bridge, centre, cycle),
            by=by_command(),
            starts_on=starts,
            ends_on=ends,
            reason=reason,
        ),
    )
    _show(bridge, renewed, in_json)


@click.command()
@click.argument("number", type=NUMBER)
@with_bridge
def remove(bridge: Bridge, number: int) -> None:
    """Removes a membership that has not begun."""
    gone = decide(bridge.database, service.remove_membership(number, by=by_command()))
    print_line(f"{gone.centre} is no member in {gone.cycle}.")


def _number(bridge: Bridge, code: str, cycle: str) -> int:
    """The number of the centre's last membership, in that cycle if one is named."""
    bridge.centre(code)
    with bridge.database.reading() as tx:
        mine = [each for each in store.memberships_of(tx, code) if cycle in ("", each.cycle)]
    names = {each.cycle for each in mine}
    today = utc_now().date()
    if len(names) > 1:
        current = {each.cycle for each in mine if each.period.holds(today)}
        if len(current) != 1:
            raise Refused(
                "which-cycle",
                f"{code} has memberships in several cycles: {', '.join(sorted(names))}.",
                "Name one with --cycle.",
            )
        mine = [each for each in mine if each.cycle in current]
    if not mine:
        raise NotFound(
            "no-such-membership",
            f"{code} has no membership" + (f" in {cycle}." if cycle else "."),
            "See `lms-bridge membership list`.",
        )
    return mine[-1].number


def _show(bridge: Bridge, decided: Decided, in_json: bool) -> None:
    now, each = utc_now(), decided.membership
    with bridge.database.reading() as tx:
        codes = sorted(record.code for record in uncovered(tx, each.centre, now).values())
    for warning in decided.warnings:
        warn(warning)
    if in_json:
        document = membership_document(each, now.date())
        print_json({"membership": document, "warnings": list(decided.warnings), "offerings": codes})
        return
    areas = "; ".join(each.priority_areas) or "no priority area"
    print_line(f"{each.number}: {each.centre} in {each.cycle}, {each.period}, {areas}")
    if codes:
        print_line("Postponed, since they start on a day without a membership: " + ", ".join(codes))


# Roll-overs


@click.command("plan")
@click.argument("region")
@click.argument("old")
@click.argument("new")
@click.option("--leave", multiple=True, metavar="CENTRE", help="Not this one. May be repeated.")
@click.option(
    "--areas",
    "typed",
    multiple=True,
    metavar="CENTRE=AREA;AREA",
    help="The areas of a centre in NEW, where they change. May be repeated.",
)
@json_option
@with_bridge
def plan(
    bridge: Bridge,
    region: str,
    old: str,
    new: str,
    leave: tuple[str, ...],
    typed: tuple[str, ...],
    in_json: bool,
) -> None:
    """Plans to take the centres of REGION from the cycle OLD to NEW. It changes no membership."""
    wish = roll_overs.Wish(region, old, new, leave, dict(map(_areas, typed)))
    number = decide(
        bridge.database, roll_overs.plan(wish, list(reference().regions), by=by_command())
    )
    _show_plan(bridge, number, in_json)


def _areas(text: str) -> tuple[str, Sequence[str]]:
    code, equals, areas = text.partition("=")
    if not equals:
        raise Refused("areas-unclear", f"--areas {text} is not CENTRE=AREA;AREA.")
    return code.strip(), [each.strip() for each in areas.split(";") if each.strip()]


@click.command("list")
@json_option
@with_bridge
def list_plans(bridge: Bridge, in_json: bool) -> None:
    """Lists all plans."""
    with bridge.database.reading() as tx:
        rows = roll_overs.plans(tx)
    if in_json:
        print_json([roll_overs.plan_document(row) for row in rows])
        return
    table(
        ["number", "region", "from", "to", "status", "made", "by"],
        [
            (row.id, row.region, row.old, row.new, row.status, when(row.made_at), row.made_by)
            for row in rows
        ],
    )


@click.command("show")
@click.argument("number", type=NUMBER)
@json_option
@with_bridge
def show_plan(bridge: Bridge, number: int, in_json: bool) -> None:
    """Shows a plan, centre by centre."""
    _show_plan(bridge, number, in_json)


def _show_plan(bridge: Bridge, number: int, in_json: bool) -> None:
    with bridge.database.reading() as tx:
        row = roll_overs.find_plan(tx, number)
    found = roll_overs.plan_document(row)
    if in_json:
        print_json(found)
        return
    print_line(f"Plan {number}: {row.region}, {row.old} to {row.new}: {row.status}")
    table(
        ["centre", "what", "ends", "starts", "areas before", "areas after", "why"],
        [_cells(line) for line in found["lines"]],
    )
    if row.status == roll_overs.PENDING:
        print_line(f"Nothing is changed yet: lms-bridge roll-over approve {number}")


def _cells(line: Mapping[str, Any]) -> tuple[str, ...]:
    why = [line["why"]] if line["why"] else []
    if line["dropped"]:
        why.append(f"not in the new cycle: {', '.join(line['dropped'])}")
    return (
        line["centre"],
        line["action"],
        line["old_ends_on"] or "-",
        line["new_starts_on"] or "-",
        "; ".join(line["areas_before"]) or "-",
        "; ".join(line["areas_after"]) or "-",
        "; ".join(why) or "-",
    )


@click.command()
@click.argument("number", type=NUMBER)
@with_bridge
def approve(bridge: Bridge, number: int) -> None:
    """Carries a plan out, if the network is still as the plan has it."""
    taken = decide(bridge.database, roll_overs.approve(number, None, by=by_command()))
    print_line(f"The new cycle has {counted(taken, 'member')}.")


@click.command()
@click.argument("number", type=NUMBER)
@with_bridge
def reject(bridge: Bridge, number: int) -> None:
    """Keeps the memberships as they are."""
    decide(bridge.database, roll_overs.reject(number, None, by=by_command()))
    print_line(f"Plan {number} is rejected. Nothing was changed.")
