"""Peers of the tests: one that cannot run fails the test, with its own words."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.peers.processes import running

SPEAKS = """import sys, time
print("starting")
print('{"address": "http://127.0.0.1:1"}', flush=True)
time.sleep(600)
"""


def test_a_peer_that_does_not_start_fails_with_its_own_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('the port is taken')"]
    with pytest.raises(RuntimeError, match="the port is taken"), running(command, tmp_path):
        pass


def test_a_peer_runs_until_the_end_of_the_block(tmp_path: Path) -> None:
    with running([sys.executable, "-c", SPEAKS], tmp_path) as said:
        assert said == {"address": "http://127.0.0.1:1"}


STARTS_ANOTHER = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
LISTENS = """import json, socket, time
server = socket.create_server(("127.0.0.1", 0))
print(json.dumps({"port": server.getsockname()[1]}), flush=True)
time.sleep(600)
"""


def test_a_peer_ends_with_the_program_that_it_started(tmp_path: Path) -> None:
    with running([sys.executable, "-c", STARTS_ANOTHER, LISTENS], tmp_path) as said:
        client = socket.create_connection(("127.0.0.1", said["port"]), 60)
    with client, suppress(ConnectionResetError):
        assert client.recv(1) == b""  # the system ends it together with who listened
