"""Links to sources: what each source last showed, as hashes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.store.bulk import upsert_plain
from lms_bridge.store.links import KEY, KNOWN, SourceLink, any_such
from lms_bridge.store.tables import EMPTY, enrolment, link, offering

_IN_SCOPE = select(*KNOWN).where(
    link.c.system == bindparam("in_system"),
    link.c.kind == bindparam("of_kind"),
    link.c.scope == bindparam("in_scope"),
    link.c.source_hash != EMPTY,
)
"""Made once, like the others below: making a statement costs more than a look at one scope."""


def in_scope(tx: Connection, system: str, kind: Kind, scope: str) -> dict[str, SourceLink]:
    """{external id: what is known} of the records that a scope held when last read."""
    rows = tx.execute(
        _IN_SCOPE, {"in_system": system, "of_kind": kind, "in_scope": scope}
    ).all()  # at once: row by row takes three times as long
    return {known.external_id: known for known in (SourceLink(*row) for row in rows)}


_HASHES = _IN_SCOPE.with_only_columns(link.c.external_id, link.c.source_hash)
_NAMED = _IN_SCOPE.where(link.c.external_id.in_(bindparam("names", expanding=True)))
MOST_NAMED = 500
"""Ids in one query. For more, the whole scope is read."""


def hashes_in_scope(tx: Connection, system: str, kind: Kind, scope: str) -> dict[str, bytes]:
    """{external id: hash} of the records that a scope held when last read. Most records of a
    changed page are as they were: their links would cost three times as much."""
    rows = tx.execute(_HASHES, {"in_system": system, "of_kind": kind, "in_scope": scope}).all()
    return {row[0]: row[1] for row in rows}


def named_in_scope(
    tx: Connection, system: str, kind: Kind, scope: str, names: Collection[str]
) -> dict[str, SourceLink]:
    """``in_scope`` of the records with these external ids."""
    if not names:
        return {}
    if len(names) > MOST_NAMED:
        found = in_scope(tx, system, kind, scope)
        return {name: found[name] for name in names if name in found}
    values = {"in_system": system, "of_kind": kind, "in_scope": scope, "names": list(names)}
    rows = tx.execute(_NAMED, values).all()
    return {known.external_id: known for known in (SourceLink(*row) for row in rows)}


def shown_of(tx: Connection, system: str, kind: Kind, centre: str) -> list[SourceLink]:
    """All records of a centre that the source is known to hold."""
    rows = tx.execute(
        select(*KNOWN).where(
            link.c.system == system,
            link.c.kind == kind,
            link.c.centre == centre,
            link.c.source_hash != EMPTY,
        )
    )
    return [SourceLink(*row) for row in rows]


def count_shown(tx: Connection, system: str, kind: Kind, centre: str) -> int:
    """How many of a centre's records the source is known to hold."""
    shown = (
        select(func.count())
        .select_from(link)
        .where(
            link.c.system == system,
            link.c.kind == kind,
            link.c.centre == centre,
            link.c.source_hash != EMPTY,
        )
    )
    if system == ACADEMY and kind is Kind.ENROLMENT:
        # By the records' ids: the Academy's links of all centres would have to be gone through.
        of_centre = select(enrolment.c.id).join(offering).where(offering.c.centre == centre)
        shown = shown.where(link.c.record_id.in_(of_centre))
    return tx.scalar(shown) or 0


def any_shown(tx: Connection, system: str, kind: Kind, record_ids: Iterable[int]) -> bool:
    """Whether the source is known to hold one of these records."""
    return any_such(tx, system, kind, record_ids, link.c.source_hash != EMPTY)


def showed(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Remembers what a source showed. Each row: system, kind, centre, record_id, external_id,
    scope, source_hash. A record that already has a link to that system keeps it."""
    upsert_plain(tx, link, rows, KEY, ["external_id", "scope", "source_hash"])


def centres_that_name(
    tx: Connection, systems: Collection[str], kind: Kind, external_ids: Iterable[str]
) -> list[tuple[str, str]]:
    """(external id, centre) of what centres call records of theirs; two may use one id for
    different records."""
    found: list[tuple[str, str]] = []
    for chunk in chunks(external_ids):
        rows = tx.execute(
            select(link.c.external_id, link.c.centre).where(
                link.c.system.in_(systems),
                link.c.kind == kind,
                link.c.external_id.in_(chunk),
            )
        )
        found.extend((row[0], row[1]) for row in rows)
    return found


def drop_source(tx: Connection, link_ids: Iterable[int]) -> None:
    """Forgets that the source holds these records; the rest of their links stays."""
    for chunk in chunks(link_ids):
        tx.execute(update(link).where(link.c.id.in_(chunk)).values(source_hash=EMPTY, scope=""))


def sources(
    tx: Connection, kind: Kind, record_ids: Iterable[int], *, besides: str = ""
) -> dict[int, str]:
    """{record id: system} of the sources of these records, without the system ``besides``."""
    found: dict[int, str] = {}
    for chunk in chunks(record_ids):
        rows = tx.execute(
            select(link.c.record_id, link.c.system).where(
                link.c.record_id.in_(chunk),
                link.c.kind == kind,
                link.c.source_hash != EMPTY,
                link.c.system != besides,
            )
        )
        found.update((row[0], row[1]) for row in rows)
    return found


def learners_of(tx: Connection, system: str, learner_ids: Iterable[int]) -> set[int]:
    """The learners among these with an enrolment from a system, which owns their data."""
    found: set[int] = set()
    for chunk in chunks(learner_ids):
        rows = tx.scalars(
            select(enrolment.c.learner_id)
            .join(link, link.c.record_id == enrolment.c.id)
            .where(
                enrolment.c.learner_id.in_(chunk),
                link.c.kind == Kind.ENROLMENT,
                link.c.system == system,
                link.c.source_hash != EMPTY,
            )
        )
        found.update(rows)
    return found
