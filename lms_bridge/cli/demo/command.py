"""The command, step by step."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click

from lms_bridge import logs
from lms_bridge.bootstrap import Bridge, open_bridge
from lms_bridge.cli import exits
from lms_bridge.cli.db import upgrade_tables
from lms_bridge.cli.demo import registrations
from lms_bridge.cli.demo.folder import Folder
from lms_bridge.cli.demo.launches import LaunchSites
from lms_bridge.cli.demo.samples import SampleCentre, read_samples
from lms_bridge.cli.demo.sites import Sites
from lms_bridge.cli.demo.summary import show_summary, show_work
from lms_bridge.cli.demo.walking import walk
from lms_bridge.cli.output import say
from lms_bridge.cli.progress import watching
from lms_bridge.cli.serve import at, stay_up
from lms_bridge.cli.session import Session
from lms_bridge.cli.summary import line_of
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import Flow
from lms_bridge.settings import Settings
from lms_bridge.simulators.lti.serving import HOST
from lms_bridge.simulators.moodle import SERVICE_TOKEN
from lms_bridge.store import centres
from lms_bridge.sync.run import Report


@click.command()
@click.option("--once", is_flag=True, help="Make a launch, then end; no pages.")
@click.option("--fresh", is_flag=True, help="Start over with new samples.")
@click.option(
    "--folder",
    "path",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/demo"),
    show_default=True,
    help="Where everything is kept.",
)
@click.option("--host", help="The address of the pages; by default web.host.")
@click.option("--port", type=click.IntRange(1, 65535), help="Their port; by default web.port.")
@click.pass_obj
def demo(
    session: Session, once: bool, fresh: bool, path: Path, host: str | None, port: int | None
) -> None:
    """Seven sample centres with simulated Moodles and a first nightly sync; then the pages, and a
    sample Academy to launch from.

    A second demo goes on where the first one ended, and finds that nothing is left to do.
    """
    folder = Folder(path)
    settings = _addressed(folder.settings(session.environment), once, host, port)
    logs.set_up("warning" if once else settings.log.level, as_json=settings.log.json)
    with folder.locked():
        if fresh or not folder.is_ready:  # one that was cut off begins anew
            folder.clear()
        _show(folder, settings, once)


def _addressed(settings: Settings, once: bool, host: str | None, port: int | None) -> Settings:
    """Where the pages are, and by which address the sample sites know the bridge."""
    from lms_bridge.web.listening import address_of, free_port

    if once:  # served for the launch alone
        settings = at(settings, HOST, free_port(HOST))
    else:
        settings = _with_free_port(at(settings, host, port), named=port is not None)
    own = address_of(settings.web.host, settings.web.port)
    return replace(settings, lti=replace(settings.lti, address=own))


def _with_free_port(settings: Settings, *, named: bool) -> Settings:
    """Another port, if the usual one is taken. Raises SettingsInvalid for one that was named."""
    from lms_bridge.web.listening import check_free, free_port

    try:
        check_free(settings.web.host, settings.web.port)
    except SettingsInvalid:
        if named:
            raise
        return at(settings, None, free_port(settings.web.host))
    return settings


def _show(folder: Folder, settings: Settings, once: bool) -> None:
    samples = read_samples()
    upgrade_tables(settings)
    sites = Sites(folder.sites, samples)
    launches = LaunchSites(folder.sites, samples)
    with ExitStack() as stack:
        addresses = stack.enter_context(sites.served())
        stack.enter_context(launches.served())
        say(
            f"{len(samples)} sample centres, each with a simulated Moodle on this machine; "
            f"everything is kept in {folder.path}."
        )
        with open_bridge(settings) as bridge:
            _keep_centres(bridge, samples, addresses)
            failed = _first_night(folder, bridge, samples, sites)
            shown = launches.connect(bridge)
            if once and not walk(bridge, launches, shown):
                failed = exits.SOME_FAILED
        sites.keep()
        folder.mark_ready()
        if once:
            click.get_current_context().exit(failed)
        say(f"\nOpen {launches.academy.address} as {shown.learner.name}, and press Launch.")
        stay_up(settings)


def _keep_centres(
    bridge: Bridge, samples: Sequence[SampleCentre], addresses: Mapping[str, str]
) -> None:
    """Adds the sample centres that are missing, and tells the others where their sites are now."""
    secret = bridge.vault.lock(SERVICE_TOKEN)
    with bridge.database.writing() as tx:
        for sample in samples:
            code = sample.centre.code
            known = centres.find(tx, code)
            if known is None:
                centres.add(tx, replace(sample.centre, address=addresses[code]), secret)
            elif known.address != addresses[code]:
                centres.change(tx, replace(known, address=addresses[code]))


def _first_night(folder: Folder, bridge: Bridge, samples: list[SampleCentre], sites: Sites) -> int:
    """Catalogues, registrations, and the nightly sync of everything; gives the exit code."""
    began = time.monotonic()
    say("\n1. The centres' catalogues")
    catalogues = _sync(bridge, (Flow.OFFERINGS,))
    if not folder.registrations.exists():
        registrations.write(folder.registrations, bridge, samples)
    say(f"\n2. The Academy's registrations: {folder.registrations}")
    taken = registrations.take(folder.registrations, bridge)
    for report in taken.reports:
        say(line_of(report))
    say("\n3. The nightly sync: catalogues, enrolments, results")
    nightly = _sync(bridge, tuple(Flow))
    show_summary(bridge, nightly)
    show_work([*catalogues, *taken.reports, *nightly], sites.calls())
    say(f"That took {time.monotonic() - began:.1f} s.")
    return _exit_code(nightly)


def _sync(bridge: Bridge, flows: tuple[Flow, ...]) -> list[Report]:
    with bridge.database.reading() as tx:
        active = centres.all_centres(tx, active_only=True)
    orders = [bridge.request(centre, flows, trigger="demo") for centre in active]
    with watching([centre.code for centre in active]) as watch:
        return bridge.run_all(orders, watch.progress, watch.done)


def _exit_code(reports: Sequence[Report]) -> int:
    """A bad record among the samples is there to be seen: only what failed counts."""
    failed = any(report.errors or report.status == "failed" for report in reports)
    return exits.SOME_FAILED if failed else exits.ALL_DONE
