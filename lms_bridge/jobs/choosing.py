"""Which engine carries out the runs of this installation."""

from __future__ import annotations

from lms_bridge.bootstrap import Bridge
from lms_bridge.jobs.engine import Engine, ThreadEngine
from lms_bridge.settings import EngineKind


def engine_for(bridge: Bridge) -> Engine:
    """The engine that the settings name. Procrastinate is imported only where it is used."""
    if bridge.settings.engine.kind is EngineKind.PROCRASTINATE:
        from lms_bridge.jobs.queue import ProcrastinateEngine

        return ProcrastinateEngine(bridge.settings.store.address)
    return ThreadEngine(bridge)
