"""Tells webhooks what changed, within seconds: from the changes to the receivers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.bootstrap import Bridge
from lms_bridge.jobs.pool import Pool
from lms_bridge.store import changes, deliveries
from lms_bridge.sync.work import utc_now
from lms_bridge.webhooks.delivering import Postman
from lms_bridge.webhooks.telling import tell

_log = structlog.get_logger(__name__)
LOOK_SECONDS = 1
"""How often it is looked for what changed, and for runs that were asked for."""
MOST_TELLINGS = 20
"""Transactions of one turn that tell of changes: the clock has other things to do, too."""
PURGE = timedelta(hours=1)


class Courier:
    """Each webhook has a thread of its own while something is sent to it, so that a slow one
    delays no other. Safe in several processes at once: what is claimed is sent by one alone."""

    def __init__(self, bridge: Bridge, now: Callable[[], datetime] = utc_now) -> None:
        settings = bridge.settings.webhooks
        self._database = bridge.database
        self._keep = timedelta(days=settings.keep_days)
        self._now = now
        self._pool = Pool(settings.at_once)
        self._purged: datetime | None = None
        self._postman = Postman(
            bridge.database,
            bridge.vault,
            settings,
            bridge.settings.network.private_addresses,
            now,
        )

    def turn(self) -> None:
        """Makes deliveries of what changed, and begins to send what is due. Never raises for the
        database: the next turn makes it up."""
        try:
            with self._database.reading() as tx:
                untold = changes.any_untold(tx)
            for _ in range(MOST_TELLINGS):
                if not untold:
                    break
                with self._database.writing() as tx:
                    untold = tell(tx, self._now()) > 0
            with self._database.reading() as tx:
                due = deliveries.due_webhooks(tx, self._now())
            self._purge()
        except SQLAlchemyError as error:
            _log.error("webhooks without database", error=type(error).__name__)
            return
        for number in due:
            key = f"webhook {number}"
            self._pool.add(key, key, partial(self._postman.deliver, number))

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Takes its turns in a thread of its own for as long as the block lasts."""
        stopped = threading.Event()

        def work() -> None:
            while not stopped.wait(LOOK_SECONDS):
                try:
                    self.turn()
                except Exception as error:  # the next turn may do better: others wait for it
                    _log.error("webhooks not told", error=type(error).__name__)

        thread = threading.Thread(target=work, name="courier", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join(LOOK_SECONDS)
            self.close()

    def wait_idle(self, seconds: float) -> bool:
        """Whether everything that was begun ended, at the latest after so many seconds."""
        return self._pool.wait_idle(seconds)

    def close(self, seconds: float = 0.0) -> None:
        """Begins nothing more. What is cut off is claimed again by whoever comes next."""
        self._pool.close(seconds)

    def _purge(self) -> None:
        now = self._now()
        if self._purged is None or now - self._purged >= PURGE:
            self._purged = now
            with self._database.writing() as tx:
                deliveries.purge(tx, now - self._keep)
