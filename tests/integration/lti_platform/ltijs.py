"""ltijs, a tool that nobody here wrote, in a process of its own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "peers" / "ltijs"
BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}{os.pathsep}{BIN}"}
"""The machine's own Node where it has one, else the one that came with the development packages."""
NODE, NPM = (
    shutil.which(name, path=ENVIRONMENT["PATH"]) or str(BIN / name) for name in ("node", "npm")
)


def install() -> None:
    """Installs the peer from the public registry, once; test processes wait for each other."""
    wanted = (FOLDER / "package.json").read_text(encoding="utf-8")
    done = FOLDER / ".installed"
    with (FOLDER / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists() and done.read_text(encoding="utf-8") == wanted:
            return
        command = [NPM, "install", "--no-audit", "--no-fund", "--no-package-lock"]
        subprocess.run(
            command, cwd=FOLDER, check=True, capture_output=True, timeout=300, env=ENVIRONMENT
        )
        done.write_text(wanted, encoding="utf-8")


@contextmanager
def running() -> Iterator[str]:
    """The tool's address."""
    install()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [NODE, "server.js", str(port)]
    with subprocess.Popen(
        command,
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    ) as process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["address"])
        finally:
            process.terminate()
            process.wait(timeout=10)
