"""The parts of the benchmarks that are about LTI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.lti import id_tokens, launches, staying
from benchmarks.report import Row

PARTS = ("launches", "id_tokens")


def measure(folder: Path, parts: Sequence[str]) -> Iterator[Row]:
    """The rows of those parts that are among the chosen ones."""
    if "launches" in parts:
        yield from launches.rates(_new(folder / "launches"))
        yield from staying.growth(_new(folder / "staying"))
    if "id_tokens" in parts:
        yield from id_tokens.rates(_new(folder / "id_tokens"))


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
