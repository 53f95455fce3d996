"""`lms-bridge db`: the database's tables."""

from __future__ import annotations

import click

from lms_bridge.bootstrap import Bridge, open_bridge
from lms_bridge.cli.output import say
from lms_bridge.cli.session import Session, with_bridge
from lms_bridge.settings import EngineKind, Settings
from lms_bridge.store import migrate
from lms_bridge.store.locked import lock_anew


@click.group()
def db() -> None:
    """The database's tables."""


@db.command()
@click.pass_obj
def upgrade(session: Session) -> None:
    """Makes the tables, or brings them up to date. Does nothing when they are."""
    before, now = upgrade_tables(session.settings), migrate.newest()
    if before == now:
        say(f"The tables are up to date ({now}).")
    else:
        say(f"The tables are up to date now: {before or 'none'} -> {now}.")


@db.command()
@with_bridge
def relock(bridge: Bridge) -> None:
    """Locks every secret that is kept with the first key of secrets.key, so that the others are
    needed no more: tokens of centres, secrets of webhooks, keys that sign."""
    with bridge.database.writing() as tx:
        number = lock_anew(tx, bridge.vault.relock)
    say(f"{number} secret(s) are locked with the first key.")


def upgrade_tables(settings: Settings) -> str | None:
    """Brings the tables up to date and gives the revision that they were at before."""
    with open_bridge(settings, check_schema=False) as bridge:
        before = migrate.upgrade(bridge.database)
    if settings.engine.kind is EngineKind.PROCRASTINATE:
        from lms_bridge.jobs.queue import upgrade_queue

        upgrade_queue(settings.store.address)
    return before
