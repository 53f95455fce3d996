"""The bridge: everything that commands, pages and jobs need."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from lms_bridge.audit import Actor
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import (
    NotFound,
    Overloaded,
    RecordRefused,
    Refused,
    SettingsInvalid,
)
from lms_bridge.domain.lti_ports import LtiSystem
from lms_bridge.domain.model import ACADEMY, Centre, Flow
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Connector, Limits, SystemAccess
from lms_bridge.registry import connector
from lms_bridge.schemas.parts import read_part
from lms_bridge.secrets import Vault
from lms_bridge.settings import Settings
from lms_bridge.store import centres, leases
from lms_bridge.store.database import Database
from lms_bridge.sync.context import Progress, RunContext, silent
from lms_bridge.sync.flows import Peers
from lms_bridge.sync.lease_renewer import LeaseRenewer
from lms_bridge.sync.run import RUN_LEASE, Runner, RunReport, RunRequest
from lms_bridge.sync.run_state import BUSY
from lms_bridge.sync.targets import Target

BUSY_SECONDS = 60
POLL_SECONDS = 0.1
FREE_THREADS = 2
"""Threads of a process that never wait for a busy centre, so that other requests are served."""
Done = TypeVar("Done")
Aside = Callable[[], AbstractContextManager[None]]
"""Around a wait for a busy centre: gives up what others could use meanwhile."""
SCORES = "scores"
"""What begins a run that sends scores on."""
BY_PEOPLE = frozenset({"command", "request"})
"""What begins a run for which a person waits."""


class LtiPort(Protocol):
    """What runs need of LTI, which is a feature above this module."""

    def system(self, centre: str, limits: Limits) -> LtiSystem:
        """The LTI connections of a centre; of the Academy where ``centre`` is empty."""
        ...

    def gradebooks(self, centre: str) -> Mapping[str, Target]:
        """The gradebooks of platforms that results of this centre go to, by names for people."""
        ...

    def apply_scores(self, tx: Connection, context: RunContext) -> None:
        """Makes results of the scores that tools sent and that are no results yet."""
        ...

    def close(self) -> None: ...


class WaitingSlots:
    """How many people's acts of a process may wait for busy centres."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    @contextmanager
    def slot(self, centre: str) -> Iterator[bool]:
        """A slot for as long as the block lasts; False where none is free. A centre that has one
        gets no other of the last half, so that the others find some."""
        taken = self._take(centre)
        try:
            yield taken
        finally:
            if taken:
                with self._lock:
                    self._taken -= Counter([centre])

    def _take(self, centre: str) -> bool:
        with self._lock:
            most = max(1, self._size // 2) if self._taken[centre] else self._size
            if self._taken.total() >= most:
                return False
            self._taken[centre] += 1
            return True


@dataclass(frozen=True)
class Bridge:
    """Everything that commands, pages and jobs need. It is made in ``lms_bridge.bootstrap``."""

    settings: Settings
    database: Database
    vault: Vault
    lease_renewer: LeaseRenewer
    lti: LtiPort = field(repr=False, compare=False)
    waiting: WaitingSlots = field(init=False, repr=False, compare=False)
    _at_close: list[Callable[[], object]] = field(
        init=False, repr=False, compare=False, default_factory=list
    )

    def __post_init__(self) -> None:
        slots = WaitingSlots(max(1, self.settings.web.threads - FREE_THREADS))
        object.__setattr__(self, "waiting", slots)

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

    def access_to(self, centre: Centre, kind: Connector, secret: str) -> SystemAccess:
        """What the connector of a centre, stored or still to be, is opened with."""
        limits = self.limits_of(centre)
        return SystemAccess(
            system=centre.system,
            address=centre.address,
            secret=secret,
            options=centre.options,
            limits=limits,
            time_zone=centre.time_zone,
            languages=centre.languages,
            private_addresses=self.settings.network.private_addresses or centre.sample,
            removal=self.policy_of(centre).removal,
            lti=self.lti.system(centre.code, limits) if kind.needs_lti else None,
        )

    def open_academy(self) -> object:
        academy, limits = self.settings.academy, self._share_of_academy()
        kind = connector(academy.connector, "academy")
        return kind.open(
            SystemAccess(
                system=ACADEMY,
                address=academy.address,
                secret=academy.token,
                options=self.settings.academy_options,
                limits=limits,
                private_addresses=self.settings.network.private_addresses,
                lti=self.lti.system("", limits) if kind.needs_lti else None,
            )
        )

    def _share_of_academy(self) -> Limits:
        """This process's share of the calls at once. The clients of one process count together;
        processes whose runs begin while others' go on share what the settings allow."""
        limits = self.settings.limits
        with self.database.reading() as tx:
            running = max(1, leases.processes(tx, RUN_LEASE, utc_now()))
        return replace(limits, calls_at_once=max(1, limits.calls_at_once // running))

    def runner(self, progress: Progress = silent) -> Runner:
        return Runner(
            database=self.database,
            open_peers=lambda centre: self.peers(centre, self.open_centre(centre)),
            keeping=self.lease_renewer.keeping,
            lease_seconds=self.settings.sync.lease_seconds,
            progress=progress,
            most_seconds=self.settings.sync.run_minutes * 60,
            lending=self.lease_renewer.lending,
        )

    def sending_runner(self) -> Runner:
        """Makes runs that send what waits, without a request to the centre's LMS."""
        return replace(self.runner(), open_peers=self.sending_peers, reads=False)

    def peers(self, centre: Centre, lms: object) -> Peers:
        """The systems of a run of this centre, whose LMS is opened already."""
        books = self.lti.gradebooks(centre.code)
        return Peers(lms, self.open_academy(), books, self.lti.apply_scores)

    def sending_peers(self, centre: Centre) -> Peers:
        """The systems of a run that sends what waits, without a request to the centre's LMS."""
        return self.peers(centre, None)

    def act(
        self, centre: Centre, flow: Flow, actor: Actor, do: Callable[[Connection, RunContext], Done]
    ) -> Done:
        """Does one act of a person in one transaction, as a run of the centre.

        Raises:
            Overloaded: the centre is being synced.
            BridgeError: what refused the act; nothing was changed.
        """

        def act(context: RunContext) -> Done:
            with context.writing() as tx:
                return do(tx, context)

        return self.act_in_parts(centre, flow, actor, act)

    def act_in_parts(
        self, centre: Centre, flow: Flow, actor: Actor, do: Callable[[RunContext], Done]
    ) -> Done:
        """The same for an act that makes transactions of its own: what it did before an error
        stays."""
        results: list[Done] = []

        def act(context: RunContext) -> None:
            try:
                results.append(do(context))
            except (Refused, RecordRefused) as error:
                with context.writing():
                    context.note_refusal(error)
                raise

        policy = self.policy_of(centre)
        request = RunRequest(centre, policy, (flow,), actor.means, requested_by=actor.name)
        report = self.in_turn(centre, lambda: self.runner().run(request, act))
        if report.status == BUSY:
            message = f"{centre.code} is being synced at the moment. Nothing was changed."
            raise Overloaded("centre-busy", message, "Try again in a minute.", after=BUSY_SECONDS)
        for _, error in report.errors:
            raise error
        return results[0]

    def in_turn(
        self, centre: Centre, run: Callable[[], RunReport], aside: Aside | None = None
    ) -> RunReport:
        """What ``run`` reports, which is tried again for some seconds while the centre is busy: the
        run that one act asks for often goes on when the next act comes. With ``aside`` the request
        waits apart from others (`lms_bridge.web.environ`), and needs no slot."""
        report = run()
        if report.status == BUSY:
            slot = nullcontext(True) if aside else self.waiting.slot(centre.code)
            with slot as may_wait:
                end = time.monotonic() + self.settings.api.wait_seconds * may_wait
                while report.status == BUSY and time.monotonic() < end:
                    with (aside or nullcontext)():
                        time.sleep(POLL_SECONDS)
                    report = run()
        return report

    def send_scores(self, code: str, *, tries_all: bool = False) -> RunReport:
        """Takes in the scores that tools sent about a centre's offerings, and sends all results on
        that are known; with ``tries_all`` also those that failed lately. It sends no request to
        the centre's LMS.

        Raises:
            NotFound: there is no such centre.
        """
        request = self.request(self.centre(code), (Flow.RESULTS,), trigger=SCORES, full=False)
        request = replace(request, tries_all=tries_all)
        return self.sending_runner().run(request)

    def request(
        self,
        centre: Centre,
        flows: tuple[Flow, ...] = tuple(Flow),
        *,
        trigger: str = "command",
        full: bool = True,
        dry: bool = False,
    ) -> RunRequest:
        """A run as the settings want it. Back-off is for the runs that nobody waits for."""
        by_person = trigger in BY_PEOPLE
        return RunRequest(
            centre,
            self.policy_of(centre),
            flows,
            trigger,
            full,
            dry,
            tries_all=full or by_person,
            by_person=by_person,
        )

    def run_all(
        self,
        requests: list[RunRequest],
        progress: Progress = silent,
        each: Callable[[RunReport], None] = lambda report: None,
    ) -> list[RunReport]:
        """Runs several centres side by side, and calls ``each`` with each report. Dry runs go one
        after the other, because each holds the database's writing turn."""
        runner = self.runner(progress)
        at_once = (
            1 if any(request.dry for request in requests) else self.settings.sync.centres_at_once
        )
        reports: list[RunReport] = []
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

    def at_close(self, act: Callable[[], object]) -> None:
        """Ends what works in the background over this bridge, before its database is closed."""
        self._at_close.append(act)

    def close(self) -> None:
        while self._at_close:
            self._at_close.pop()()
        self.lease_renewer.close()
        self.lti.close()
        self.database.close()
