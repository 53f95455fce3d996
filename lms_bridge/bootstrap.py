"""The composition root: from settings to a bridge that is ready to work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy.engine import make_url

from lms_bridge.domain.errors import NotFound, SettingsInvalid
from lms_bridge.domain.model import ACADEMY, Centre, Flow
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Access, Connector, Limits
from lms_bridge.lti.chain.gradebooks import LIMITS as GRADEBOOK_LIMITS
from lms_bridge.lti.chain.gradebooks import gradebooks
from lms_bridge.lti.peering import Peering
from lms_bridge.lti.platform.canonical import take_in_scores
from lms_bridge.lti.room import Room, open_room
from lms_bridge.lti.tool.connections import Connections
from lms_bridge.registry import connector
from lms_bridge.schemas.parts import read_part
from lms_bridge.secrets import Vault
from lms_bridge.settings import Settings
from lms_bridge.store import centres
from lms_bridge.store.database import Database
from lms_bridge.store.migrate import check_up_to_date
from lms_bridge.sync.flows import Peers
from lms_bridge.sync.heartbeat import Heartbeat
from lms_bridge.sync.run import Report, Runner, RunRequest
from lms_bridge.sync.work import Progress, silent

SCORES = "scores"
"""What begins a run that sends scores on."""


@dataclass(frozen=True)
class Bridge:
    """Everything that commands, pages and jobs need. ``room`` is what both sides of LTI share, and
    ``connections`` the ways to platforms' services: one of each per process, made without looking
    at the database or the network."""

    settings: Settings
    database: Database
    vault: Vault
    heartbeat: Heartbeat
    room: Room = field(init=False, repr=False, compare=False)
    connections: Connections = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        room = open_room(self.settings, self.database, self.vault)
        object.__setattr__(self, "room", room)  # the dataclass is frozen for everybody else
        object.__setattr__(self, "connections", Connections(room, GRADEBOOK_LIMITS))

    # ---- centres -----------------------------------------------------------------------

    def centre(self, code: str) -> Centre:
        """Raises NotFound, with the codes there are."""
        with self.database.reading() as tx:
            found = centres.find(tx, code)
            if found is None:
                known = ", ".join(each.code for each in centres.all_centres(tx)) or "none yet"
                raise NotFound(
                    "no-such-centre", f'There is no centre "{code}".', f"Known: {known}."
                )
        return found

    def policy_of(self, centre: Centre) -> Policy:
        """The centre's own policy over that of the settings."""
        own = {k: v for k, v in centre.policy.items() if k in Policy.__slots__}
        policy, problems = read_part(Policy, own, f"{centre.code}.policy", self.settings.policy)
        if problems:
            raise SettingsInvalid(problems)
        return policy

    def limits_of(self, centre: Centre) -> Limits:
        own = {k: v for k, v in centre.policy.items() if k in Limits.__slots__}
        limits, problems = read_part(Limits, own, f"{centre.code}.limits", self.settings.limits)
        if problems:
            raise SettingsInvalid(problems)
        return limits

    def open_centre(self, centre: Centre) -> object:
        """The centre's LMS, as an object with some of the ports."""
        with self.database.reading() as tx:
            locked = centres.secret_of(tx, centre.code)
        kind = connector(centre.connector, "centre")
        return kind.open(self.access_to(centre, kind, self.vault.unlock(locked)))

    def access_to(self, centre: Centre, kind: Connector, secret: str) -> Access:
        """What the connector of a centre, stored or still to be, is opened with."""
        limits = self.limits_of(centre)
        return Access(
            system=centre.system,
            address=centre.address,
            secret=secret,
            options=centre.options,
            limits=limits,
            time_zone=centre.time_zone,
            languages=centre.languages,
            private_addresses=self.settings.network.private_addresses or centre.sample,
            lti=Peering(self.room, centre.code, limits) if kind.needs_lti else None,
        )

    def open_academy(self) -> object:
        academy = self.settings.academy
        kind = connector(academy.connector, "academy")
        return kind.open(
            Access(
                system=ACADEMY,
                address=academy.address,
                secret=academy.token,
                options=self.settings.academy_options,
                limits=self.settings.limits,
                private_addresses=self.settings.network.private_addresses,
                lti=Peering(self.room, "", self.settings.limits) if kind.needs_lti else None,
            )
        )

    # ---- runs --------------------------------------------------------------------------

    def runner(self, progress: Progress = silent) -> Runner:
        return Runner(
            database=self.database,
            open_peers=lambda centre: self.peers(centre, self.open_centre(centre)),
            keeping=self.heartbeat.keeping,
            lease_seconds=self.settings.sync.lease_seconds,
            progress=progress,
        )

    def peers(self, centre: Centre, lms: object) -> Peers:
        """The systems of a run of this centre, whose LMS is opened already."""
        books = gradebooks(self.room, self.connections, centre.code)
        return Peers(lms, self.open_academy(), books, take_in_scores)

    def send_scores(self, code: str) -> Report:
        """Takes in the scores that tools sent about a centre's offerings, and sends all results on
        that are known. The centre's LMS is not asked for anything.

        Raises:
            NotFound: there is no such centre.
        """
        request = self.request(self.centre(code), (Flow.RESULTS,), trigger=SCORES, full=False)
        runner = replace(self.runner(), open_peers=lambda centre: self.peers(centre, None))
        return runner.run(request)

    def request(
        self,
        centre: Centre,
        flows: tuple[Flow, ...] = tuple(Flow),
        *,
        trigger: str = "command",
        full: bool = True,
        dry: bool = False,
    ) -> RunRequest:
        return RunRequest(centre, self.policy_of(centre), flows, trigger, full, dry)

    def run_all(
        self,
        requests: list[RunRequest],
        progress: Progress = silent,
        each: Callable[[Report], None] = lambda report: None,
    ) -> list[Report]:
        """Runs several centres side by side, each told to ``each`` as it ends. Dry runs go one by
        one: each holds the database's writing turn while it works."""
        runner = self.runner(progress)
        at_once = (
            1 if any(request.dry for request in requests) else self.settings.sync.centres_at_once
        )
        reports: list[Report] = []
        with ThreadPoolExecutor(at_once, thread_name_prefix="run") as pool:
            try:
                for future in as_completed(
                    [pool.submit(runner.run, request) for request in requests]
                ):
                    report = future.result()
                    each(report)
                    reports.append(report)
            except BaseException:  # what is at work ends in good order; nothing new begins
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return sorted(reports, key=lambda report: report.centre)

    def close(self) -> None:
        self.heartbeat.close()
        self.connections.close()
        self.room.close()
        self.database.close()


def build(settings: Settings, *, check_schema: bool = True) -> Bridge:
    """A bridge over the settings' database.

    Raises:
        SettingsInvalid: the key or the database cannot be used as they are.
    """
    database = Database(settings.store.address)
    file = make_url(settings.store.address).database
    if database.embedded and file and file != ":memory:":
        _make_private(Path(file))
    if check_schema:
        check_up_to_date(database)
    vault = Vault.from_settings(settings.secrets.key, Path(settings.secrets.key_file))
    return Bridge(settings, database, vault, Heartbeat(database))


def _make_private(file: Path) -> None:
    """Makes the database's file, for its owner alone: it holds personal data. (Those beside it, of
    the write-ahead log, get the same rights.) What cannot be made is told when it is opened."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)


@contextmanager
def open_bridge(settings: Settings, *, check_schema: bool = True) -> Iterator[Bridge]:
    bridge = build(settings, check_schema=check_schema)
    try:
        yield bridge
    finally:
        bridge.close()
