"""`lms-bridge hold`: plans and conflicts that wait for a person's decision."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import Row

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.naming import names_of
from lms_bridge.cli.numbers import NUMBER
from lms_bridge.cli.output import say, table, tell_json, when
from lms_bridge.cli.session import with_bridge
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Kind
from lms_bridge.store import holds
from lms_bridge.sync.decisions import decide_hold

_json = click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")
_MEANING = {
    holds.REMOVALS: "These records are gone at the source. Approved, they are removed; rejected, "
    "they stay.",
    holds.CONFLICT: "The target holds something else than it was sent. Approved, the bridge's "
    "record is sent again; rejected, the target's stays.",
}


@click.group()
def hold() -> None:
    """Plans and conflicts that wait for a person."""


@hold.command("list")
@click.option("--centre", default="", help="Holds of this centre alone.")
@click.option("--all", "everything", is_flag=True, help="Decided and outdated ones, too.")
@_json
@with_bridge
def list_(bridge: Bridge, centre: str, everything: bool, in_json: bool) -> None:
    """What waits for a decision."""
    if centre:
        bridge.centre(centre)
    with bridge.database.reading() as tx:
        rows = holds.holds(tx, centre=centre, status="" if everything else holds.PENDING)
    if in_json:
        tell_json([dict(row._mapping) for row in rows])
    elif not rows:
        say("Nothing waits for a decision.")
    else:
        table(
            ["hold", "centre", "about", "records", "reason", "status", "since"],
            [
                (
                    row.id,
                    row.centre,
                    f"{row.kind} at {row.system}",
                    f"{len(row.record_ids)} of {row.out_of}",
                    row.reason,
                    row.status,
                    when(row.created_at),
                )
                for row in rows
            ],
        )


@hold.command()
@click.argument("number", type=NUMBER)
@_json
@with_bridge
def show(bridge: Bridge, number: int, in_json: bool) -> None:
    """One hold, with the records that it is about."""
    with bridge.database.reading() as tx:
        row = holds.hold_row(tx, number)
        if row is None:
            raise NotFound(
                "no-such-hold", f"There is no hold {number}.", "See `lms-bridge hold list`."
            )
        names = names_of(tx, Kind(row.kind), row.record_ids)
    records = [names.get(record_id, f"record {record_id}") for record_id in row.record_ids]
    if in_json:
        tell_json({**row._mapping, "records": records})
        return
    _show_head(row)
    for record in records:
        say(f"  - {record}")
    if row.status == holds.PENDING:
        say(f"Decide: lms-bridge hold approve {number}, or lms-bridge hold reject {number}")


def _show_head(row: Row[Any]) -> None:
    say(f"Hold {row.id} of {row.centre}: {row.status}, since {when(row.created_at)}")
    say(f"{len(row.record_ids)} {row.kind} record(s) of {row.out_of} at {row.system}, {row.reason}")
    say(_MEANING.get(row.reason, ""))
    if row.decided_at:
        say(f"Decided by {row.decided_by} at {when(row.decided_at)}")


def _decision(verb: str, approve: bool, meaning: str) -> click.Command:
    @click.command(verb, help=meaning)
    @click.argument("numbers", type=NUMBER, nargs=-1, required=True)
    @click.option("--by", default="", help="Who decides; by default your user name.")
    @with_bridge
    def decide(bridge: Bridge, numbers: tuple[int, ...], by: str) -> None:
        for number in numbers:
            decide_hold(
                bridge.database, number, approve=approve, by=by or user_name(), at=datetime.now(UTC)
            )
            with bridge.database.reading() as tx:
                row = holds.hold_row(tx, number)
            centre = row.centre if row else ""
            say(f"Hold {number} is {holds.APPROVED if approve else holds.REJECTED}.")
            say(f"The next run carries it out: lms-bridge sync --centre {centre}")

    return decide


def user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return "command line"


hold.add_command(
    _decision("approve", True, "Lets the next run make the removals, or send the record again.")
)
hold.add_command(
    _decision("reject", False, "Keeps the records, or what the target holds, as they are.")
)
