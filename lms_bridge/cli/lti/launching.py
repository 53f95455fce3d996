"""`lms-bridge lti launch-link`, `choose`, `unchoose` and `take-scores`."""

from __future__ import annotations

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.output import say
from lms_bridge.cli.session import with_bridge
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.lti.platform.launching import start_launch
from lms_bridge.lti.platform.links import choice_link, make_link
from lms_bridge.store import lti_courses, offerings


@click.command("launch-link")
@click.argument("learner")
@click.argument("offering")
@click.option(
    "--connection", default=0, help="The tool's number. Without it: that of the offering."
)
@with_bridge
def launch_link(bridge: Bridge, learner: str, offering: str, connection: int) -> None:
    """A link that opens OFFERING for LEARNER (the Academy's id), once."""
    room = bridge.room
    start_launch(room, learner, offering, party_id=connection)  # says now what is wrong
    say(make_link(room, {"learner": learner, "offering": offering, "party": connection}))


@click.command("choose")
@click.argument("offering", default="")
@click.option(
    "--centre", default="", help="Choose new offerings of this centre, in place of OFFERING."
)
@click.option(
    "--connection", default=0, help="The tool's number. Without it: that of the offering."
)
@with_bridge
def choose(bridge: Bridge, offering: str, centre: str, connection: int) -> None:
    """A link that opens the tool's choice of resources for OFFERING (deep linking), once; or, with
    --centre, of resources that are to become offerings."""
    if bool(offering) == bool(centre):
        raise Refused("bad-choice", "Either an offering or --centre has to be named.")
    if centre:
        bridge.centre(centre)
    room = bridge.room
    say(choice_link(room, offering, person="operator", party_id=connection, centre=centre))


@click.command("unchoose")
@click.argument("offering")
@with_bridge
def unchoose(bridge: Bridge, offering: str) -> None:
    """Takes back the choice that OFFERING was made of: the next run takes it off the list."""
    with bridge.database.writing() as tx:
        id_, record = offerings.offerings_by_code(tx, [offering]).get(offering, (0, None))
        found = lti_courses.chosen_for(tx, id_, record.centre) if record else None
        if found is None:
            raise NotFound("not-chosen", f'No chosen resource became the offering "{offering}".')
        lti_courses.unchoose(tx, found.code)
    say(f"{offering} is taken off the list with the next run of its centre.")


@click.command("take-scores")
@click.argument("centre")
@with_bridge
def take_scores(bridge: Bridge, centre: str) -> None:
    """Takes in the scores that tools sent about offerings of CENTRE, and sends results on. The
    clock does the same; this is for those who do not want to wait."""
    report = bridge.send_scores(centre)
    taken = sum(number for key, number in report.counts.items() if key.endswith(".taken in"))
    sent = sum(number for key, number in report.counts.items() if key.endswith(".acknowledged"))
    say(f"{taken} result(s) taken in, {sent} sent on ({report.status}).")
    for stage, error in report.errors:
        say(f"{stage}: {error}")
