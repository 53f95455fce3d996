"""`serve` in earnest: a process of its own, over HTTP, ended by a signal."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.server.serve import address_of, listen
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import lease
from tests.integration.web.filling import fill
from tests.operators import COOKIE, signed_in

PATIENCE = 120.0
_CHILD = """
from lms_bridge import logs
from lms_bridge.settings import load
from lms_bridge.cli.serve import stay_up

logs.set_up()
if __name__ == "__main__":
    stay_up(load())
    print("ended", flush=True)
"""


@contextmanager
def serving(address: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    script = folder / "child.py"
    script.write_text(_CHILD, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "LMS_BRIDGE_STORE__ADDRESS": address,
        "LMS_BRIDGE_SECRETS__KEY_FILE": str(folder / "key"),
        "LMS_BRIDGE_WEB__PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def line(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints; it prints before long, or ends."""
    assert process.stdout is not None
    return process.stdout.readline()


def fetch(address: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_and_ends(
    number: signal.Signals, sqlite_database: Database, sqlite_address: str, tmp_path: Path
) -> None:
    fill(sqlite_database)
    with sqlite_database.writing() as tx:
        tx.execute(delete(lease))  # the sample's clock
    with serving(sqlite_address, tmp_path) as process:
        said = line(process)
        address = said.split()[2]
        assert said == f"Serving on {address} (Ctrl+C ends it)\n"
        assert fetch(f"{address}/catalogue")[0] == 200
        assert fetch(f"{address}/runs")[0] == 401
        cookie = f"{COOKIE}={signed_in(sqlite_database)[COOKIE]}"
        assert fetch(f"{address}/runs", Cookie=cookie)[0] == 200
        assert fetch(f"{address}/nowhere")[0] == 404
        status, body = fetch(f"{address}/health")
        assert status == 200
        assert json.loads(body)["database"] == "ok"
        # Ctrl+C reaches the whole group of processes, SIGTERM only the one that was started
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert line(process) == "ended\n"
    with socket.socket() as probe:
        assert (
            probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) != 0
        )  # its worker is gone, too
    with sqlite_database.reading() as tx:
        assert tx.scalar(select(lease.c.name)) is None


def test_a_port_in_use_is_reported_with_its_setting() -> None:
    with listen("127.0.0.1", 0) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsInvalid, match=rf"web\.port {port} .* in use"):
            listen("127.0.0.1", port)
    listen("127.0.0.1", port).close()


@pytest.mark.parametrize(
    ("host", "port", "complaint"),
    [
        ("203.0.113.9", 8000, r"web\.host 203\.0\.113\.9 is not an address of this machine"),
        ("no such host", 8000, r"web\.host no such host"),
    ],
)
def test_an_address_that_cannot_be_served_is_reported(host: str, port: int, complaint: str) -> None:
    with pytest.raises(SettingsInvalid, match=complaint):
        listen(host, port)


def test_a_listening_address_is_shown_for_a_browser() -> None:
    assert address_of("0.0.0.0", 8000) == "http://127.0.0.1:8000"
    assert address_of("::", 8000) == "http://[::1]:8000"
    assert address_of("bridge.example", 80) == "http://bridge.example:80"
