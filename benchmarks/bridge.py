"""A bridge whose centres and Academy are prepared bytes; everything else is the real one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import event

from benchmarks.answers import COURSES, REGISTRATIONS, ROSTERS, Answers
from benchmarks.peers import AcademyBytes, MoodleBytes
from lms_bridge.bridge import Bridge
from lms_bridge.connectors.embedded import Embedded
from lms_bridge.domain.model import Centre
from lms_bridge.lti.feature import LtiFeature
from lms_bridge.secrets import Vault
from lms_bridge.settings import Settings, StoreSettings
from lms_bridge.store.database import Database
from lms_bridge.sync.context import Progress, silent
from lms_bridge.sync.flows import Peers
from lms_bridge.sync.lease_renewer import LeaseRenewer
from lms_bridge.sync.run import Runner

EMBEDDED, READ = "embedded", "read"
"""What the Academy is: the bridge itself, or a platform whose registrations are read."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the bytes are, and how they are read."""

    folder: Path
    academy: str = EMBEDDED
    checks: bool = False
    empty: bool = False

    @property
    def feeds(self) -> tuple[str, ...]:
        own = (COURSES, ROSTERS)
        return own if self.academy == EMBEDDED else (*own, REGISTRATIONS)


def number_of(centre: Centre) -> int:
    return int(centre.code[1:])


@dataclass(frozen=True)
class MeasuredBridge(Bridge):
    """Opens the prepared sources in place of connectors."""

    sources: Sources

    def runner(self, progress: Progress = silent) -> Runner:
        return replace(super().runner(progress), open_peers=self.open_peers)

    def open_peers(self, centre: Centre) -> Peers:
        folder, number = self.sources.folder, number_of(centre)
        lms = Answers.open(folder, number, (COURSES, ROSTERS))
        moodle = MoodleBytes(lms, self.sources.checks, self.sources.empty)
        if self.sources.academy == EMBEDDED:
            return Peers(moodle, Embedded())
        registrations = Answers.open(folder, number, (REGISTRATIONS,))
        return Peers(moodle, AcademyBytes(registrations))


def measured_bridge(address: str, sources: Sources) -> MeasuredBridge:
    """A bridge on the database of that address."""
    database = Database(address)
    vault = Vault(Fernet.generate_key().decode())
    settings = Settings(store=StoreSettings(address))
    return MeasuredBridge(
        settings,
        database,
        vault,
        LeaseRenewer(database),
        LtiFeature(settings, database, vault),
        sources,
    )


class RowsWritten:
    """Counts the rows that a database's connections insert, change and delete (SQLite only)."""

    def __init__(self, database: Database) -> None:
        self._connections: list[Any] = []
        event.listen(database.engine, "connect", self._opened)

    def _opened(self, connection: Any, _: Any) -> None:
        self._connections.append(connection)

    def count(self) -> int:
        return sum(connection.total_changes for connection in self._connections)
