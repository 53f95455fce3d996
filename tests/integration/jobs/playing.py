"""Bridges and engines for tests of the jobs: outside systems in memory, time that stands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lms_bridge.bridge import Bridge
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.domain.ports import Pages
from lms_bridge.settings import Settings, load
from lms_bridge.store import centres
from lms_bridge.store.database import Database

START = datetime(2027, 3, 1, 12, tzinfo=UTC)
PATIENCE = 120.0
"""Seconds after which a test gives up waiting for another thread; nothing takes that long."""


@dataclass
class Time:
    """A clock on the wall that only the test moves."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def go(self, **amount: float) -> datetime:
        self.at += timedelta(**amount)
        return self.at


@dataclass
class Recorder:
    """An engine that only remembers what it was asked for."""

    requested: list[tuple[str, str, bool, str]] = field(default_factory=list)
    closed: bool = False

    def submit(self, centre_code: str, flows: Sequence[Flow], full: bool, trigger: str) -> bool:
        self.requested.append((centre_code, ",".join(flows), full, trigger))
        return True

    def close(self, seconds: float) -> None:
        self.closed = True

    def take(self) -> list[tuple[str, str, bool, str]]:
        """What was asked for since the last call."""
        requested, self.requested = self.requested, []
        return requested


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not happened():
        assert time.monotonic() < end, "it never happened"
        pause.wait(0.02)


class Lms:
    """A centre's LMS whose catalogue can be made to wait."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.reading = threading.Semaphore(0)  # one more for each read that began
        self.gate = threading.Event()
        self.gate.set()
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    def read(self, code: str) -> Pages:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.reads.append(code)
        self.reading.release()
        if not self.gate.wait(PATIENCE):
            raise AssertionError("nobody opened the gate")
        with self._lock:
            self.at_once -= 1
        yield from ()


@dataclass(frozen=True)
class OneCentre:
    """What a run of one centre sees of the LMS: it reads offerings and nothing else."""

    lms: Lms
    code: str

    def read_offerings(self) -> Pages:
        return self.lms.read(self.code)


@dataclass(frozen=True)
class FakeBridge(Bridge):
    """A bridge whose outside systems are in memory."""

    lms: Lms = field(default_factory=Lms)

    def open_centre(self, centre: Centre) -> object:
        return OneCentre(self.lms, centre.code)

    def open_academy(self) -> object:
        return object()


def settings_for(address: str, **sections: dict[str, Any]) -> Settings:
    """The default settings with some changed: ``clock={"jitter_seconds": 0}``."""
    settings = load({"LMS_BRIDGE_STORE__ADDRESS": address})
    parts = {name: replace(getattr(settings, name), **v) for name, v in sections.items()}
    return replace(settings, **parts)


def add_centre(database: Database, code: str, **more: Any) -> Centre:
    fields = {"time_zone": "UTC", "region": "africa", "connector": "none", **more}
    centre = Centre(code=code, name=f"Sample {code}", sample=True, **fields)
    with database.writing() as tx:
        centres.add(tx, centre, b"")
    return centre


def change_centre(database: Database, centre: Centre, **more: Any) -> Centre:
    changed = replace(centre, **more)
    with database.writing() as tx:
        centres.change(tx, changed)
    return changed
