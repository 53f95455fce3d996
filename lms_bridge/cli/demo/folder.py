"""The folder of a demo: everything that it makes, and nothing of anybody else's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lms_bridge.domain.errors import Refused
from lms_bridge.settings import PREFIX, Settings, load

try:
    import fcntl
except ImportError:  # a system without such locks: then nobody is kept from a second demo
    fcntl = None  # type: ignore[assignment]  # else it is a module

_KEPT = (f"{PREFIX}WEB__", f"{PREFIX}LOG__")
_DATABASE = "lms_bridge.sqlite3"


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path

    @property
    def sites(self) -> Path:
        return self.path / "sites"

    @property
    def registrations(self) -> Path:
        return self.path / "registrations.csv"

    @property
    def is_ready(self) -> bool:
        """Whether a first sync ended here: then database and sites agree with each other."""
        return self._mark.is_file()

    @property
    def _mark(self) -> Path:
        return self.path / "ready"

    def mark_ready(self) -> None:
        self._mark.touch()

    def settings(self, environment: Mapping[str, str]) -> Settings:
        """The defaults, with everything in this folder; of the environment only what is about the
        pages and the log."""
        kept = {name: value for name, value in environment.items() if name.startswith(_KEPT)}
        settings = load(kept)
        database = (self.path / _DATABASE).resolve()
        return replace(
            settings,
            store=replace(settings.store, address=f"sqlite:///{database}"),
            secrets=replace(settings.secrets, key="", key_file=str(self.path / "secret.key")),
        )

    def clear(self) -> None:
        """Takes away what earlier demos made, by its names."""
        self._mark.unlink(missing_ok=True)
        for name in (_DATABASE, f"{_DATABASE}-wal", f"{_DATABASE}-shm", "secret.key"):
            (self.path / name).unlink(missing_ok=True)
        self.registrations.unlink(missing_ok=True)
        shutil.rmtree(self.sites, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Raises Refused when another demo works in this folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("ab") as lock:
            if fcntl is not None:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise Refused(
                        "demo-running",
                        f"Another demo is running in {self.path}.",
                        "Stop it, or name another folder with --folder.",
                    ) from None
            yield
