"""`lms-bridge db`: the tables, and the encryption of stored secrets."""

from __future__ import annotations

from collections.abc import Callable

import click
from sqlalchemy import Connection, select, update

from lms_bridge.bootstrap import open_bridge
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_line
from lms_bridge.console.session import CommandSession, with_bridge
from lms_bridge.domain.plurals import counted
from lms_bridge.network.cycles import seed
from lms_bridge.reference import reference
from lms_bridge.settings import EngineKind, Settings
from lms_bridge.store import migrate
from lms_bridge.store.account_tables import account
from lms_bridge.store.api_tables import webhook
from lms_bridge.store.lti_tables import key
from lms_bridge.store.tables import EMPTY, centre

LOCKED = (
    (centre.c.code, centre.c.secret),
    (webhook.c.id, webhook.c.locked_address),
    (webhook.c.id, webhook.c.secret),
    (webhook.c.id, webhook.c.old_secret),
    (key.c.id, key.c.private),
    (account.c.id, account.c.totp_secret),
)


def encrypt_anew(tx: Connection, relock: Callable[[bytes], bytes]) -> int:
    """Replaces each stored secret by what ``relock`` makes of it; returns their number."""
    number = 0
    for name, column in LOCKED:
        for row in tx.execute(select(name, column).where(column != EMPTY)).all():
            changed = {column.name: relock(row[1])}
            tx.execute(update(column.table).where(name == row[0]).values(changed))
            number += 1
    return number


@click.command()
@click.pass_obj
def upgrade(session: CommandSession) -> None:
    """Creates the tables, or brings them up to date. A new database gets the cycles of config/."""
    before, now = upgrade_tables(session.settings), migrate.newest()
    if before == now:
        print_line(f"The tables are up to date ({now}).")
    else:
        print_line(f"The tables are up to date now: {before or 'none'} -> {now}.")


@click.command()
@with_bridge
def relock(bridge: Bridge) -> None:
    """Encrypts every stored secret with the first key of secrets.key: tokens of centres, secrets
    and addresses of webhooks, signing keys. The other keys are then no longer needed."""
    with bridge.database.writing() as tx:
        number = encrypt_anew(tx, bridge.vault.relock)
    print_line(f"{counted(number, 'secret')} encrypted with the first key.")


def upgrade_tables(settings: Settings) -> str | None:
    """Brings the tables up to date; returns their revision before."""
    with open_bridge(settings, check_schema=False) as bridge:
        before = migrate.upgrade(bridge.database)
        seed(bridge.database, reference().cycles)
    if settings.engine.kind is EngineKind.PROCRASTINATE:
        from lms_bridge.jobs.queue import upgrade_queue

        upgrade_queue(settings.store.address)
    return before
