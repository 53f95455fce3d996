"""Observing a target: what it holds now, against what it acknowledged.

A difference that the bridge did not send is a conflict. The centre's policy decides: the bridge's
record is sent again, the target's change is left as it is, or a person is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from lms_bridge.domain.document import Document, Json, difference, digest, plain
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.domain.policy import OnConflict
from lms_bridge.domain.wanted import ACTIVE, GONE, REMOVED
from lms_bridge.store import answers, holds, target_links
from lms_bridge.store.target_links import Held
from lms_bridge.sync.read import Snapshot
from lms_bridge.sync.work import Work

ABSENT = "absent"


def observe_rosters(tx: Connection, work: Work, snapshot: Snapshot) -> None:
    """Compares rosters with the enrolments that the bridge made there. Everybody else on them is
    left alone and not even remembered."""
    for scope in snapshot.digests:
        shown = {
            changed.raw.external_id: str(changed.raw.fields.get("state", ""))
            for changed in snapshot.changed
            if changed.scope == scope
        }
        for held in target_links.held_in_scope(tx, work.centre.system, Kind.ENROLMENT, scope):
            state = shown.get(held.external_id, ABSENT)
            if not as_expected(held.held_document, state, work.now()):
                _conflict(tx, work, work.centre.system, Kind.ENROLMENT, held, {"state": state})
    _remember(tx, snapshot)


def observe_offerings(tx: Connection, work: Work, snapshot: Snapshot) -> None:
    """Compares what the Academy shows of this centre's offerings with what it was sent."""
    for changed in snapshot.changed:
        for held in target_links.held_in_scope(tx, ACADEMY, Kind.OFFERING, changed.raw.external_id):
            shown = _as_shown(changed.raw.fields, held.held_document)
            if shown != held.held_document:
                _conflict(tx, work, ACADEMY, Kind.OFFERING, held, shown)
    _remember(tx, snapshot)


def _remember(tx: Connection, snapshot: Snapshot) -> None:
    feed = snapshot.feed
    answers.remember(tx, feed.system, feed.kind, feed.part, snapshot.digests)


def _as_shown(shown: Mapping[str, object], held: Document) -> dict[str, Json]:
    """The held document with the fields that the target shows, where it shows them."""
    merged = dict(held)
    merged.update((name, plain(value)) for name, value in shown.items() if name in held)
    return merged


def as_expected(held: Document, state: str, now: datetime) -> bool:
    """Whether a roster's state is what the acknowledged enrolment looks like there.

    An enrolment that has not begun or has ended looks suspended. One that was removed may be
    suspended or gone, as the policy had it.
    """
    if held.get("state") == REMOVED:
        return state != ACTIVE or bool(held.get("kept"))
    if state == ACTIVE:
        return True
    if state == ABSENT:
        return False
    return not _has_begun(held.get("starts_at"), now) or _has_ended(held.get("ends_at"), now)


def _has_begun(starts_at: Json, now: datetime) -> bool:
    return not isinstance(starts_at, str) or datetime.fromisoformat(starts_at) <= now


def _has_ended(ends_at: Json, now: datetime) -> bool:
    return isinstance(ends_at, str) and datetime.fromisoformat(ends_at) <= now


def _conflict(
    tx: Connection, work: Work, system: str, kind: Kind, held: Held, shown: Document
) -> None:
    """Decides about one record that the target changed by itself."""
    if held.wanted != held.acknowledged:
        return  # it is about to be sent anyway
    now_there: Document = {**held.held_document, **shown}
    mark = digest(shown)
    if held.tolerated == mark:
        return
    policy = work.policy.conflict
    fields = difference(held.held_document, now_there)
    work.note(
        kind,
        system,
        "conflict",
        {"source": "source wins", "keep": "kept", "hold": "held"}[policy],
        record_id=held.record_id,
        external_id=held.external_id,
        fields={name: (held.held_document.get(name), now_there.get(name)) for name in fields},
    )
    if policy is OnConflict.SOURCE:
        gone = shown.get("state") == ABSENT
        target_links.set_acknowledged(tx, held.link_id, dict(GONE) if gone else now_there)
        return
    target_links.tolerate(tx, held.link_id, mark)
    if policy is OnConflict.HOLD:
        work.conflicts.setdefault((system, kind), set()).add(held.record_id)


def ask_about_conflicts(tx: Connection, work: Work) -> None:
    """One hold for all conflicts of a kind that this run came across. Until a person decides, what
    the target holds is left as it is."""
    for (system, kind), record_ids in work.conflicts.items():
        if work.dry:
            work.held.append(0)
            continue
        number, _ = holds.ask(
            tx,
            centre=work.centre.code,
            system=system,
            kind=kind,
            reason=holds.CONFLICT,
            record_ids=sorted(record_ids),
            out_of=len(record_ids),
            run_id=work.run_id,
            at=work.now(),
        )
        work.held.append(number)
    work.conflicts.clear()
