"""`lms-bridge serve` and `lms-bridge worker`: the processes that keep running."""

from __future__ import annotations

from dataclasses import replace

import click

from lms_bridge.bootstrap import open_bridge
from lms_bridge.bridge import Bridge
from lms_bridge.console.session import CommandSession, with_bridge
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.settings import EngineKind, Settings


def at(settings: Settings, host: str | None, port: int | None) -> Settings:
    """The settings, with another address for the pages where one is named."""
    web = settings.web
    port = web.port if port is None else port
    return replace(settings, web=replace(web, host=host or web.host, port=port))


@click.command()
@click.option("--host", help="The address to listen on; by default web.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; by default web.port.")
@click.pass_obj
def serve(session: CommandSession, host: str | None, port: int | None) -> None:
    """Serves the pages and starts scheduled runs, until it is stopped."""
    stay_up(at(session.settings, host, port))


def stay_up(settings: Settings) -> None:
    """Serves the pages and the scheduler; returns when they are stopped."""
    from lms_bridge.server.serve import listen
    from lms_bridge.server.serve import serve as serve_pages

    with (
        listen(settings.web.host, settings.web.port) as listening,
        open_bridge(at(settings, None, listening.getsockname()[1])) as bridge,
    ):
        serve_pages(bridge, listening)


@click.command()
@click.option("--until-empty", is_flag=True, help="End when the queue is empty.")
@with_bridge
def worker(bridge: Bridge, until_empty: bool) -> None:
    """Carries out runs from the queue in PostgreSQL (engine.kind = "procrastinate")."""
    if bridge.settings.engine.kind is not EngineKind.PROCRASTINATE:
        raise SettingsInvalid(
            ['engine.kind is not "procrastinate": `lms-bridge serve` carries runs out by itself']
        )
    from lms_bridge.jobs.queue import run_worker

    run_worker(bridge, until_empty=until_empty)
