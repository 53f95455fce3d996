"""What the bridge knows of the offerings that rows name, and which rows say nothing new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lms_bridge.domain.document import digest
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import Centre, Kind
from lms_bridge.domain.ports import Raw
from lms_bridge.store import links, offerings, source_links
from lms_bridge.store.links import Known
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.files.same import differing
from lms_bridge.sync.offerings import another_centres, offering_code
from lms_bridge.sync.take import owned_elsewhere
from lms_bridge.sync.work import FILES


@dataclass
class Found:
    """``known`` {id: the offering that it stands for}; ``unchanged`` {id: record id} of rows that
    say what is held already; ``changed`` rows with their hashes; ``refused`` {id: why}."""

    known: dict[str, Known]
    unchanged: dict[str, int] = field(default_factory=dict)
    changed: list[tuple[Raw, bytes]] = field(default_factory=list)
    refused: dict[str, RecordRefused] = field(default_factory=dict)


def look_up(tx: Connection, centre: Centre, raws: Mapping[str, Raw]) -> Found:
    """Sorts rows, each given under its id, by what is known."""
    found = Found(links.of_centre(tx, FILES, Kind.OFFERING, centre.code, raws))
    strangers = [external_id for external_id in raws if external_id not in found.known]
    same = _look_by_code(tx, centre, raws, strangers, found)
    for external_id, raw in raws.items():
        if external_id in found.refused or external_id in same:
            continue
        try:
            hashed = digest(raw.fields)
        except (TypeError, ValueError, RecursionError):
            found.refused[external_id] = RecordRefused(
                "not-json", "The row holds something that no JSON value can be."
            )
            continue
        known = found.known.get(external_id)
        if known is not None and known.source_hash == hashed:
            found.unchanged[external_id] = known.record_id
        else:
            found.changed.append((raw, hashed))
    return found


def _look_by_code(
    tx: Connection,
    centre: Centre,
    raws: Mapping[str, Raw],
    strangers: list[str],
    found: Found,
) -> set[str]:
    """Of ids that no file or push brought yet: the bridge's own codes, and offerings that another
    system brought. Gives those whose rows say what is held already."""
    own = {external_id: offering_code(centre.code, external_id) for external_id in strangers}
    there = offerings.offerings_by_code(tx, {*own, *own.values()})
    if not there:
        return set()
    named = {
        external_id: there.get(external_id) or there[code]
        for external_id, code in own.items()
        if external_id in there or code in there
    }
    found.refused.update(
        (external_id, another_centres())
        for external_id, (_, record) in named.items()
        if record.centre != centre.code
    )
    mine = {
        external_id: record_id
        for external_id, (record_id, _) in named.items()
        if external_id not in found.refused
    }
    asked = [raws[external_id] for external_id in mine if external_id in there]
    news = {raw.external_id for raw in differing(tx, Kind.OFFERING, centre, asked)}
    same = {raw.external_id for raw in asked if raw.external_id not in news}
    found.unchanged.update((external_id, mine[external_id]) for external_id in same)
    owners = source_links.sources(tx, Kind.OFFERING, mine.values(), besides=FILES)
    for external_id, record_id in mine.items():
        if external_id in same:
            continue
        if record_id in owners:
            found.refused[external_id] = owned_elsewhere(Kind.OFFERING, owners[record_id])
        else:
            found.known[external_id] = Known(0, record_id, external_id, "", EMPTY)
    return same
