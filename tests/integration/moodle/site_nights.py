"""A bridge between a simulated Moodle and a fake Academy, night after night."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from lms_bridge.connectors.moodle import centre
from lms_bridge.devtools.moodle.records import MoodleUser
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Limits, SystemAccess
from lms_bridge.store.run_tables import item
from lms_bridge.sync.flows import Peers
from lms_bridge.sync.run import Runner, RunReport
from tests.fakes.academy import sample_person
from tests.fakes.nights import Nights

LIMITS = Limits(attempts=1, backoff_seconds=0.0, connect_seconds=120, read_seconds=120)


@dataclass
class MoodleNights(Nights):
    """Each run opens the Moodle anew, as it does in life."""

    site: MoodleState = field(default_factory=MoodleState)
    options: dict[str, Any] = field(default_factory=dict)

    def runner(self) -> Runner:
        return Runner(
            database=self.database,
            open_peers=lambda _: Peers(centre.open(self.access()), self.academy),
            keeping=lambda lease: nullcontext(),
            lease_seconds=90,
            now=lambda: self.now,
        )

    def access(self) -> SystemAccess:
        return SystemAccess(
            self.centre.system,
            self.site.wwwroot,
            SERVICE_TOKEN,
            self.options,
            limits=LIMITS,
            private_addresses=True,
        )

    def register(self, number: int, course: int = 2) -> str:
        """Registers sample person ``number`` for a course that the bridge knows."""
        code = self.codes()[str(course)]
        person = sample_person(number)
        key = f"r{number}-{course}"
        return str(self.academy.register(self.centre.code, code, person, key=key))

    def account(self, number: int) -> MoodleUser | None:
        """The account with the Academy's id of a sample person."""
        found = self.site.people.with_any("idnumber", [f"SAMPLE-{number}"])
        return found[0] if found else None

    def messages(self, report: RunReport) -> list[str]:
        """What the audit of a run says in words."""
        with self.database.reading() as tx:
            rows = tx.scalars(
                select(item.c.message).where(item.c.run_id == report.run_id).order_by(item.c.id)
            )
            return [message for message in rows if message]

    def linked_accounts(self) -> set[str]:
        links = self.links(self.centre.system, Kind.LEARNER)
        return {link.external_id for link in links} - {""}
