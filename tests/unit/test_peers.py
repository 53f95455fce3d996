"""Peers of the tests: one that cannot run fails the test, with its own words."""

from __future__ import annotations

import sys
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
