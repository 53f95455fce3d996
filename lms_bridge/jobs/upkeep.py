"""What has to be done from time to time, whatever centres there are: by the elected process."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.errors import BridgeError
from lms_bridge.store import reports

_log = structlog.get_logger(__name__)
EVERY = timedelta(hours=1)
_DAY_SECONDS = 86_400


class Upkeep:
    """Changes the signing key when it is old, and forgets one-time records that are over and runs
    that changed nothing."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._done_at: datetime | None = None

    def do(self, now: datetime) -> None:
        """Does it when an hour has passed since the last time."""
        if self._done_at is not None and now - self._done_at < EVERY:
            return
        self._done_at = now
        room = self._bridge.room
        room.once.purge()
        room.used.purge()
        self._forget_quiet_runs(now)
        try:
            changed = room.keyring.rotate_if_older(room.settings.key_days * _DAY_SECONDS)
        except BridgeError as error:  # a key that cannot be read must not stop the clock
            _log.error("signing key not looked after", code=error.code)
            return
        if changed:
            _log.info("signing key changed", after_days=room.settings.key_days)

    def _forget_quiet_runs(self, now: datetime) -> None:
        """There is one every few minutes for each centre: their number must not grow for ever."""
        days = self._bridge.settings.sync.quiet_run_days
        if not days:
            return
        with self._bridge.database.writing() as tx:
            reports.forget_quiet_runs(tx, now - timedelta(days=days))
