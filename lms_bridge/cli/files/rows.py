"""The rows of a file, sorted by the centre that each is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lms_bridge.domain.errors import Refused
from lms_bridge.domain.model import Centre, Kind
from lms_bridge.domain.ports import Raw
from lms_bridge.schemas.csv import Row, read_offerings, read_registrations, read_results
from lms_bridge.store import centres
from lms_bridge.store.database import Database
from lms_bridge.sync.importing import Share, by_centre, centres_of


@dataclass
class FileRows:
    """What a file holds. ``problems`` are (row, what is wrong with it); ``numbers`` {external id:
    row}; ``elsewhere`` counts rows of centres that were not asked for; ``certain`` is False where
    it cannot even be said which record some row is about."""

    shares: dict[str, Share] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    total: int = 0
    elsewhere: int = 0
    certain: bool = True

    def only(self, centre: str) -> None:
        """Leaves the rows of other centres out."""
        for code in [code for code in self.shares if code != centre]:
            self.elsewhere += len(self.shares.pop(code).raws)


def rows_of(path: Path, kind: Kind, database: Database, centre: Centre | None) -> FileRows:
    """Reads a file whole.

    Raises:
        Refused: there is no such file.
        NotUnderstood: it has no header, or a column too many or too few.
    """
    found = FileRows()
    try:
        usable = list(_usable(_read(path, kind), found))
    except OSError as error:
        raise Refused("file-unreadable", f"{path}: {error.strerror or 'cannot be read'}.") from None
    if kind is Kind.OFFERING:
        _sort_offerings(usable, found, database, centre)
        return found
    raws = [_with_offering(row.raw) if row.problem else row.raw for row in usable]
    found.shares, homeless = by_centre(database, raws, centre.code if centre else "")
    for raw, reason in homeless:
        if not _already_told(found, raw):
            number = found.numbers[raw.external_id]
            found.problems.append((number, f"Row {number} {reason}"))
    if centre is not None:
        found.only(centre.code)
    return found


def _read(path: Path, kind: Kind) -> Iterator[Row]:
    if kind is Kind.OFFERING:
        return read_offerings(path)
    return read_registrations(path) if kind is Kind.ENROLMENT else read_results(path)


def _usable(rows: Iterable[Row], found: FileRows) -> Iterator[Row]:
    """The rows that are about a record; what is wrong with any goes into ``found``."""
    for row in rows:
        found.total += 1
        found.certain = found.certain and row.known
        if row.problem:
            found.problems.append((row.number, row.problem))
        if not row.stray:
            found.numbers[row.raw.external_id] = row.number
            yield row


def _with_offering(raw: Raw) -> Raw:
    """An unreadable row still says by its id which offering it is about."""
    return Raw(raw.external_id, {**raw.fields, "offering": raw.external_id.rpartition("/")[0]})


def _already_told(found: FileRows, raw: Raw) -> bool:
    number = found.numbers[raw.external_id]
    return any(told == number for told, _ in found.problems)


def _sort_offerings(
    usable: list[Row], found: FileRows, database: Database, centre: Centre | None
) -> None:
    with database.reading() as tx:
        known = {each.code for each in centres.all_centres(tx)}
        owners = centres_of(tx, [row.raw.external_id for row in usable])
    for row in usable:
        named = str(row.raw.fields.get("centre", ""))
        if centre is not None:
            code = named if named in known else centre.code
        else:
            owner = owners.get(row.raw.external_id, set())
            code = named or (next(iter(owner)) if len(owner) == 1 else "")
        if code in known:
            found.shares.setdefault(code, Share()).raws.append(row.raw)
        elif not row.problem:
            found.problems.append((row.number, f"Row {row.number} {_homeless(named)}"))
    if centre is not None:
        found.only(centre.code)


def _homeless(named: str) -> str:
    if named:
        return "names a centre that does not exist."
    return 'has no centre: name one with --centre, or in the column "centre".'
