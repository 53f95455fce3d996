"""Bridges, clocks and engines whose time the tests decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from cryptography.fernet import Fernet

from lms_bridge.bridge import Bridge
from lms_bridge.jobs.scheduler import Scheduler
from lms_bridge.lti.feature import LtiFeature
from lms_bridge.secrets import Vault
from lms_bridge.store.database import Database
from lms_bridge.sync.lease_renewer import LeaseRenewer
from tests.integration.jobs.playing import FakeBridge, Recorder, Time, settings_for


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def new_bridge() -> Iterator[Callable[..., FakeBridge]]:
    """Makes bridges over an address; as many as there are processes to play."""
    made: list[FakeBridge] = []

    def make(address: str, **sections: dict[str, Any]) -> FakeBridge:
        database = Database(address)
        sections.setdefault("clock", {"jitter_seconds": 0})
        settings = settings_for(address, **sections)
        vault = Vault(Fernet.generate_key().decode())
        lti = LtiFeature(settings, database, vault)
        made.append(FakeBridge(settings, database, vault, LeaseRenewer(database), lti))
        return made[-1]

    yield make
    for bridge in made:
        bridge.close()


@pytest.fixture
def bridge(new_bridge: Callable[..., FakeBridge], sqlite_address: str) -> FakeBridge:
    return new_bridge(sqlite_address)


@pytest.fixture
def new_clock(time: Time) -> Callable[[Bridge, Recorder], Scheduler]:
    """Makes clocks whose APScheduler never starts: the test calls what it would call."""

    def make(bridge: Bridge, engine: Recorder) -> Scheduler:
        return Scheduler(bridge, engine, now=time, scheduler=BackgroundScheduler(timezone=UTC))

    return make
