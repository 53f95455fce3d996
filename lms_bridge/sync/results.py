"""Results: from a centre's LMS into the canonical records."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import difference, document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import Kind, Result
from lms_bridge.domain.ports import Action
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import ResultSchema
from lms_bridge.store import enrolments, learners, links, offerings, results, source_links
from lms_bridge.sync.context import FILES, RunContext
from lms_bridge.sync.desired_state import desire_results
from lms_bridge.sync.diff import Refusals, quarantine, refuse_other_owner, remember_applied
from lms_bridge.sync.editions import falls_in_another, other_editions
from lms_bridge.sync.emptied_results import ResultChange, hold_emptied
from lms_bridge.sync.enrolments import named_offerings
from lms_bridge.sync.pull import Snapshot
from lms_bridge.sync.spool import ChangedRecord

LoadedResults = dict[str, tuple[ChangedRecord, dict[str, Any]]]
"""{external id: (what changed, the fields that the schema loaded)}"""


def apply_results(tx: Connection, context: RunContext, snapshot: Snapshot) -> None:
    """Applies grades and completions. A result that a source no longer shows is kept. An LMS shows
    people whom the bridge did not enrol, too: they are ignored. A file that names learners by the
    Academy's ids means one who is not enrolled yet, or a wrong id: such a row waits visibly."""
    loaded, refused = _load(context, snapshot)
    ours = _enrolment_ids(tx, context, snapshot, loaded)
    known = results.results_of(tx, ours.values())
    if snapshot.feed.system == FILES:
        refused += _leave_to_owners(tx, loaded, ours, known)
    if snapshot.feed.system == FILES or snapshot.feed.academy_ids:
        unknown = [key for key in loaded if key not in ours]
        refused += [(loaded.pop(key)[0], _not_enrolled()) for key in unknown]
    quarantine(tx, context, snapshot, refused)
    new, changes, ids = _compare(tx, snapshot, loaded, ours, known)
    if snapshot.feed.system != FILES:  # who leaves a cell empty in a file means it
        for kept in hold_emptied(tx, context, snapshot, changes):
            del ids[changes.pop(kept).key]
    _note(context, snapshot, changes)
    changed = {id_: change.after for id_, change in changes.items()}
    results.change_results(tx, changed)
    for key, id_ in zip(new, results.add_results(tx, list(new.values())), strict=True):
        ids[key] = id_
        changed[id_] = new[key][1]
        context.note(
            Kind.RESULT, snapshot.feed.system, Action.CREATE, record_id=id_, external_id=key
        )
    desire_results(tx, context.centre.code, changed)
    applied = [(loaded[key][0], record_id) for key, record_id in ids.items()]
    remember_applied(tx, context, snapshot, applied, [], loaded.keys())


NewResults = dict[str, tuple[int, Result]]
"""{external id: (enrolment id, result)}"""


def _compare(
    tx: Connection,
    snapshot: Snapshot,
    loaded: LoadedResults,
    ours: Mapping[str, int],
    known: Mapping[int, tuple[int, Result]],
) -> tuple[NewResults, dict[int, ResultChange], dict[str, int]]:
    """New results, {result id: change} of known ones, and {external id: result id} of all known
    ones. A total of a shared course counts for one of its editions."""
    stored = enrolments.enrolments(tx, ours.values())
    others = other_editions(tx, stored.values())
    new: NewResults = {}
    changes: dict[int, ResultChange] = {}
    ids: dict[str, int] = {}
    for key, enrolment_id in ours.items():
        changed_record, fields = loaded[key]
        enrolment = stored[enrolment_id].record
        record = Result(enrolment.learner, enrolment.offering, **fields)
        if falls_in_another(enrolment_id, record, others):
            continue
        if enrolment_id not in known:
            if record.score is not None or record.completed:
                new[key] = (enrolment_id, record)
            continue
        ids[key], before = known[enrolment_id]
        if snapshot.feed.system != FILES:  # a row of a file is the whole result
            record = _with_unseen(before, record, changed_record.raw.fields)
        if before != record:
            changes[ids[key]] = ResultChange(key, before, record)
    return new, changes, ids


def _note(context: RunContext, snapshot: Snapshot, changes: Mapping[int, ResultChange]) -> None:
    for id_, change in changes.items():
        context.note(
            Kind.RESULT,
            snapshot.feed.system,
            Action.UPDATE,
            record_id=id_,
            external_id=change.key,
            fields=difference(document(change.before), document(change.after)),
        )


_TOGETHER = {
    "score": ("score", "scale_min", "scale_max", "graded_at"),
    "completed": ("completed", "completed_at"),
}
"""{field: what is seen, and not seen, with it}"""


