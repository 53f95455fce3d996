"""The clock as a process of its own."""

from __future__ import annotations

import signal
import threading

from lms_bridge.bootstrap import Bridge
from lms_bridge.jobs.choosing import engine_for
from lms_bridge.jobs.clock import Clock


def run_clock(bridge: Bridge) -> None:
    """Ticks, or stands by, until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clock = Clock(bridge, engine_for(bridge))
    clock.start()
    try:
        stop.wait()
    finally:
        clock.stop()
