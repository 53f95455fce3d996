"""`lms-bridge lti approve` and `reject`."""

from __future__ import annotations

from dataclasses import replace

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.audit import by_command
from lms_bridge.cli.lti.common import privacy_options
from lms_bridge.cli.numbers import NUMBER
from lms_bridge.cli.output import say
from lms_bridge.cli.session import with_bridge
from lms_bridge.lti import deciding
from lms_bridge.lti.parties import PersonId
from lms_bridge.lti.platform.launching import WINDOW


@click.command()
@click.argument("number", type=NUMBER)
@privacy_options
@click.option(
    "--learner-id",
    type=click.Choice(["sub", "sourced-id"]),
    help="By what a platform names learners: its own id of them (the Academy's platform: the "
    "Academy's id; a centre's LMS: the account that the bridge knows), or the Academy's id as the "
    "id of the register (lis person_sourcedid).",
)
@click.option(
    "--opens-in",
    type=click.Choice(["window", "place"]),
    help="Where a tool opens: in a window of its own, as its pages allow no frame, or in place.",
)
@click.option(
    "--seen",
    default="",
    help="The word that `lti show` printed: approves the connection only if it is still the same.",
)
@with_bridge
def approve(
    bridge: Bridge,
    /,
    number: int,
    learner_id: str | None,
    opens_in: str | None,
    seen: str,
    **privacy: bool | None,
) -> None:
    """Lets a connection be used, and says which personal data go along."""
    said = {name: value for name, value in privacy.items() if value is not None}
    with bridge.database.writing() as tx:
        party = deciding.find(tx, number)
        if seen:
            deciding.check_seen(party, seen)
        chosen = replace(party, privacy=replace(party.privacy, **said))
        if learner_id is not None:
            chosen = replace(chosen, person_id=PersonId(learner_id.replace("-", "_")))
        if opens_in is not None:
            chosen = replace(chosen, opens_in=WINDOW if opens_in == WINDOW else "")
        deciding.approve(tx, party, chosen, by_command())
    say(f"Connection {number} is active.")


@click.command()
@click.argument("number", type=NUMBER)
@with_bridge
def reject(bridge: Bridge, number: int) -> None:
    """Ends a connection; one that was never approved is forgotten."""
    with bridge.database.writing() as tx:
        status = deciding.reject(tx, deciding.find(tx, number), by_command())
    say(f"Connection {number} is {'gone' if status is None else status}.")
