"""Leases: who may do a thing now, until when. Renewed while the work goes on, and expiring.

Every writing transaction of the work renews its lease first. A process that lost its lease (it
slept, its machine stopped) therefore cannot write another row: the lease is its fence.
"""

from __future__ import annotations

import os
import secrets
import socket
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, select, update

from lms_bridge.domain.errors import LeaseLost
from lms_bridge.store.bulk import upsert
from lms_bridge.store.run_tables import lease


def _machine() -> str:
    """A name that two processes share only if each can see whether the other is alive."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()}/{secrets.token_hex(8)}"  # shared with nobody


_MACHINE = _machine()


def new_holder() -> str:
    """A name for one piece of work, unlike any other ever."""
    return f"{_MACHINE}|{os.getpid()}|{secrets.token_hex(8)}"


def is_dead(holder: str) -> bool:
    """True when the holder was a process of this very machine that exists no more."""
    machine, _, rest = holder.partition("|")
    if machine != _MACHINE:
        return False
    try:
        os.kill(int(rest.partition("|")[0]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False


def processes(tx: Connection, prefix: str, now: datetime) -> int:
    """How many processes hold leases whose names begin so."""
    held = tx.scalars(
        select(lease.c.holder).where(
            lease.c.name.startswith(prefix, autoescape=True),
            lease.c.expires_at > now,
            lease.c.holder != "",
        )
    )
    return len({holder.rpartition("|")[0] for holder in held if not is_dead(holder)})


# Built once, because each writing transaction of a run uses them.
_NAMED = select(lease).where(lease.c.name == bindparam("of_name"))
_HELD = (lease.c.name == bindparam("of_name"), lease.c.holder == bindparam("by_holder"))
_RENEW = update(lease).where(*_HELD).values(expires_at=bindparam("until"))
_GIVE_BACK = delete(lease).where(*_HELD)


def take(tx: Connection, name: str, holder: str, now: datetime, seconds: float) -> bool:
    """Takes a free, expired or orphaned lease. False when somebody holds it."""
    expires_at = now + timedelta(seconds=seconds)
    row = tx.execute(_NAMED, {"of_name": name}).first()
    if row is None:
        upsert(
            tx,
            lease,
            [{"name": name, "holder": holder, "expires_at": expires_at}],
            ["name"],
            ["name"],  # somebody may have been quicker: their row stays
        )
        row = tx.execute(_NAMED, {"of_name": name}).first()
        return row is not None and row.holder == holder
    if row.holder not in ("", holder) and row.expires_at > now and not is_dead(row.holder):
        return False
    taken = tx.execute(
        update(lease)
        .where(
            lease.c.name == name,
            lease.c.holder == row.holder,
            lease.c.expires_at == row.expires_at,  # it may have been renewed at this very moment
        )
        .values(holder=holder, expires_at=expires_at)
    )
    return taken.rowcount == 1


def renew(tx: Connection, name: str, holder: str, now: datetime, seconds: float) -> None:
    """Keeps a lease that is still held.

    Raises:
        LeaseLost: somebody else took it over.
    """
    until = now + timedelta(seconds=seconds)
    kept = tx.execute(_RENEW, {"of_name": name, "by_holder": holder, "until": until})
    if kept.rowcount != 1:
        raise LeaseLost("lease-lost", f"Another process has taken over {name}.")


def renew_unless_locked(
    tx: Connection, name: str, holder: str, now: datetime, seconds: float
) -> None:
    """The same, without waiting for a transaction of the holder's own, which has the lease's row
    locked and renews it itself. (SQLite locks no rows.)

    Raises:
        LeaseLost: somebody else took it over.
    """
    row = select(lease.c.name).where(lease.c.name == name).with_for_update(skip_locked=True)
    if tx.execute(row).first() is not None:
        renew(tx, name, holder, now, seconds)


def give_back(tx: Connection, name: str, holder: str) -> None:
    tx.execute(_GIVE_BACK, {"of_name": name, "by_holder": holder})
