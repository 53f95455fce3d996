"""Scores of learners who never opened the link at the platform, or did before it had a column.

A score needs the platform's id of the learner and a column. Launches of others name the column.
The id is of the learner's own launch, on the platform's roster, or is the learner's account or
Academy id. Scores for which one of the two is missing wait, and are listed with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import Kind, gradebook_system, realm_of
from lms_bridge.lti import registrations
from lms_bridge.lti.registrations import PersonId, Side
from lms_bridge.store import launch_origins, unopened
from lms_bridge.store.launch_origins import LaunchOrigin
from lms_bridge.store.waits import Wait
from lms_bridge.sync.context import RunContext

MOST_AT_ONCE = 1_000
"""Results that a run looks at if it is not a full one."""


@dataclass(frozen=True, slots=True)
class WaitingScore:
    """``record`` is OFFERING/LEARNER, ``system`` the gradebook."""

    result_id: int
    record: str
    system: str
    reason: RecordRefused


def complete_origins(tx: Connection, context: RunContext) -> None:
    """Adds the launch origins that follow from other sources. A full run reports the rest."""
    most = 0 if context.full else MOST_AT_ONCE
    waiting: list[tuple[datetime, RecordRefused]] = []
    for row, found in _examined(tx, context.centre.code, most):
        if isinstance(found, LaunchOrigin):
            launch_origins.keep_origin(tx, found, context.now())
            continue
        waiting.append((row.changed_at, found))
        if context.full:
            context.note(
                Kind.RESULT,
                gradebook_system(row.registration_id),
                "send",
                "waits",
                record_id=row.id,
                external_id=f"{row.code}/{row.academy_id}",
                error=found,
            )
    if waiting:
        command = f"lms-bridge resend --centre {context.centre.code} --list"
        since, why = min(at for at, _ in waiting), waiting[0][1].message
        wait = Wait("unopened", Kind.RESULT, len(waiting), since, why, command)
        context.waits.append(wait)


def waiting_scores(tx: Connection, centre: str) -> list[WaitingScore]:
    """The scores of a centre that wait for a learner or a column, with the reason."""
    return [
        WaitingScore(
            row.id, f"{row.code}/{row.academy_id}", gradebook_system(row.registration_id), found
        )
        for row, found in _examined(tx, centre, MOST_AT_ONCE)
        if not isinstance(found, LaunchOrigin)
    ]


def _examined(
    tx: Connection, centre: str, most: int
) -> Iterator[tuple[Any, LaunchOrigin | RecordRefused]]:
    """Each result without a launch origin, with the one that it can have, or why it has none."""
    rows = unopened.results_without_origin(tx, centre, most)
    columns = unopened.columns(tx, {row.offering_id for row in rows})
    subjects = _subjects(tx, centre, rows)
    for row in rows:
        known = columns.get((row.registration_id, row.offering_id), [])
        if row.resource_link:  # the columns of other links are not the learner's
            known = [each for each in known if each.resource_link == row.resource_link]
        subject = row.subject or subjects.get((row.registration_id, row.enrolment_id), "")
        if not subject:
            yield row, _not_opened()
        elif len({each.line_items or each.line_item for each in known}) != 1:
            yield row, _several_columns()
        else:
            yield row, _origin(row, subject, known)


def _origin(row: Any, subject: str, known: Sequence[Any]) -> LaunchOrigin:
    items = {each.line_item for each in known}
    return LaunchOrigin(
        registration_id=row.registration_id,
        offering_id=row.offering_id,
        learner_id=row.learner_id,
        subject=subject,
        resource_link=row.resource_link,
        line_item=items.pop() if len(items) == 1 else "",
        line_items=known[0].line_items,
        scopes=tuple(known[0].scopes),
    )


def _subjects(tx: Connection, centre: str, rows: Sequence[Any]) -> dict[tuple[int, int], str]:
    """{(connection, enrolment id): the platform's id of the learner}, where it is certain."""
    shown = unopened.shown_by_academy(tx, {row.enrolment_id for row in rows if not row.centre})
    accounts = unopened.accounts(tx, centre, {row.learner_id for row in rows if row.centre})
    certain = _with_one_issuer(tx, {row.centre for row in rows if row.centre})
    found = {}
    for row in rows:
        by_sub = row.person_id == PersonId.SUB
        subject = ""
        if row.centre:
            if row.centre in certain and (by_sub or row.connector == "lti"):
                subject = accounts.get(row.learner_id, "")
        elif row.enrolment_id in shown:
            link = shown[row.enrolment_id]
            if link.scope.endswith(f"@{row.registration_id}"):
                subject = link.external_id.partition("/")[2]
            elif "@" not in link.scope and by_sub and not realm_of(row.academy_id):
                subject = row.academy_id
        found[row.registration_id, row.enrolment_id] = subject
    return found


def _with_one_issuer(tx: Connection, centres: Collection[str]) -> set[str]:
    """The centres whose platforms in use are one system: at another one, the same account id may be
    somebody else's."""
    issuers: dict[str, set[str]] = defaultdict(set)
    for code in centres:
        for each in registrations.all_registrations(tx, Side.PLATFORM, code):
            if each.active:
                issuers[code].add(each.issuer)
    return {code for code, known in issuers.items() if len(known) == 1}


def _not_opened() -> RecordRefused:
    return RecordRefused(
        "learner-not-opened",
        "The learner never opened the course from this platform, and no roster of it shows them.",
        "The score is sent as soon as the learner opens the link once, or is on the roster.",
    )


def _several_columns() -> RecordRefused:
    return RecordRefused(
        "several-columns",
        "The platform has several columns for this offering, and it is not known which one is the "
        "learner's.",
        "The score is sent as soon as the learner opens the link once.",
    )
