"""Where one benchmark keeps its world: a folder with the sources, and a database."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import child
from benchmarks.bridge import EMBEDDED
from benchmarks.changes import Pick, change
from benchmarks.night import Night
from benchmarks.world import World


@dataclass(frozen=True, slots=True)
class Place:
    """A seeded world. It grows by ``seeded``, which gives the larger one."""

    folder: Path
    address: str
    world: World

    @classmethod
    def sqlite(cls, folder: Path, world: World) -> Place:
        """An empty place, to be seeded."""
        folder.mkdir(parents=True)
        return cls(folder, f"sqlite:///{folder / 'bridge.db'}", replace(world, centres=0))

    def seeded(self, centres: int) -> Place:
        """With as many centres, those that are there already included."""
        child.run(
            "seed",
            address=self.address,
            folder=str(self.folder),
            world=asdict(self.world),
            first=self.world.centres,
            end=centres,
        )
        return replace(self, world=replace(self.world, centres=centres))

    def night(self, academy: str = EMBEDDED, *, checks: bool = False) -> Night:
        return self._run("night", academy, checks, address=self.address)

    def parse(self, academy: str = EMBEDDED) -> Night:
        return self._run("parse", academy, False)

    def _run(self, step: str, academy: str, checks: bool, **more: Any) -> Night:
        sources = {"folder": str(self.folder), "academy": academy, "checks": checks}
        return Night(**child.run(step, sources=sources, centres=self.world.centres, **more))

    def change(self, pick: Pick, version: int) -> int:
        return change(self.folder, self.world, pick, version)
