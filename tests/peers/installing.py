"""The peers, each from its public registry into an environment of its own, once.

Tests and benchmarks share them. Processes that need the same one wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / "build" / "peers"
_BIN = Path(sys.executable).parent
PATH = os.pathsep.join([os.environ.get("PATH", ""), str(_BIN)])
SECONDS = 900
"""For one step of an installation, on a slow machine."""
_WANTED = ("requirements.txt", "package.json")


def installed(source: Path) -> Path:
    """A folder with the peer's own files, which are in ``source``, and with what they need.

    Raises:
        RuntimeError: the registry's client failed; with its words.
    """
    folder = INSTALLED / "-".join(source.resolve().relative_to(ROOT).parts)
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        desired = _desired(source)
        done = folder / "installed.txt"
        if not done.exists() or done.read_text(encoding="utf-8") != desired:
            shutil.rmtree(folder, ignore_errors=True)
            _install(source, folder)
            done.write_text(desired, encoding="utf-8")
        for each in source.iterdir():
            if each.is_file():
                _replace(each, folder / each.name)
    return folder


def python(folder: Path) -> Path:
    """The Python of an installed peer."""
    return folder / "venv" / "bin" / "python"


def node(program: str = "node") -> str:
    """The machine's own Node if it has one, else that of the development packages."""
    return shutil.which(program, path=PATH) or str(_BIN / program)


def _desired(source: Path) -> str:
    files = (source / each for each in _WANTED)
    return sys.version + "".join(each.read_text("utf-8") for each in files if each.exists())


def _install(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    if (source / "package.json").exists():
        shutil.copy(source / "package.json", folder)
        _call([node("npm"), "install", "--no-audit", "--no-fund", "--no-package-lock"], folder)
    else:
        venv.create(folder / "venv")
        ours = [sys.executable, "-m", "pip", "--python", str(python(folder))]  # in place of its own
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        _call([*ours, "install", *quiet, "-r", str(source / "requirements.txt")], folder)


def _replace(source: Path, target: Path) -> None:
    """At once: another process may just read the file."""
    if not target.exists() or target.read_bytes() != source.read_bytes():
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copy(source, fresh)
        fresh.replace(target)


def _call(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "PATH": PATH},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
