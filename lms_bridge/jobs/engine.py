"""Engines: who carries out the runs that the clock, or a person, asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.model import Flow
from lms_bridge.jobs.execution import Execution
from lms_bridge.jobs.pool import Pool
from lms_bridge.sync.run import BUSY

BUSY_SECONDS = 60
BUSY_ATTEMPTS = 30
"""A full run that finds its centre busy is tried again so often; the others come round anyway."""


class Engine(Protocol):
    """Carries runs out, side by side, some time soon."""

    def submit(self, centre_code: str, flows: Sequence[Flow], full: bool, trigger: str) -> bool:
        """Asks for a run; False when the same one waits already and is not asked for twice."""
        ...

    def close(self, seconds: float) -> None:
        """Takes nothing more, and gives what is going so many seconds to end."""
        ...


def key_of(centre_code: str, flows: Sequence[Flow], full: bool) -> str:
    """The name under which equal requests collapse."""
    return f"{centre_code}:{'+'.join(flows)}:{'full' if full else 'changes'}"


class ThreadEngine:
    """Runs in threads of this very process: nothing to install."""

    def __init__(self, bridge: Bridge) -> None:
        self._execution = Execution(bridge)
        self._pool = Pool(bridge.settings.sync.centres_at_once)

    def submit(self, centre_code: str, flows: Sequence[Flow], full: bool, trigger: str) -> bool:
        attempts = iter(range(BUSY_ATTEMPTS))

        def act() -> float | None:
            status = self._execution.run(centre_code, flows, full, trigger)
            again = status == BUSY and full and next(attempts, None) is not None
            return BUSY_SECONDS if again else None

        return self._pool.add(key_of(centre_code, flows, full), centre_code, act)

    def wait_idle(self, seconds: float) -> bool:
        """Whether all runs ended, at the latest after so many seconds."""
        return self._pool.wait_idle(seconds)

    def close(self, seconds: float) -> None:
        if not self._pool.close(seconds):
            self._execution.let_go()
