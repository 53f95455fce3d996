"""A bridge between a fake centre and a fake Academy, night after night, on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Centre, Flow, Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.store import holds, leases, links, runs
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import flow_state, item, lease, run, run_day
from lms_bridge.store.tables import link, metadata
from lms_bridge.sync.context import Lease, RunContext
from lms_bridge.sync.flows import Peers
from lms_bridge.sync.holds import decide_hold, match_person, resend
from lms_bridge.sync.run import Runner, RunReport, RunRequest
from tests.fakes.academy import FakeAcademy
from tests.fakes.centre import FakeCentre
from tests.fakes.steps import KillSwitch

START = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
ALL = tuple(Flow)
NEVER_HOLD = Policy(hold_records=1_000_000, hold_percent=100.0)
"""A policy for tests that are not about holds."""
OF_RUNS = frozenset({run.name, run_day.name, lease.name, flow_state.name})


def sample_centre(code: str = "SAMPLE", **fields: Any) -> Centre:
    return Centre(code, f"Sample centre {code}", "africa", "fake", sample=True, **fields)


@dataclass
class Nights:
    """``night()`` is a full run; ``minutes()`` one that only follows changes. Runs that read lend
    their lease whenever they wait, if it ``lends``."""

    database: Database
    centre: Centre = field(default_factory=sample_centre)
    lms: Any = field(default_factory=FakeCentre)
    academy: Any = field(default_factory=FakeAcademy)
    policy: Policy = NEVER_HOLD
    now: datetime = START
    never: tuple[str, ...] = ("defect", "database", "lease")
    """Stages in which no run may fail."""
    lends: bool = False

    def runner(self) -> Runner:
        return Runner(
            database=self.database,
            open_peers=lambda centre: Peers(self.lms, self.academy),
            keeping=lambda lease: nullcontext(),
            lease_seconds=90,
            now=lambda: self.now,
            lending=self._lending if self.lends else (lambda lease, run_id: nullcontext()),
        )

    @contextmanager
    def _lending(self, lease: Lease, run_id: int) -> Iterator[None]:
        with self.database.writing() as tx:
            leases.lend(tx, lease.name, lease.holder, self.now, lease.seconds, run_id)
        try:
            yield
        finally:
            with self.database.writing() as tx:
                assert leases.take_back(tx, lease.name, lease.holder, self.now, lease.seconds)

    def run(self, flows: Sequence[Flow] = ALL, **options: Any) -> RunReport:
        report = self.runner().run(RunRequest(self.centre, self.policy, tuple(flows), **options))
        foul = [error for stage, error in report.errors if stage in self.never]
        assert not foul, foul
        return report

    def night(self, flows: Sequence[Flow] = ALL) -> RunReport:
        """A full run, a day after the last one."""
        self.now += timedelta(days=1)
        return self.run(flows)

    def good_night(self, flows: Sequence[Flow] = ALL) -> RunReport:
        """The same, which has to end well."""
        report = self.night(flows)
        reported = [f"{stage}: {error!r}" for stage, error in report.errors]
        assert report.status == "done", (report.status, reported, dict(report.counts), report.waits)
        return report

    def minutes(self, flows: Sequence[Flow] = (Flow.ENROLMENTS,)) -> RunReport:
        """A run of the clock, five minutes later, that follows what changed."""
        self.now += timedelta(minutes=5)
        return self.run(flows, full=False, tries_all=False)

    def send(self) -> RunReport:
        """A run that sends what waits for the Academy, and reads nothing."""
        peers = Peers(None, self.academy)
        runner = replace(self.runner(), reads=False, open_peers=lambda centre: peers)
        flows = (Flow.OFFERINGS,)
        return runner.run(RunRequest(self.centre, self.policy, flows, "change", full=False))

    def act(self, do: Callable[[Connection, RunContext], object]) -> RunReport:
        """What a person does with the centre's records."""

        def act(context: RunContext) -> None:
            with context.writing() as tx:
                do(tx, context)

        flows = (Flow.OFFERINGS,)
        return self.runner().run(RunRequest(self.centre, self.policy, flows, "page"), act)

    def crash(self, switch: KillSwitch) -> None:
        """What a dead process leaves behind: connections are gone, its lease stays, and it can be
        seen that its holder is no more."""
        switch.arm(None)
        self.database.engine.dispose()
        with self.database.writing() as tx:
            for row in tx.execute(select(lease)).all():
                machine = row.holder.partition("|")[0]
                dead = f"{machine}|{2**22 + 1}|gone"  # above every process id there can be
                tx.execute(update(lease).where(lease.c.name == row.name).values(holder=dead))

    # ---- what people decide ------------------------------------------------------------

    def decide(self, *, approve: bool) -> int:
        """Decides about everything that waits; gives how much that was."""
        waiting = self.holds(holds.PENDING)
        for row in waiting:
            self.decide_one(row.id, approve=approve)
        return len(waiting)

    def decide_one(self, hold_id: int, *, approve: bool, by: str = "tester") -> None:
        with self.database.writing() as tx:
            decide_hold(tx, hold_id, approve=approve, by=by, at=self.now)

    def match(self, academy_id: str, account: str | None) -> None:
        with self.database.writing() as tx:
            match_person(tx, "SAMPLE", academy_id, account)

    def resend(self, kind: Kind, record_ids: list[int]) -> None:
        with self.database.writing() as tx:
            resend(tx, "SAMPLE", kind, record_ids, by="test", at=utc_now())

    # ---- looking -----------------------------------------------------------------------

    def holds(self, status: str = "") -> Sequence[Row[Any]]:
        with self.database.reading() as tx:
            return holds.holds(tx, status=status)

    def quarantined(self) -> dict[str, str]:
        """{external id: code}"""
        with self.database.reading() as tx:
            return {row.external_id: row.code for row in runs.quarantine_of(tx)}

    def waiting(self) -> dict[str, str]:
        """{Academy id: reason} of the people who wait to be matched."""
        with self.database.reading() as tx:
            return {row.academy_id: row.reason for row in holds.waiting_people(tx)}

    def codes(self) -> dict[str, str]:
        """{external id in the LMS: code} of the centre's offerings."""
        from lms_bridge.store.offerings import offerings_of

        with self.database.reading() as tx:
            records = offerings_of(tx, self.centre.code)
            there = links.external_ids(tx, self.centre.system, Kind.OFFERING, records)
        return {there[id_]: record.code for id_, record in records.items() if id_ in there}

    def links(self, system: str, kind: Kind) -> list[Row[Any]]:
        query = select(link).where(link.c.system == system, link.c.kind == kind)
        with self.database.reading() as tx:
            return list(tx.execute(query.order_by(link.c.id)))

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables but those about runs themselves."""
        found = {}
        with self.database.reading() as tx:
            for table in metadata.sorted_tables:
                if table.name not in OF_RUNS:
                    rows = tx.execute(select(table).order_by(*table.primary_key.columns))
                    found[table.name] = [tuple(row) for row in rows]
        return found

    def count(self, name: str) -> int:
        with self.database.reading() as tx:
            return tx.scalar(select(func.count()).select_from(metadata.tables[name])) or 0

    def items(self, report: RunReport) -> list[tuple[str, str, str]]:
        """(kind, action, state) of what the audit says of a run."""
        with self.database.reading() as tx:
            rows = tx.execute(
                select(item.c.kind, item.c.action, item.c.state)
                .where(item.c.run_id == report.run_id)
                .order_by(item.c.id)
            )
            return [(row.kind, row.action, row.state) for row in rows]
