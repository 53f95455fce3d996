"""Leases: who may do a thing now, until when. Renewed while the work goes on, and expiring.

Every writing transaction of the work renews its lease first. A process that lost its lease (it
slept, its machine stopped) therefore cannot write another row: the lease is its fence.

Who waits for long, and writes nothing meanwhile, may lend the lease: others take it as a free one.
The lender's own claim is kept under another name, and gets the lease back once it is free again.
"""

from __future__ import annotations

import os
import secrets
import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from lms_bridge.domain.errors import LeaseLost
from lms_bridge.store.bulk import upsert
from lms_bridge.store.run_tables import lease

RUN = "run:"
"""How the names of leases of centres' runs begin."""
LENT = ":lent"
"""How the name of a lender's claim ends. Before it is the name of the lease."""


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
_CLAIMED = (
    lease.c.name.in_([bindparam("of_name"), bindparam("lent_name")]),
    lease.c.holder == bindparam("by_holder"),
)
_RENEW_CLAIM = update(lease).where(*_CLAIMED).values(expires_at=bindparam("until"))
_GIVE_BACK = delete(lease).where(*_CLAIMED)
_LEND = (
    update(lease)
    .where(*_HELD)
    .values(name=bindparam("lent_name"), expires_at=bindparam("until"), lender=bindparam("of_run"))
)


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
    if row.holder != holder and _is_held(row, now):
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


def _is_held(row: Row[Any], now: datetime) -> bool:
    return bool(row.holder) and row.expires_at > now and not is_dead(row.holder)


def is_at_work(tx: Connection, name: str, now: datetime) -> bool:
    """Whether somebody who is alive holds the lease, or has lent it."""
    rows = tx.execute(select(lease).where(lease.c.name.in_([name, name + LENT])))
    return any(_is_held(row, now) for row in rows)


def is_free(tx: Connection, name: str, holder: str, now: datetime) -> bool:
    """Whether nobody but this holder has it now. It may be lent."""
    row = tx.execute(_NAMED, {"of_name": name}).first()
    return row is None or row.holder == holder or not _is_held(row, now)


def lend(
    tx: Connection, name: str, holder: str, now: datetime, seconds: float, run_id: int
) -> None:
    """Lets others take the lease until its holder takes it back. ``run_id`` is the run that goes
    on meanwhile.

    Raises:
        LeaseLost: somebody else took it over.
    """
    claim = {"of_name": name, "lent_name": name + LENT, "by_holder": holder}
    until = now + timedelta(seconds=seconds)
    if tx.execute(_LEND, {**claim, "until": until, "of_run": run_id}).rowcount != 1:
        raise _lost(name)


def take_back(tx: Connection, name: str, holder: str, now: datetime, seconds: float) -> bool:
    """Takes a lease that was lent. False while somebody holds it.

    Raises:
        LeaseLost: the claim is gone: another one that lends may be at work.
    """
    row = tx.execute(_NAMED, {"of_name": name}).first()
    if row is not None and row.holder == holder:  # it was not lent after all
        return True
    renew(tx, name + LENT, holder, now, seconds)
    if not take(tx, name, holder, now, seconds):
        return False
    tx.execute(delete(lease).where(lease.c.name == name + LENT, lease.c.holder == holder))
    return True


def renew_claim(tx: Connection, name: str, holder: str, now: datetime, seconds: float) -> None:
    """Keeps a lease that is lent, or that may be: of a commit that failed nobody knows.

    Raises:
        LeaseLost: neither the lease nor the claim to it is there.
    """
    until = now + timedelta(seconds=seconds)
    claim = {"of_name": name, "lent_name": name + LENT, "by_holder": holder}
    if not tx.execute(_RENEW_CLAIM, {**claim, "until": until}).rowcount:
        raise _lost(name)


def is_lent(tx: Connection, name: str, now: datetime) -> bool:
    """Whether somebody has a claim to this lease. One that is over ends. Ask after ``take``: from
    then on nobody else can lend it."""
    row = tx.execute(_NAMED, {"of_name": name + LENT}).first()
    return row is not None and not _end_if_over(tx, row, now)


def end_dead_claim(tx: Connection, name: str, now: datetime) -> None:
    """Ends the claim to this lease if it expired, or if its process is gone."""
    row = tx.execute(_NAMED, {"of_name": name + LENT}).first()
    if row is not None:
        _end_if_over(tx, row, now)


def _end_if_over(tx: Connection, claim: Row[Any], now: datetime) -> bool:
    if _is_held(claim, now):
        return False
    tx.execute(delete(lease).where(lease.c.name == claim.name, lease.c.holder == claim.holder))
    return True


def renew(tx: Connection, name: str, holder: str, now: datetime, seconds: float) -> None:
    """Keeps a lease that is still held.

    Raises:
        LeaseLost: somebody else took it over.
    """
    until = now + timedelta(seconds=seconds)
    kept = tx.execute(_RENEW, {"of_name": name, "by_holder": holder, "until": until})
    if kept.rowcount != 1:
        raise _lost(name)


def _lost(name: str) -> LeaseLost:
    return LeaseLost("lease-lost", f"Another process has taken over {name}.")


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
    """Gives up the lease, or the claim to it."""
    tx.execute(_GIVE_BACK, {"of_name": name, "lent_name": name + LENT, "by_holder": holder})
