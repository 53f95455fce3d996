"""Files that a person imports: the same way in as every other source.

An import is a run of each centre that the file speaks of: under its lease, in its own transaction,
with its audit. What another system owns is not changed by a file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lms_bridge.domain.document import digest
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Answer, Raw
from lms_bridge.store import offerings, source_links
from lms_bridge.store.database import Database
from lms_bridge.sync.offerings import take_in_offerings
from lms_bridge.sync.read import Feed, Snapshot, read
from lms_bridge.sync.registrations import take_in_registrations
from lms_bridge.sync.results import take_in_results
from lms_bridge.sync.take import owned_elsewhere
from lms_bridge.sync.work import FILES, Work

TAKES: Mapping[Kind, Callable[[Connection, Work, Snapshot], None]] = {
    Kind.OFFERING: take_in_offerings,
    Kind.ENROLMENT: take_in_registrations,
    Kind.RESULT: take_in_results,
}


@dataclass
class Share:
    """The rows of a file that are about one centre."""

    raws: list[Raw] = field(default_factory=list)


def by_centre(
    database: Database, raws: Iterable[Raw], centre: str = ""
) -> tuple[dict[str, Share], list[tuple[Raw, str]]]:
    """Registrations or results by the centre whose offering they name, and those of which that
    cannot be told, with the reason. ``centre`` is the one that is meant where several centres'
    files call an offering the same."""
    rows = list(raws)
    with database.reading() as tx:
        centres = centres_of(tx, {str(raw.fields.get("offering", "")) for raw in rows})
    shares: dict[str, Share] = {}
    homeless = []
    for raw in rows:
        found = centres.get(str(raw.fields.get("offering", "")), set())
        if centre in found:
            found = {centre}
        if len(found) == 1:
            shares.setdefault(next(iter(found)), Share()).raws.append(raw)
        else:
            homeless.append((raw, _SEVERAL if found else _NONE))
    return shares, homeless


_NONE = "names an offering that does not exist."
_SEVERAL = "names an offering of several centres: name one with --centre."


def centres_of(tx: Connection, names: Collection[str]) -> dict[str, set[str]]:
    """{name: centres} of offerings by their codes, or by the ids under which files brought them."""
    by_code = offerings.offerings_by_code(tx, names)
    found = {code: {record.centre} for code, (_, record) in by_code.items()}
    for name, centre in source_links.centres_that_name(tx, FILES, Kind.OFFERING, names):
        found.setdefault(name, set()).add(centre)
    return found


def take_in_file(work: Work, kind: Kind, share: Share, *, whole: bool) -> None:
    """Takes one centre's rows in. ``whole`` says that the file names everything that files ever
    brought for this centre: what it leaves out has ended."""
    feed = Feed(
        FILES,
        kind,
        f"source:{work.centre.code}",
        digest([whole]),
        exhaustive=True,
        scope_prefix=f"{work.centre.code}:",
        apart=True,
    )
    body = tuple(digest([raw.external_id, raw.fields]) for raw in share.raws)
    answer = Answer("file" if whole else "rows", body, lambda: share.raws, whole)
    snapshot = read(feed, iter([answer]), work.database)
    with work.writing() as tx:
        _leave_to_owners(tx, snapshot)
        TAKES[kind](tx, work, snapshot)


def _leave_to_owners(tx: Connection, snapshot: Snapshot) -> None:
    """Rows about offerings that another system brought are refused: it would undo the change."""
    if snapshot.feed.kind is not Kind.OFFERING:
        return
    codes = [changed.raw.external_id for changed in snapshot.changed]
    known = offerings.offerings_by_code(tx, codes)
    owners = source_links.sources(
        tx, Kind.OFFERING, [record_id for record_id, _ in known.values()], besides=FILES
    )
    kept = []
    for changed in snapshot.changed:
        owner = owners.get(known.get(changed.raw.external_id, (0,))[0])
        if owner is None:
            kept.append(changed)
            continue
        error = owned_elsewhere(Kind.OFFERING, owner)
        snapshot.refused.append((changed.raw, changed.scope, changed.source_hash, error))
    snapshot.changed = kept
