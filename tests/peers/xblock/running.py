"""Makes the environment of `lti-consumer-xblock` and runs its site, apart from our own."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.serving import free_socket

PACKAGES = ("lti-consumer-xblock==11.4.4", "cryptography")
READY_SECONDS = 60.0


def make_environment(folder: Path) -> Path:
    """A virtual environment with the peer in it; gives its Python. It takes some 20 seconds, unless
    ``LMS_BRIDGE_TEST_XBLOCK`` names the Python of one that is ready."""
    ready = os.environ.get("LMS_BRIDGE_TEST_XBLOCK")
    if ready:
        return Path(ready)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([str(python), "-m", "pip", "install", *quiet, *PACKAGES], check=True)
    return python


@contextmanager
def running(python: Path, tool: str, folder: Path) -> Iterator[dict[str, str]]:
    """The site until the end of the block; gives what it says of itself."""
    with free_socket() as listening:
        port = listening.getsockname()[1]
    site = Path(__file__).parent / "site.py"
    process = subprocess.Popen(
        [str(python), "-W", "ignore", str(site), str(port), tool, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"},
        text=True,
    )
    try:
        yield json.loads(_first_line(process))
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while waiting.select(READY_SECONDS):
            line = process.stdout.readline()
            if line.startswith("{"):
                return line
            if not line:
                break
    raise RuntimeError("the platform did not start")
