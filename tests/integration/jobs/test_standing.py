"""The clock as a process: what happens when it is killed, and when it is asked to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from lms_bridge.jobs.scheduler import Scheduler
from lms_bridge.store.run_tables import lease
from tests.integration.jobs.playing import PATIENCE, FakeBridge, Recorder, wait_for

_CHILD = """
import signal, threading
from lms_bridge.bootstrap import open_bridge
from lms_bridge.jobs.scheduler import Scheduler
from lms_bridge.server.serve import engine_for
from lms_bridge.settings import load
stop = threading.Event()
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: stop.set())
with open_bridge(load()) as bridge:
    scheduler = Scheduler(bridge, engine_for(bridge))
    scheduler.start()
    stop.wait()
    scheduler.stop()
"""


@contextmanager
def standing_clock(address: str, key_file: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "LMS_BRIDGE_STORE__ADDRESS": address,
        "LMS_BRIDGE_SECRETS__KEY_FILE": key_file,
    }
    process = subprocess.Popen([sys.executable, "-c", _CHILD], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_another_process_takes_over_after_a_kill(
    number: signal.Signals, bridge: FakeBridge, tmp_path: object
) -> None:
    def elected() -> bool:
        with bridge.database.reading() as tx:
            return tx.scalar(select(lease.c.holder)) is not None

    here = Scheduler(bridge, Recorder())
    with standing_clock(bridge.settings.store.address, f"{tmp_path}/key") as process:
        wait_for(lambda: elected() or process.poll() is not None)
        assert process.poll() is None, "the other process ended before it was elected"
        here.beat()
        assert not here.elected
        process.send_signal(number)
        code = process.wait(PATIENCE)
        assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        assert elected() == (number == signal.SIGKILL)  # a clock that ends in order resigns
        here.beat()  # a killed holder on the same machine is known to be dead at once
        assert here.elected
    here.stop()
