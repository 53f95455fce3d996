"""The parts of the benchmarks that are about LTI."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.lti import id_tokens, launches, staying
from benchmarks.report import Row


def _launches(folder: Path) -> Iterator[Row]:
    yield from launches.rates(_new(folder / "launches"))
    yield from staying.growth(_new(folder / "staying"))


def _id_tokens(folder: Path) -> Iterator[Row]:
    yield from id_tokens.rates(_new(folder / "id_tokens"))


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


PARTS: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    "launches": _launches,
    "id_tokens": _id_tokens,
}
