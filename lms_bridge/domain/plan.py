"""From what a source shows and what is known to what is to be done: a pure function."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from lms_bridge.domain.document import Difference, Document, difference
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Action


@dataclass(frozen=True, slots=True)
class Change:
    """One record that is to change. ``fields`` is {field: (now, then)}."""

    key: str
    action: Action
    fields: Difference


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes that follow from one snapshot, applied together or not at all.

    ``held`` is True when the removals need a person's approval. ``kept`` are records whose removal
    a person refused earlier.
    """

    changes: tuple[Change, ...]
    held: bool = False
    kept: tuple[str, ...] = ()

    @property
    def removals(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.action is Action.REMOVE)


def plan(
    wanted: Mapping[str, Document],
    known: Mapping[str, Document],
    vanished: Collection[str],
    policy: Policy,
    *,
    total: int,
    approved: Collection[str] = (),
    rejected: Collection[str] = (),
) -> Plan:
    """Compares what a source shows with what is known.

    ``wanted`` are the documents that changed at the source, ``known`` the canonical documents of
    the same keys (absent where the record is new). ``vanished`` are keys that the whole snapshot
    no longer holds, out of ``total`` that it held before. Removals that a person ``approved`` do
    not count against the policy; those that a person ``rejected`` are left out.
    """
    changes = []
    for key, document in wanted.items():
        before = known.get(key)
        fields = difference(before or {}, document)
        if before is None:
            changes.append(Change(key, Action.CREATE, fields))
        elif fields:
            changes.append(Change(key, Action.UPDATE, fields))
    kept = tuple(key for key in vanished if key in rejected)
    removals = [key for key in vanished if key not in rejected]
    changes.extend(Change(key, Action.REMOVE, {}) for key in removals)
    to_ask = sum(key not in approved for key in removals)
    return Plan(tuple(changes), policy.holds(to_ask, total), kept)
