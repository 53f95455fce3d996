"""The context of one run: its clock, lease, audit and transactions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from lms_bridge.domain.batches import PartSize
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import Difference
from lms_bridge.domain.errors import BridgeError, CircuitOpen, Unreachable
from lms_bridge.domain.model import Centre, Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.store import leases, runs
from lms_bridge.store.database import Database
from lms_bridge.store.holds import CONFLICT
from lms_bridge.store.waits import Wait

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_TOGETHER, FIRST = 100, 10
"""Items of one transaction of many, and of the first one; the next ones have as many as there is
time for."""

FILES = "files"
"""The system whose links belong to records that came in files."""
API = "api"
"""The system that the audit names for changes made through the API."""
APPLIED, REFUSED = "applied", "refused"
"""The audit's states of a change to a canonical record, and of one that was not made."""


class Progress(Protocol):
    """Receives how far a centre's run is. ``total`` is 0 while it is not known."""

    def __call__(self, centre: str, stage: str, done: int, total: int) -> None: ...


def silent(centre: str, stage: str, done: int, total: int) -> None:
    """Ignores progress."""


def each_in(
    around: Callable[[], AbstractContextManager[None]], items: Iterable[Item]
) -> Iterator[Item]:
    """The items, each of which is waited for in such a context, and used outside of it."""
    waiting = iter(items)
    while True:
        with around():
            found = list(islice(waiting, 1))
        if not found:
            return
        yield found[0]


def kept_text(error: BridgeError) -> str:
    """An error's text as it is stored. PostgreSQL refuses NUL, which other systems may send."""
    return str(error).replace("\x00", "")[:1000]


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one centre. ``holder`` is empty where a dry run needs none."""

    name: str
    holder: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks for, as the audit names it. ``external_id`` is the thing's own name."""

    kind: Kind
    action: str
    external_id: str = ""
    record_id: int | None = None


@dataclass
class RunContext:
    """One run of one centre.

    The summary shows ``counts``. ``errors`` ended a step early. ``changes`` are the audit of a dry
    run, which stores nothing. ``targets`` are the (system, kind) that the run sent to. A run that
    ``tries_all`` ignores the back-off of records that failed. One ``by_person`` reads all results,
    also of courses in which nobody was since. ``left`` are offerings that left the centre's
    catalogue in this run, or that the centre hides since then. ``causes`` {external id of an
    offering: why nobody whom the bridge enrolled there is active}. ``answered``: whether the
    centre's LMS did, if it was asked. ``asked`` is what a person asks for, so that a refusal can
    name it. ``lending`` is around waits for other systems: others may change the centre's records
    meanwhile, and this run writes nothing.
    """

    database: Database
    centre: Centre
    policy: Policy
    lease: Lease
    run_id: int = 0
    dry: bool = False
    full: bool = True
    tries_all: bool = True
    by_person: bool = False
    progress: Progress = silent
    now: Callable[[], datetime] = utc_now
    counts: Counter[str] = field(default_factory=Counter)
    errors: list[tuple[str, BridgeError]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    targets: set[tuple[str, str]] = field(default_factory=set)
    conflicts: dict[tuple[str, Kind], set[int]] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    causes: dict[str, BridgeError] = field(default_factory=dict)
    answered: bool | None = None
    asked: Asked | None = None
    lending: Callable[[], AbstractContextManager[None]] = nullcontext
    _noted: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that renews the run's lease first, and stores the audit at its end.

        Raises:
            LeaseLost: another process runs this centre now. Nothing was written.
        """
        with self._undo_audit_on_error(), self.database.writing() as tx:
            began = self._renew_lease(tx)
            yield tx
            self.keep_audit(tx)
            # A long transaction blocks the lease renewer, and its lease would end at the commit.
            if self.now() - began > timedelta(seconds=self.lease.seconds / 3):
                self._renew_lease(tx)

    def in_parts(
        self, items: Iterable[Item], do: Callable[[Connection, Item], Result]
    ) -> list[Result]:
        """Does something with each item, in short transactions: others wait to write."""
        size, rest = PartSize(MOST_TOGETHER, 1, FIRST), iter(items)
        done: list[Result] = []
        while part := list(islice(rest, size.records)):
            with self.writing() as tx:
                began = time.monotonic()
                done += [do(tx, item) for item in part]
            size.adjust(time.monotonic() - began)
        return done

    def _renew_lease(self, tx: Connection) -> datetime:
        now = self.now()
        leases.renew(tx, self.lease.name, self.lease.holder, now, self.lease.seconds)
        return now

    @contextmanager
    def savepoint(self, tx: Connection) -> Iterator[None]:
        """A part of a transaction that an error undoes alone, together with its audit."""
        with self._undo_audit_on_error(), tx.begin_nested():
            yield

    @contextmanager
    def _undo_audit_on_error(self) -> Iterator[None]:
        noted, counts = self._noted, Counter(self.counts)
        lines, held = len(noted), len(self.held)
        try:
            yield
        except BaseException:
            del noted[lines:], self.held[held:]
            self._noted, self.counts = noted, counts
            raise

    def heard(self, system: str, error: BridgeError | None) -> None:
        """Notes that a system answered, or why it did not. One answer of an LMS is enough."""
        if system != self.centre.system:
            return
        is_silent = isinstance(error, Unreachable | CircuitOpen) and error.code != "server-error"
        self.answered = bool(self.answered) or not is_silent

    def keep_audit(self, tx: Connection) -> None:
        noted, self._noted = self._noted, []
        if self.dry:
            self.changes.extend(noted)
        else:
            runs.add_items(tx, noted)

    def note(
        self,
        kind: Kind,
        system: str,
        action: str,
        state: str = APPLIED,
        *,
        record_id: int | None = None,
        external_id: str = "",
        fields: Difference | None = None,
        error: BridgeError | None = None,
    ) -> None:
        """Adds one item to the audit and to the counts. Of a person's fields it keeps the names
        without the values: that a name changed, not which name."""
        shown: dict[str, Any] | None = None
        if fields:
            hidden = kind is Kind.LEARNER
            shown = {name: None if hidden else list(pair) for name, pair in fields.items()}
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
                "centre": self.centre.code if action == CONFLICT else "",
            }
        )

    def note_refusal(self, error: BridgeError) -> None:
        """Adds what a person asked for and did not get, with the reason."""
        if self.asked is not None:
            self.note(
                *(self.asked.kind, API, self.asked.action, REFUSED),
                record_id=self.asked.record_id,
                external_id=self.asked.external_id,
                error=error,
            )


class DryRun(RunContext):
    """A run that does everything in earnest, and then undoes its transactions."""

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self.database.trying() as tx:
            yield tx
            self.keep_audit(tx)


def dry_run_of(database: Database, centre: Centre, policy: Policy) -> DryRun:
    """A dry run needs no lease, because it changes nothing."""
    return DryRun(database, centre, policy, Lease("", "", 0.0), dry=True)
