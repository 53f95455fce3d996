"""Which logins were used: all that a launch leaves, until the login would be over anyway."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from lms_bridge.lti.tool.state import LoginState
from lms_bridge.store import used_logins
from lms_bridge.store.database import Database

PURGE_SECONDS = 60.0


class UsedLogins:
    """Kept in the database, so that all processes share them. Safe for threads."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database, self._now = database, now
        self._purged = time.monotonic()

    def use(self, login: LoginState) -> bool:
        """Marks the login as used; False where it was marked before. Of many at once one gets
        True."""
        if time.monotonic() - self._purged >= PURGE_SECONDS:
            self.purge()
        return used_logins.add(self._database, login.expires, login.nonce)

    def was_used(self, login: LoginState) -> bool:
        return used_logins.is_there(self._database, login.expires, login.nonce)

    def purge(self) -> None:
        """Forgets what is over."""
        self._purged = time.monotonic()
        with self._database.writing() as tx:
            used_logins.purge(tx, self._now().timestamp())
