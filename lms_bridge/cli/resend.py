"""`lms-bridge resend`: sending again what failed, or what a target is said to have lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import click
from sqlalchemy import Connection

from lms_bridge.bridge import Bridge
from lms_bridge.console.output import clean, print_line, table, when
from lms_bridge.console.session import user_name, with_bridge
from lms_bridge.console.summary import record_labels
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Kind, system_label
from lms_bridge.domain.plurals import counted
from lms_bridge.lti.relay.unopened import waiting_scores
from lms_bridge.store import enrolments, learners, offerings, results, retries, target_links
from lms_bridge.store.retries import FailingLink
from lms_bridge.sync import holds


@click.command()
@click.argument("records", nargs=-1, metavar="[RECORD]...")
@click.option("--centre", "code", required=True, help="The centre whose records they are.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in Kind]),
    help="Records of this kind alone; of one learner in one offering: enrolment (if not named).",
)
@click.option("--list", "only_list", is_flag=True, help="Only show what waits after a failure.")
@with_bridge
def resend(
    bridge: Bridge, code: str, records: tuple[str, ...], kind: str | None, only_list: bool
) -> None:
    """Lets the next run send records again at once.

    Without a RECORD: everything that waits after a failure. A RECORD is an offering's code, a
    learner's Academy id, or OFFERING/LEARNER; what a target had acknowledged of it is sent again.
    """
    bridge.centre(code)
    if only_list:
        _show_failing(bridge, code)
        return
    if records:
        with bridge.database.reading() as tx:
            chosen = _named(tx, code, records, Kind(kind) if kind else None)
        _send_again(bridge, code, chosen)
    else:
        chosen = _failing(bridge, code, kind)
    for each, ids in chosen.items():
        with bridge.database.writing() as tx:
            holds.resend(tx, code, each, ids, by=user_name(), at=utc_now())
    number = sum(map(len, chosen.values()))
    if not number:
        print_line("Nothing waits after a failure.")
        return
    print_line(
        f"The next run sends {counted(number, 'record')}: within seconds by a running clock, "
        f"or now: lms-bridge sync --centre {code}"
    )


def _failing(bridge: Bridge, code: str, kind: str | None) -> dict[Kind, list[int]]:
    with bridge.database.reading() as tx:
        rows = retries.failing_links(tx, code)
    chosen: dict[Kind, list[int]] = {}
    for row in rows:
        if kind in (None, row.kind):
            chosen.setdefault(Kind(row.kind), []).append(row.record_id)
    return chosen


def _show_failing(bridge: Bridge, code: str) -> None:
    with bridge.database.reading() as tx:
        rows = retries.failing_links(tx, code)
        names = {
            (kind, id_): name
            for kind in Kind
            for id_, name in record_labels(
                tx, kind, [r.record_id for r in rows if r.kind == kind]
            ).items()
        }
        waiting = waiting_scores(tx, code)
    if not rows and not waiting:
        print_line("Nothing waits after a failure.")
        return
    groups: dict[tuple[str, str, str, str], list[FailingLink]] = {}
    for row in rows:
        groups.setdefault((row.system, row.kind, row.error_code, row.error), []).append(row)
    table(
        ["record", "at", "attempts", "next attempt", "why"],
        [
            (
                f"{row.kind} {names.get((Kind(row.kind), row.record_id), row.record_id)}",
                system_label(row.system),
                row.attempts,
                when(row.next_attempt),
                clean(row.error) if not more else f"{clean(row.error)} {more} more wait for that.",
            )
            for alike in groups.values()
            for row, more in _shown(alike)
        ]
        + [
            (f"result {each.record}", system_label(each.system), 0, "-", clean(str(each.reason)))
            for each in waiting
        ],
    )


_MOST_ALIKE = 3
"""Records that wait for one and the same reason, and are listed one by one."""


def _shown(alike: Sequence[FailingLink]) -> Iterator[tuple[FailingLink, int]]:
    """The records of one reason to list; with the last, how many more there are."""
    if len(alike) <= _MOST_ALIKE:
        yield from ((row, 0) for row in alike)
    else:
        yield alike[0], len(alike) - 1


def _named(
    tx: Connection, code: str, records: Sequence[str], kind: Kind | None
) -> dict[Kind, list[int]]:
    """Raises NotFound for a name that stands for nothing at this centre."""
    chosen: dict[Kind, list[int]] = {}
    for name in records:
        found = _find(tx, code, name, kind)
        if found is None:
            raise NotFound(
                "no-such-record",
                f'"{clean(name)}" is no offering of {code}, no learner\'s Academy id, and no '
                "OFFERING/LEARNER.",
            )
        chosen.setdefault(found[0], []).append(found[1])
    return chosen


def _find(tx: Connection, code: str, name: str, kind: Kind | None) -> tuple[Kind, int] | None:
    offering, _, learner = name.rpartition("/")
    if offering:
        return _find_pair(tx, code, offering, learner, kind or Kind.ENROLMENT)
    there = offerings.offerings_by_code(tx, [name]).get(name)
    if there and there[1].centre == code and kind in (None, Kind.OFFERING):
        return Kind.OFFERING, there[0]
    person = learners.learners_by_academy_id(tx, [name]).get(name)
    return (Kind.LEARNER, person[0]) if person and kind in (None, Kind.LEARNER) else None


def _find_pair(
    tx: Connection, code: str, offering: str, learner: str, kind: Kind
) -> tuple[Kind, int] | None:
    course = offerings.offerings_by_code(tx, [offering]).get(offering)
    person = learners.learners_by_academy_id(tx, [learner]).get(learner)
    if course is None or course[1].centre != code or person is None:
        return None
    pair = (course[0], person[0])
    enrolment_id = enrolments.enrolment_ids(tx, [pair]).get(pair)
    if enrolment_id is None:
        return None
    if kind is Kind.RESULT:
        found = results.results_of(tx, [enrolment_id]).get(enrolment_id)
        return (Kind.RESULT, found[0]) if found else None
    return Kind.ENROLMENT, enrolment_id


def _send_again(bridge: Bridge, code: str, chosen: Mapping[Kind, Sequence[int]]) -> None:
    """What the targets acknowledged of these records is no longer taken for granted."""
    with bridge.database.writing() as tx:
        for kind, ids in chosen.items():
            for system in target_links.systems_of(tx, code, kind, ids):
                target_links.send_again(tx, system, kind, ids)
