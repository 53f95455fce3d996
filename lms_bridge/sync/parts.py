"""Large imports: in parts, each a short transaction. Registrations are shown all at once.

One centre's import must not keep others from writing. So the parts are compared outside any
writing transaction, and new enrolments stay hidden until the last part is there. After a crash
the next run reads the source again, and goes on where the links say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType

from sqlalchemy import Connection

from lms_bridge.domain.batches import PartSize, chunks
from lms_bridge.schemas.records import OfferingSchema
from lms_bridge.store import enrolments, offerings, open_imports
from lms_bridge.store.links import SourceLink
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.diff import (
    Plan,
    diff,
    plan_changes,
    quarantine,
    remember_pages,
    remember_records,
    scopes_left,
)
from lms_bridge.sync.enrolments import prepare, without_removals, write
from lms_bridge.sync.offerings import carry_out, compare_offerings, read_offerings
from lms_bridge.sync.pull import Refusal, Snapshot
from lms_bridge.sync.results import apply_results
from lms_bridge.sync.spool import ChangedRecord, Spool

PART = 500
"""Most records in one transaction; more only where one person has more."""
_LEAST_PART = 25


def apply_registrations_in_parts(context: RunContext, snapshot: Snapshot) -> None:
    """Applies a large snapshot. Held removals wait."""
    with context.database.reading() as tx:
        people = _people_of(tx, snapshot.vanished)
    live = _removals(context, snapshot, people)
    with context.writing() as tx:
        plan = plan_changes(tx, context, snapshot, {}, {}, live)
        open_imports.begin(tx, context.run_id, context.centre.code, snapshot.feed.system)
        # After a crash these pages are read again, or are known to be gone.
        remember_pages(tx, _only(snapshot), dict.fromkeys(snapshot.digests, EMPTY))
    replaced: set[int] = set()
    done = 0
    size = PartSize(PART, _LEAST_PART)
    for part in _parts(snapshot, people, size):
        replaced |= _apply(context, part, plan, size)
        done += len(part.changed)
        context.progress(context.centre.code, "registrations read", done, _total(snapshot))
    _finish(context, snapshot, replaced)
    announce_imports(context)


def apply_results_in_parts(context: RunContext, snapshot: Snapshot) -> None:
    """Applies a large snapshot of results. Each of them stands for itself."""
    size = PartSize(PART, _LEAST_PART)
    every = _only(snapshot, changed=snapshot.changed, spool=snapshot.spool)
    for part in _parts(every, {}, size):
        with context.writing() as tx:
            began = time.monotonic()
            apply_results(tx, context, replace(part, digests={}))  # pages are kept at the end
        size.adjust(time.monotonic() - began)
    _finish(context, snapshot, set())


Refuse = Callable[[Connection, Snapshot], None]
"""Refuses records of a part that its source may not change."""


def _refuse_none(tx: Connection, part: Snapshot) -> None:
    return None


def apply_offerings_in_parts(
    context: RunContext, snapshot: Snapshot, refuse: Refuse = _refuse_none
) -> None:
    """Applies a large catalogue, some hundred offerings at a time. If its removals are held,
    nothing of it is applied."""
    with context.database.reading() as tx:
        listed = _listed(tx, snapshot)
    whole = replace(snapshot, more=snapshot.more or _total(snapshot) > 0)
    with context.writing() as tx:
        plan = plan_changes(tx, context, whole, {}, {}, listed)
    if plan.held:
        return
    schema = OfferingSchema(default_zone=context.centre.time_zone)
    size, done = PartSize(PART, _LEAST_PART), 0
    for part in chain(_vanished_parts(snapshot), _parts(snapshot, {}, size)):
        alone = replace(part, digests={}, ended_scopes=set())  # pages are kept at the end
        _apply_offerings(context, alone, plan, schema, refuse, size)
        done += len(part.changed)
        context.progress(context.centre.code, "offerings read", done, _total(snapshot))
    _finish(context, snapshot, set())


def _listed(tx: Connection, snapshot: Snapshot) -> dict[str, int]:
    """{external id: record id} of listed offerings that the snapshot no longer holds."""
    found: dict[str, int] = {}
    for chunk in chunks(snapshot.vanished.items()):
        stored = offerings.offerings(tx, [known.record_id for _, known in chunk])
        found |= {key: known.record_id for key, known in chunk if stored[known.record_id].listed}
    return found


def _vanished_parts(snapshot: Snapshot) -> Iterator[Snapshot]:
    for chunk in chunks(snapshot.vanished.items(), PART):
        yield _only(snapshot, vanished=dict(chunk))


def _apply_offerings(
    context: RunContext,
    part: Snapshot,
    whole: Plan,
    schema: OfferingSchema,
    refuse: Refuse,
    size: PartSize,
) -> None:
    with context.database.reading() as tx:
        refuse(tx, part)
        loaded = read_offerings(tx, context, part, schema)
    compared = compare_offerings(part, loaded)
    plan = diff(
        compared.documents,
        compared.known,
        compared.listed,
        context.policy,
        total=0,
        approved=compared.listed,
        rejected=set(whole.kept),
    )
    with context.writing() as tx:
        began = time.monotonic()
        quarantine(tx, context, part, loaded.refused)
        carry_out(tx, context, part, loaded, compared, plan)
    size.adjust(time.monotonic() - began)


def announce_imports(context: RunContext) -> None:
    """Announces what imports in parts brought, some hundreds at a time."""
    while True:
        with context.database.reading() as tx:
            if open_imports.unfinished(tx, context.centre.code) is None:
                return
        with context.writing() as tx:
            open_imports.announce(tx, context.centre.code, PART, context.now())


def _total(snapshot: Snapshot) -> int:
    return len(snapshot.changed) if snapshot.spool is None else len(snapshot.spool)


def _only(
    snapshot: Snapshot,
    *,
    changed: Iterable[ChangedRecord] = (),
    vanished: Mapping[str, SourceLink] = MappingProxyType({}),
    moved: Iterable[ChangedRecord] = (),
    refused: Iterable[Refusal] = (),
    released: Iterable[str] = (),
    spool: Spool | None = None,
) -> Snapshot:
    """The snapshot with nothing but the named parts. It shares the pages with the whole one."""
    return replace(
        snapshot,
        changed=list(changed),
        vanished=dict(vanished),
        moved=list(moved),
        refused=list(refused),
        released=set(released),
        cursor="",
        spool=spool,
    )


@dataclass
class _Group:
    changed: list[ChangedRecord] = field(default_factory=list)
    vanished: dict[str, SourceLink] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.changed) + len(self.vanished)


def _people_of(tx: Connection, vanished: dict[str, SourceLink]) -> dict[str, dict[str, SourceLink]]:
    """{Academy id of a learner: what vanished of theirs}"""
    found: dict[str, dict[str, SourceLink]] = {}
    for chunk in chunks(vanished.items()):
        stored = enrolments.enrolments(tx, [known.record_id for _, known in chunk])
        for key, known in chunk:
            person = stored[known.record_id].record.learner
            found.setdefault(person, {})[key] = known
    return found


def _parts(
    snapshot: Snapshot, people: dict[str, dict[str, SourceLink]], size: PartSize
) -> Iterator[Snapshot]:
    """Parts of the snapshot. All that is about one person is in one part."""
    left = dict(people)
    group, last = _Group(), ""
    for person, changed in snapshot.by_person():
        if len(group) >= size.records and (person != last or not person):
            yield _only(snapshot, changed=group.changed, vanished=group.vanished)
            group = _Group()
        last = person
        group.changed.append(changed)
        group.vanished.update(left.pop(person, {}))
    for vanished in left.values():
        if len(group) >= size.records:
            yield _only(snapshot, changed=group.changed, vanished=group.vanished)
            group = _Group()
        group.vanished.update(vanished)
    if len(group):
        yield _only(snapshot, changed=group.changed, vanished=group.vanished)


def _removals(
    context: RunContext, snapshot: Snapshot, people: dict[str, dict[str, SourceLink]]
) -> dict[str, int]:
    """{external id: enrolment id} of all enrolments that the snapshot withdraws."""
    live: dict[str, int] = {}
    if not people and not snapshot.any_known:
        return live
    for part in _parts(snapshot, people, PartSize(PART, _LEAST_PART)):
        if part.vanished or any(changed.known for changed in part.changed):
            with context.database.reading() as tx:
                live |= prepare(tx, context, part).live
            snapshot.vanished.update(part.vanished)
    return live


def _apply(context: RunContext, part: Snapshot, whole: Plan, size: PartSize) -> set[int]:
    """Applies one part. Returns the ids of enrolments that changed hands."""
    with context.database.reading() as tx:
        prepared = prepare(tx, context, part)
    plan = diff(
        *prepared.documents,
        prepared.live,
        context.policy,
        total=0,
        approved=prepared.live,
        rejected=set(whole.kept),
    )
    refused = prepared.refused
    if whole.held:
        plan, prepared = without_removals(plan, part, prepared)
    with context.writing() as tx:
        began = time.monotonic()
        quarantine(tx, context, part, refused)
        applied = write(tx, context, part, prepared, plan, context.run_id)
        gone = prepared.gone.values()
        remember_records(tx, context, part, applied, gone, prepared.loaded)
        left = scopes_left(part, [changed for changed, _ in applied])
        if left:
            remember_pages(tx, part, dict.fromkeys(left, EMPTY))
    size.adjust(time.monotonic() - began)
    known = ((changed.known.record_id if changed.known else 0, id_) for changed, id_ in applied)
    return {id_ for before, id_ in known if id_ in prepared.before and before != id_}


def _finish(context: RunContext, snapshot: Snapshot, replaced: set[int]) -> None:
    """Remembers the rest and the pages, and shows the new enrolments."""
    for scope in tuple(snapshot.forgotten):
        snapshot.forget(scope)
    for moved in chunks(snapshot.moved, PART):
        with context.writing() as tx:
            part = _only(snapshot, moved=moved)
            applied = remember_records(tx, context, part, (), (), (), replaced)
            left = scopes_left(part, [changed for changed, _ in applied])
            remember_pages(tx, part, dict.fromkeys(left, EMPTY))
    for refused in chunks(snapshot.refused, PART):
        with context.writing() as tx:
            quarantine(tx, context, _only(snapshot, refused=refused), [])
    for released in chunks(snapshot.released, PART):
        with context.writing() as tx:
            remember_records(tx, context, _only(snapshot, released=released), (), (), ())
    with context.writing() as tx:
        remember_pages(tx, snapshot, snapshot.digests, snapshot.ended_scopes)
        open_imports.show(tx, context.centre.code, snapshot.feed.system)
