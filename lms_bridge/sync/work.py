"""The work of one run: its clock, its lease, its audit, and its transactions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection

from lms_bridge.domain.document import Difference, Document, difference
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.model import Centre, Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.store import leases, reports
from lms_bridge.store.database import Database

FILES = "files"
"""The name under which links of records that came in files are kept."""


class Progress(Protocol):
    """Told how far a centre's run is; ``total`` is 0 while it is not known."""

    def __call__(self, centre: str, stage: str, done: int, total: int) -> None: ...


def silent(centre: str, stage: str, done: int, total: int) -> None:
    """Progress for which nobody waits."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def kept_text(error: BridgeError) -> str:
    """What is kept of an error's words. PostgreSQL takes no text with a NUL, and other systems'
    words may hold one."""
    return str(error).replace("\x00", "")[:1000]


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one centre. ``holder`` is empty where a dry run needs none."""

    name: str
    holder: str
    seconds: float


@dataclass
class Work:
    """One run of one centre.

    ``counts`` are what the summary shows; ``errors`` what ended a flow early; ``changes`` the
    items of a dry run, which stores nothing.
    """

    database: Database
    centre: Centre
    policy: Policy
    lease: Lease
    run_id: int = 0
    dry: bool = False
    full: bool = True
    progress: Progress = silent
    now: Callable[[], datetime] = utc_now
    counts: Counter[str] = field(default_factory=Counter)
    errors: list[tuple[str, BridgeError]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    conflicts: dict[tuple[str, Kind], set[int]] = field(default_factory=dict)
    _noted: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction of this run: renews the lease first and keeps the audit at its end.

        Raises:
            LeaseLost: another process runs this centre now; nothing was written.
        """
        with self._audit_of_what_stays(), self.database.writing() as tx:
            began = self._renew_lease(tx)
            yield tx
            self.keep_audit(tx)
            # A long transaction keeps the heartbeat out: its lease would be over at its commit.
            if self.now() - began > timedelta(seconds=self.lease.seconds / 3):
                self._renew_lease(tx)

    def _renew_lease(self, tx: Connection) -> datetime:
        now = self.now()
        leases.renew(tx, self.lease.name, self.lease.holder, now, self.lease.seconds)
        return now

    @contextmanager
    def part(self, tx: Connection) -> Iterator[None]:
        """A part of a transaction that an error undoes by itself, together with its audit."""
        with self._audit_of_what_stays(), tx.begin_nested():
            yield

    @contextmanager
    def _audit_of_what_stays(self) -> Iterator[None]:
        """What an error undoes is not told of either."""
        noted, counts = self._noted, Counter(self.counts)
        lines, held = len(noted), len(self.held)
        try:
            yield
        except BaseException:
            del noted[lines:], self.held[held:]
            self._noted, self.counts = noted, counts
            raise

    def keep_audit(self, tx: Connection) -> None:
        noted, self._noted = self._noted, []
        if self.dry:
            self.changes.extend(noted)
        else:
            reports.add_items(tx, noted)

    def note(
        self,
        kind: Kind,
        system: str,
        action: str,
        state: str,
        *,
        record_id: int | None = None,
        external_id: str = "",
        fields: Difference | None = None,
        error: BridgeError | None = None,
    ) -> None:
        """Adds one line to the audit and to the counts. The values of a person's fields are left
        out: the audit says that a name changed, not which name."""
        shown: dict[str, Any] | None = None
        if fields:
            shown = {
                name: None if kind is Kind.LEARNER else list(values)
                for name, values in fields.items()
            }
        self.counts[f"{kind}.{action}.{state}"] += 1
        self._noted.append(
            {
                "run_id": self.run_id,
                "system": system,
                "kind": kind,
                "record_id": record_id,
                "external_id": external_id[:255],
                "action": action,
                "state": state,
                "fields": shown,
                "code": error.code[:60] if error else "",
                "message": kept_text(error) if error else "",
                "at": self.now(),
            }
        )


def changed_fields(before: Document | None, after: Document) -> Difference:
    return difference(before or {}, after)
