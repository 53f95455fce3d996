"""Trials: work that is done in earnest and undone at the end, to show what it would come to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from lms_bridge.domain.model import Centre
from lms_bridge.domain.policy import Policy
from lms_bridge.store.database import Database
from lms_bridge.sync.work import Lease, Work


class Trial(Work):
    """Work whose transactions are undone at their end."""

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self.database.trying() as tx:
            yield tx
            self.keep_audit(tx)


def trial_of(database: Database, centre: Centre, policy: Policy) -> Trial:
    """A trial needs no lease: it leaves nothing behind."""
    return Trial(database, centre, policy, Lease("", "", 0.0), dry=True)
