"""The leader: the one process that runs the scheduler, and its regular upkeep."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from lms_bridge.bridge import Bridge
from lms_bridge.domain.errors import BridgeError, LeaseLost
from lms_bridge.lti.feature import lti_of
from lms_bridge.store import leases, runs
from lms_bridge.store.database import Database
from lms_bridge.web import sessions

NAME = "clock"


class Leader:
    """One candidate. After a crash another takes over within ``seconds``: the lease lasts two
    thirds of it, and each candidate tries six times in it."""

    def __init__(self, database: Database, seconds: float, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._holder = leases.new_holder()
        self._hold_seconds = seconds * 2 / 3
        self.ask_seconds = seconds / 6
        self.elected = False

    def stand(self) -> bool:
        """Renews or tries to win the lease."""
        with self._database.writing() as tx:
            self.elected = leases.take(tx, NAME, self._holder, self._now(), self._hold_seconds)
        return self.elected

    def fence(self, tx: Connection) -> None:
        """Call this first in each transaction of the leader.

        Raises:
            LeaseLost: another process is the leader now; this one slept or was cut off.
        """
        try:
            leases.renew(tx, NAME, self._holder, self._now(), self._hold_seconds)
        except LeaseLost:
            self.elected = False
            raise

    def resign(self) -> None:
        """Gives the lease back, so that another takes over at once."""
        if self.elected:
            self.elected = False
            with self._database.writing() as tx:
                leases.give_back(tx, NAME, self._holder)


_log = structlog.get_logger(__name__)
EVERY = timedelta(hours=1)
_DAY_SECONDS = 86_400


def is_over(since: datetime, span: timedelta, now: datetime) -> bool:
    """Whether a span has passed, or the machine's clock was set back meanwhile."""
    return not timedelta() <= now - since < span


class Upkeep:
    """Replaces an old signing key, and deletes expired nonces and sessions, and old runs without
    changes."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._done_at: datetime | None = None

    def do(self, now: datetime) -> None:
        """Does nothing within an hour of the last time."""
        if self._done_at is not None and not is_over(self._done_at, EVERY, now):
            return
        self._done_at = now
        lti = lti_of(self._bridge).context
        lti.nonces.purge()
        sessions.forget_ended(self._bridge.database, self._bridge.settings.sign_in, now)
        self._forget_quiet_runs(now)
        try:
            changed = lti.keyring.rotate_if_older(lti.settings.key_days * _DAY_SECONDS)
        except BridgeError as error:  # a key that cannot be read must not stop the clock
            _log.error("signing key not looked after", code=error.code)
            return
        if changed:
            _log.info("signing key changed", after_days=lti.settings.key_days)

    def _forget_quiet_runs(self, now: datetime) -> None:
        """Each centre has one every few minutes, so their number must not grow forever."""
        days = self._bridge.settings.sync.quiet_run_days
        if not days:
            return
        with self._bridge.database.writing() as tx:
            runs.forget_quiet_runs(tx, now - timedelta(days=days))
