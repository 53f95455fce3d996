"""`lms-bridge serve` and `lms-bridge worker`: what stays up."""

from __future__ import annotations

from dataclasses import replace

import click

from lms_bridge.bootstrap import Bridge, open_bridge
from lms_bridge.cli.session import Session, with_bridge
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.settings import EngineKind, Settings


def at(settings: Settings, host: str | None, port: int | None) -> Settings:
    """The settings, with another address for the pages where one is named."""
    web = settings.web
    return replace(settings, web=replace(web, host=host or web.host, port=port or web.port))


@click.command()
@click.option("--host", help="The address to listen on; by default web.host.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port; by default web.port.")
@click.pass_obj
def serve(session: Session, host: str | None, port: int | None) -> None:
    """Shows the pages and lets the clock work, until it is told to stop."""
    stay_up(at(session.settings, host, port))


def stay_up(settings: Settings) -> None:
    """The pages and the clock; returns when they were told to stop."""
    from lms_bridge.web.serve import serve as serve_pages

    with open_bridge(settings) as bridge:
        serve_pages(bridge)


@click.command()
@click.option("--until-empty", is_flag=True, help="End when the queue is empty.")
@with_bridge
def worker(bridge: Bridge, until_empty: bool) -> None:
    """Takes runs from the queue in PostgreSQL (engine.kind = "procrastinate")."""
    if bridge.settings.engine.kind is not EngineKind.PROCRASTINATE:
        raise SettingsInvalid(
            ['engine.kind is not "procrastinate": `lms-bridge serve` carries runs out by itself']
        )
    from lms_bridge.jobs.queue import run_worker

    run_worker(bridge, until_empty=until_empty)
