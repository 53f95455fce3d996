"""`lms-bridge demo` and its folder."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from json import dumps
from pathlib import Path
from shlex import quote
from socket import socket

import click

from lms_bridge import logs
from lms_bridge.bootstrap import open_bridge
from lms_bridge.bridge import Bridge
from lms_bridge.cli.db import upgrade_tables
from lms_bridge.cli.serve import at
from lms_bridge.console import session
from lms_bridge.console.output import print_line
from lms_bridge.console.session import CommandSession, by_command
from lms_bridge.devtools.demo.desks import leave_work
from lms_bridge.devtools.demo.launches import DemoLaunch, LaunchSites
from lms_bridge.devtools.demo.night import first_night
from lms_bridge.devtools.demo.pages import DEMO_PATH, DemoFacts, add_demo_to
from lms_bridge.devtools.demo.people import keep_people
from lms_bridge.devtools.demo.samples import SampleCentre, read_samples
from lms_bridge.devtools.demo.sites import MoodleSites
from lms_bridge.devtools.demo.visitor import launch_once
from lms_bridge.devtools.lti.site import HOST
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN
from lms_bridge.domain.errors import Refused, SettingsInvalid
from lms_bridge.network.memberships import add_in
from lms_bridge.settings import PREFIX, Settings, SignInSettings, load
from lms_bridge.store import centres, migrate

try:
    import fcntl
except ImportError:  # a system without such locks: then nobody is kept from a second demo
    fcntl = None  # type: ignore[assignment]  # else it is a module

_KEPT = (f"{PREFIX}WEB__", f"{PREFIX}LOG__")
_DATABASE = "lms_bridge.sqlite3"
SIGN_IN = SignInSettings(
    link_minutes=1440, idle_minutes=1440, session_hours=24, second_factor=False
)
"""A newcomer may take a day to look around, and has no authenticator app for a sample account."""


@dataclass(frozen=True, slots=True)
class DemoFolder:
    path: Path

    @property
    def sites(self) -> Path:
        return self.path / "sites"

    @property
    def registrations(self) -> Path:
        return self.path / "registrations.csv"

    @property
    def is_ready(self) -> bool:
        """Whether a first sync of this version ended here: then database and sites agree."""
        return self.is_used and self._mark.read_text(encoding="utf-8") == migrate.newest()

    @property
    def is_used(self) -> bool:
        """Whether a first sync ended here, of this version or of another one."""
        return self._mark.is_file()

    @property
    def settings_file(self) -> Path:
        return self.path / "settings.toml"

    @property
    def _mark(self) -> Path:
        return self.path / "ready"

    def mark_ready(self) -> None:
        self._mark.write_text(migrate.newest(), encoding="utf-8")

    def settings(self, environment: Mapping[str, str]) -> Settings:
        """The defaults, with everything in this folder and a quiet log. The environment may change
        only what is about the pages and the log."""
        kept = {name: value for name, value in environment.items() if name.startswith(_KEPT)}
        settings = load({f"{PREFIX}LOG__LEVEL": "warning", **kept})
        database = (self.path / _DATABASE).resolve()
        return replace(
            settings,
            store=replace(settings.store, address=f"sqlite:///{database}"),
            secrets=replace(settings.secrets, key="", key_file=str(self.path / "secret.key")),
            sign_in=SIGN_IN,
        )

    def write_settings(self, settings: Settings) -> None:
        """Writes what other commands need to work with this demo."""
        parts = {
            "store": {"address": settings.store.address},
            "secrets": {"key_file": str(Path(settings.secrets.key_file).resolve())},
            "sign_in": asdict(settings.sign_in),
            "lti": {"address": settings.lti.address},
        }
        lines = []
        for section, values in parts.items():
            lines += [f"[{section}]", *(f"{name} = {dumps(each)}" for name, each in values.items())]
        self.settings_file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def clear(self) -> None:
        """Takes away what earlier demos made, by its names."""
        self._mark.unlink(missing_ok=True)
        for name in (_DATABASE, f"{_DATABASE}-wal", f"{_DATABASE}-shm", "secret.key"):
            (self.path / name).unlink(missing_ok=True)
        self.registrations.unlink(missing_ok=True)
        self.settings_file.unlink(missing_ok=True)
        shutil.rmtree(self.sites, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Raises Refused when another demo works in this folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("ab") as lock:
            if fcntl is not None:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise Refused(
                        "demo-running",
                        f"Another demo is running in {self.path}.",
                        "Stop it, or name another folder with --folder.",
                    ) from None
            yield


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
@click.option("--port", type=click.IntRange(0, 65535), help="Their port; by default web.port.")
@click.pass_obj
def demo(
    session: CommandSession, once: bool, fresh: bool, path: Path, host: str | None, port: int | None
) -> None:
    """Seven sample centres with simulated Moodles and a first nightly sync; then the pages, with
    sample accounts to be somebody, and a sample Academy to launch from.

    A second demo goes on where the first one ended, and finds that nothing is left to do.
    """
    folder = DemoFolder(path)
    settings = folder.settings(session.environment)
    logs.set_up(settings.log.level, as_json=settings.log.json)
    with folder.locked(), _listening(settings, once, host, port) as listening:
        if fresh or not folder.is_ready:  # one that was cut off begins anew
            if folder.is_used and not fresh:
                print_line(f"{path} is of another version of the bridge. The demo starts over.")
            folder.clear()
        _show(folder, _addressed(settings, listening), listening, once)


def _listening(settings: Settings, once: bool, host: str | None, port: int | None) -> socket:
    """Where the pages are: on another port, if the usual one is taken. Raises SettingsInvalid for
    one that was named."""
    from lms_bridge.server.serve import listen

    if once:  # served for the launch alone
        return listen(HOST, 0)
    wanted = at(settings, host, port).web
    try:
        return listen(wanted.host, wanted.port)
    except SettingsInvalid:
        if port is not None:
            raise
        return listen(wanted.host, 0)


def _addressed(settings: Settings, listening: socket) -> Settings:
    """The settings with the address by which the sample sites know the bridge."""
    from lms_bridge.server.serve import address_of

    settings = at(settings, *listening.getsockname()[:2])
    own = address_of(settings.web.host, settings.web.port)
    return replace(settings, lti=replace(settings.lti, address=own))


def _show(folder: DemoFolder, settings: Settings, listening: socket, once: bool) -> None:
    samples = read_samples()
    upgrade_tables(settings)
    sites = MoodleSites(folder.sites, samples)
    launches = LaunchSites(folder.sites, samples)
    with ExitStack() as stack:
        addresses = stack.enter_context(sites.served())
        stack.enter_context(launches.served())
        print_line(
            f"{len(samples)} sample centres, each with a simulated Moodle on this machine; "
            f"everything is kept in {folder.path}."
        )
        with open_bridge(settings) as bridge:
            _keep_centres(bridge, samples, addresses)
            failed = first_night(folder.registrations, bridge, samples, sites)
            if not folder.is_ready:
                leave_work(bridge, samples, sites)
            shown = launches.connect(bridge)
            if once and not launch_once(bridge, listening, launches, shown):
                failed = session.SOME_FAILED
        sites.keep()
        folder.mark_ready()
        if once:
            click.get_current_context().exit(failed)
        folder.write_settings(settings)
        _stay_up(folder, settings, listening, launches, shown)


def _stay_up(
    folder: DemoFolder,
    settings: Settings,
    listening: socket,
    launches: LaunchSites,
    shown: DemoLaunch,
) -> None:
    """The pages and the scheduler, until they are stopped."""
    from lms_bridge.server.serve import serve

    def ready(address: str) -> None:
        print_line(
            f"\nOther commands work with this demo, too: {PREFIX}CONFIG="
            f"{quote(str(folder.settings_file))} {quote(_own_command())} status"
        )
        print_line("Ctrl+C ends the demo.")
        # The one address, on the last line: that is what a newcomer acts on.
        print_line(f"Open {address}{DEMO_PATH}")

    with open_bridge(settings) as bridge:
        people = keep_people(bridge, shown)
        facts = DemoFacts(people, launches.academy.address, shown.learner.name)
        serve(bridge, listening, ready, partial(add_demo_to, facts=facts))


def _own_command() -> str:
    """How this very program is called again."""
    return sys.argv[0] if Path(sys.argv[0]).name == "lms-bridge" else "lms-bridge"


def _keep_centres(
    bridge: Bridge, samples: Sequence[SampleCentre], addresses: Mapping[str, str]
) -> None:
    """Adds missing sample centres, and updates the addresses of the others."""
    secret = bridge.vault.lock(SERVICE_TOKEN)
    with bridge.database.writing() as tx:
        for sample in samples:
            code = sample.centre.code
            known = centres.find(tx, code)
            if known is None:
                centres.add(tx, replace(sample.centre, address=addresses[code]), secret)
                add_in(tx, sample.membership, by=by_command())
            elif known.address != addresses[code]:
                centres.change(tx, replace(known, address=addresses[code]))
