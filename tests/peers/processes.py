"""Peers in processes of their own, which write one line of JSON once they listen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.peers.installing import PATH

READY_SECONDS = 300.0
NO_VARIABLES: Mapping[str, str] = {}


@contextmanager
def running(
    command: Sequence[str], folder: Path, variables: Mapping[str, str] = NO_VARIABLES
) -> Iterator[dict[str, Any]]:
    """The peer until the end of the block; gives what it says of itself.

    Raises:
        RuntimeError: it did not start; with its words.
    """
    environment = {"PATH": PATH, "HOME": os.environ.get("HOME", ""), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**environment, **variables},
            text=True,
            start_new_session=True,
        )
        try:
            said = _first_line(process)
            if said is None:
                errors.seek(0)
                told = errors.read()[-2000:].decode(errors="replace")
                raise RuntimeError(f"{' '.join(command)} did not start: {told}")
            yield json.loads(said)
        finally:
            end(process, 60)
            if process.stdout is not None:
                process.stdout.close()


def end(process: subprocess.Popen[Any], seconds: float) -> None:
    """Ends a program that has a session of its own, with those that it started: the package
    index's Node is a program that starts the real one."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _first_line(process: subprocess.Popen[str]) -> str | None:
    """Its first line of JSON; None where it ends before, or says nothing in time."""
    assert process.stdout is not None
    too_late = threading.Timer(READY_SECONDS, process.kill)
    too_late.start()
    try:
        return next((line for line in process.stdout if line.startswith("{")), None)
    finally:
        too_late.cancel()
