"""`lms-bridge person`: learners whose account at a centre is not certain."""

from __future__ import annotations

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.output import say, table, tell_json, warn, when
from lms_bridge.cli.session import with_bridge
from lms_bridge.store import holds
from lms_bridge.sync.decisions import match_person


@click.group()
def person() -> None:
    """Learners whose account at a centre is not certain. No names are shown, only ids."""


@person.command()
@click.option("--centre", default="", help="People at this centre alone.")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")
@with_bridge
def unmatched(bridge: Bridge, centre: str, in_json: bool) -> None:
    """Who waits to be matched, with the accounts that it might be."""
    if centre:
        bridge.centre(centre)
    with bridge.database.reading() as tx:
        rows = holds.waiting_people(tx, centre)
    if in_json:
        tell_json(
            [
                {
                    "centre": row.centre,
                    "learner": row.academy_id,
                    "reason": row.reason,
                    "since": row.since,
                    "accounts": [{"account": a, "why": why} for a, why in row.suggestions],
                }
                for row in rows
            ]
        )
        return
    if not rows:
        say("Nobody waits to be matched.")
        return
    table(
        ["centre", "learner", "reason", "accounts", "since"],
        [
            (
                row.centre,
                row.academy_id,
                row.reason,
                "; ".join(f"{account} ({why})" for account, why in row.suggestions) or "none",
                when(row.since),
            )
            for row in rows
        ],
    )
    say("Decide: lms-bridge person match LEARNER --centre CODE (--account ID | --create)")


@person.command()
@click.argument("learner")
@click.option("--centre", required=True, help="The centre whose account it is.")
@click.option("--account", help="The account's id in the centre's LMS.")
@click.option("--create", is_flag=True, help="None of them: let the next run create an account.")
@with_bridge
def match(bridge: Bridge, learner: str, centre: str, account: str | None, create: bool) -> None:
    """Says which account is a learner's, by the learner's id at the Academy."""
    if bool(account) == create:
        raise click.UsageError("Give either --account ID or --create.")
    bridge.centre(centre)
    with bridge.database.reading() as tx:
        rows = holds.waiting_people(tx, centre)
    suggested = [each for row in rows if row.academy_id == learner for each, _ in row.suggestions]
    match_person(bridge.database, centre, learner, account)
    if account and account not in suggested:
        warn(f"account {account} was not among the suggestions; is it the right one?")
    if account:
        say(f"{learner} is account {account} at {centre}.")
    else:
        say(f"The next run creates an account for {learner} at {centre}.")
    say(f"Enrol them now: lms-bridge sync --centre {centre} --flow enrolments")
