"""Servers in processes of their own, on the loopback address, for as long as they are measured."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.processes import end

START_SECONDS, STOP_SECONDS = 60.0, 15.0


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers. ``process`` is the one that was started, which may have others."""

    address: str
    process: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def served(
    command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[Served]:
    """Starts a server and gives it once it listens; ends it with the block.

    Raises:
        RuntimeError: it ended before it listened; with what it said.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        try:
            if not _listens(process, port):
                said.seek(0)
                raise RuntimeError(
                    f"{command[0]} did not start: {said.read()[-2000:].decode(errors='replace')}"
                )
            yield Served(f"http://127.0.0.1:{port}", process.pid)
        finally:
            end(process, STOP_SECONDS)


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def workers_memory(process: int) -> float:
    """The resident memory, in MB, of the largest process below that one: the server's worker."""
    return max(_resident(each) for each in _children(process))


def seconds_of_work(process: int) -> float:
    """The CPU time that a process and those below it have had so far."""
    ticks = 0
    for each in (process, *_children(process)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _children(process: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_children(int(child))]
    return found


def _resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
