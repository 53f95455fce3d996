"""`lms-bridge person`: learners whose account at a centre is not certain."""

from __future__ import annotations

import click

from lms_bridge.api.documents import unmatched_document
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_json, print_line, table, warn, when
from lms_bridge.console.session import json_option, user_name, with_bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Closes
from lms_bridge.store import holds
from lms_bridge.sync.accounts import require_account
from lms_bridge.sync.holds import match_person, request_run


@click.command()
@click.option("--centre", default="", help="Only people at this centre.")
@json_option
@with_bridge
def unmatched(bridge: Bridge, centre: str, in_json: bool) -> None:
    """Lists the learners without an account, with the likely accounts."""
    if centre:
        bridge.centre(centre)
    with bridge.database.reading() as tx:
        rows = holds.waiting_people(tx, centre)
    if in_json:
        print_json([unmatched_document(row) for row in rows])
        return
    if not rows:
        print_line("Nobody waits to be matched.")
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
    print_line("Decide: lms-bridge person match LEARNER --centre CODE (--account ID | --create)")


def _require_account(lms: object, account: str) -> None:
    try:
        require_account(lms, account)
    finally:
        if isinstance(lms, Closes):
            lms.close()


@click.command()
@click.argument("learner")
@click.option("--centre", required=True, help="The centre whose account it is.")
@click.option("--account", help="The account's id in the centre's LMS.")
@click.option("--create", is_flag=True, help="Let the next run create an account.")
@with_bridge
def match(bridge: Bridge, learner: str, centre: str, account: str | None, create: bool) -> None:
    """Records which account is a learner's. LEARNER is the id at the Academy."""
    if bool(account) == create:
        raise click.UsageError("Give either --account ID or --create.")
    place = bridge.centre(centre)
    with bridge.database.reading() as tx:
        rows = holds.waiting_people(tx, centre)
    suggested = [each for row in rows if row.academy_id == learner for each, _ in row.suggestions]
    if account:
        _require_account(bridge.open_centre(place), account)
    with bridge.database.writing() as tx:
        match_person(tx, centre, learner, account)
        request_run(tx, centre, [Kind.ENROLMENT], utc_now(), user_name())
    if account and account not in suggested:
        warn(f"account {account} was not among the suggestions; is it the right one?")
    if account:
        print_line(f"{learner} is account {account} at {centre}.")
    else:
        print_line(f"The next run creates an account for {learner} at {centre}.")
    print_line(
        "A running clock enrols them within seconds. Enrol them now: "
        f"lms-bridge sync --centre {centre} --flow enrolments"
    )
