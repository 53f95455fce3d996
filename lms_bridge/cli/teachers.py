"""`lms-bridge offering teach` and `teachers`: who teaches an offering in the centre's LMS."""

from __future__ import annotations

import click
from sqlalchemy import Connection

from lms_bridge.audit import COMMAND, Actor
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import clean, print_line, table
from lms_bridge.console.session import user_name, with_bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Flow, Offering, centre_system
from lms_bridge.store import offerings
from lms_bridge.store import teachers as stored
from lms_bridge.store.teachers import TeacherState
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.teachers import appoint

_WORDS = {
    TeacherState.NEW: "waits for the next run",
    TeacherState.SENDING: "waits for the next run",
    TeacherState.GIVEN: "has the role in course {course}",
    TeacherState.THERE: "was in course {course} before, and is left alone",
}


def _found(bridge: Bridge, code: str) -> tuple[int, Offering]:
    with bridge.database.reading() as tx:
        found = offerings.offering_by_code(tx, code)
    if found is None:
        raise NotFound("no-such-offering", f'There is no offering "{clean(code)}".')
    return found


@click.command()
@click.argument("code")
@click.argument("academy_id")
@click.option("--end", is_flag=True, help="They teach it no more: the role is taken back.")
@with_bridge
def teach(bridge: Bridge, code: str, academy_id: str, end: bool) -> None:
    """Gives the person with that Academy id the teacher's role in the offering's course.

    The centre's option teacher_role says which role that is.
    """
    record_id, record = _found(bridge, code)

    def act(tx: Connection, context: RunContext) -> None:
        appoint(tx, context, record_id, academy_id, ends=end)

    actor = Actor(user_name(), COMMAND, utc_now())
    bridge.act(bridge.centre(record.centre), Flow.ENROLMENTS, actor, act)
    print_line(
        f"{academy_id} teaches {code} no more." if end else f"{academy_id} teaches {code} from now."
    )
    print_line(f"Do it now: lms-bridge sync --centre {record.centre} --flow enrolments")


@click.command()
@click.argument("code")
@with_bridge
def teachers(bridge: Bridge, code: str) -> None:
    """Lists who teaches an offering, and whether they have the role in its course."""
    _, record = _found(bridge, code)
    with bridge.database.reading() as tx:
        everybody = stored.teachers(tx, record.centre, centre_system(record.centre))
    rows = [
        (
            each.academy_id,
            "leaves with the next run"
            if each.leaves
            else _WORDS[each.state].format(course=clean(each.course)),
        )
        for each in everybody
        if each.code == code
    ]
    if rows:
        table(("teacher", "state"), rows)
    else:
        print_line(f"Nobody is named as a teacher of {code}.")
