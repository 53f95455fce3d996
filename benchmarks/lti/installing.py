"""The peers, each from its public registry into an environment of its own, once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "peers"
INSTALLED = Path(__file__).resolve().parents[2] / "build" / "peers"
_BIN = Path(sys.executable).parent
_PATH = os.pathsep.join([os.environ.get("PATH", ""), str(_BIN)])
_SECONDS = 600
_WANTED = ("requirements.txt", "package.json")


def installed(name: str) -> Path:
    """The folder of that peer, with its own files and what they need.

    Raises:
        RuntimeError: the registry's client failed; with what it said.
    """
    folder = INSTALLED / name
    wanted = _wanted(SOURCES / name)
    done = folder / "installed.txt"
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _install(SOURCES / name, folder)
        done.write_text(wanted, encoding="utf-8")
    for each in (SOURCES / name).iterdir():
        if each.is_file():
            shutil.copy(each, folder / each.name)
    return folder


def _wanted(source: Path) -> str:
    return "".join(
        (source / each).read_text(encoding="utf-8") for each in _WANTED if (source / each).exists()
    )


def _install(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    if (source / "package.json").exists():
        shutil.copy(source / "package.json", folder)
        _call([node("npm"), "install", "--no-audit", "--no-fund", "--no-package-lock"], folder)
    else:
        venv.create(folder / "venv", with_pip=True)
        pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _call([*pip, "-r", str(source / "requirements.txt")], folder)


def node(program: str = "node") -> str:
    """The machine's own Node where it has one, else that of the development packages."""
    return shutil.which(program, path=_PATH) or str(_BIN / program)


def _call(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        env={**os.environ, "PATH": _PATH},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