def _with_unseen(before: Result, now: Result, seen: Container[str]) -> Result:
    """The result with what the source did not show as it was before."""
    kept = [part for name, parts in _TOGETHER.items() if name not in seen for part in parts]
    return replace(now, **{part: getattr(before, part) for part in kept})


def _not_enrolled() -> RecordRefused:
    return RecordRefused(
        "unknown-enrolment",
        "The learner is not enrolled in this offering.",
        "Import the registration first, or correct the learner's id.",
        field="learner",
    )


def _load(context: RunContext, snapshot: Snapshot) -> tuple[LoadedResults, Refusals]:
    schema = ResultSchema(default_zone=context.centre.time_zone)
    loaded: LoadedResults = {}
    refused: Refusals = []
    for changed in snapshot.changed:
        try:
            fields = load(schema, changed.raw.fields)
            if snapshot.feed.system == FILES or snapshot.feed.academy_ids:
                refuse_slips(fields)
            loaded[changed.raw.external_id] = (changed, fields)
        except RecordRefused as error:
            refused.append((changed, error))
    return loaded, refused


def refuse_slips(fields: dict[str, Any]) -> None:
    """Refuses what an LMS may say, and what is a mistake where a person writes it: a bonus beyond
    the scale, the day of a completion that is none, and a day that is yet to come.

    Raises:
        RecordRefused: with the field at fault.
    """
    least, most = fields["scale_min"], fields["scale_max"]
    if fields["score"] is not None and not least <= fields["score"] <= most:
        raise RecordRefused(
            "beyond-scale",
            f"The score is not on the scale from {least} to {most}.",
            "Correct it, or name the scale in scale_min and scale_max.",
            field="score",
        )
    if fields["completed_at"] is not None and fields["completed"] is False:
        raise RecordRefused(
            "not-completed",
            "It has a time of completion, and says that it is not completed.",
            "Correct one of the two.",
            field="completed_at",
        )
    for name in ("completed_at", "graded_at"):
        # The other side of the date line may be a day ahead.
        if fields[name] is not None and fields[name] > utc_now() + timedelta(days=1):
            raise RecordRefused(
                "in-the-future",
                f"The time {fields[name]:%Y-%m-%d} is yet to come.",
                "Correct it.",
                field=name,
            )


def _leave_to_owners(
    tx: Connection,
    loaded: LoadedResults,
    ours: dict[str, int],
    known: dict[int, tuple[int, Result]],
) -> Refusals:
    """Removes results of other systems in a file from ``loaded`` and ``ours``."""
    owners = source_links.sources(
        tx, Kind.RESULT, [result_id for result_id, _ in known.values()], besides=FILES
    )
    refused: Refusals = []
    for key, enrolment_id in list(ours.items()):
        owner = owners.get(known[enrolment_id][0]) if enrolment_id in known else None
        if owner is not None:
            refused.append((loaded.pop(key)[0], refuse_other_owner(Kind.RESULT, owner)))
            del ours[key]
    return refused


def _enrolment_ids(
    tx: Connection, context: RunContext, snapshot: Snapshot, loaded: LoadedResults
) -> dict[str, int]:
    """{result's external id: enrolment id}, by the links of the course and of the account.

    Files name learners by the Academy's id, and imported ones the course by the bridge's code. An
    LMS does neither, because its account numbers may equal another learner's id.
    """
    system = snapshot.feed.system
    parts = {key: key.rpartition("/") for key in loaded}
    courses = {course for course, _, _ in parts.values()}
    accounts = {account for _, _, account in parts.values()}
    by_link = named_offerings(tx, context, system, courses)
    offering_ids = {key: known.record_id for key, known in by_link.items()}
    if system == FILES:
        offering_ids |= {
            code: id_
            for code, (id_, record) in offerings.offerings_by_code(tx, courses).items()
            if record.centre == context.centre.code
        }
    if system == FILES or snapshot.feed.academy_ids:
        by_academy_id = learners.learners_by_academy_id(tx, accounts)
        learner_ids = {key: id_ for key, (id_, _) in by_academy_id.items()}
    else:
        people = links.by_external_id(tx, system, Kind.LEARNER, accounts)
        learner_ids = {key: known.record_id for key, known in people.items()}
    pairs = {
        key: (offering_ids[course], learner_ids[account])
        for key, (course, _, account) in parts.items()
        if course in offering_ids and account in learner_ids
    }
    found = enrolments.enrolment_ids(tx, pairs.values())
    return {key: found[pair] for key, pair in pairs.items() if pair in found}
