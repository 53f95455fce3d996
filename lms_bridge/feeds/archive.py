"""ZIP archives that are sent while they are made."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast

_NO_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time that the format knows: the same content makes the same bytes."""


def archive(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """An archive of (name, content in pieces), of which one compressed piece is held at a time."""
    sink = _Sink()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w", zipfile.ZIP_DEFLATED) as whole:
        for name, content in files:
            about = zipfile.ZipInfo(name, _NO_TIME)
            about.compress_type = zipfile.ZIP_DEFLATED
            with whole.open(about, "w", force_zip64=True) as member:
                for piece in content:
                    member.write(piece)
                    yield from sink.taken()
            yield from sink.taken()
    yield from sink.taken()


class _Sink(io.RawIOBase):
    """A stream that can only be written to; ``zipfile`` then needs to go back to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        self._pieces.append(bytes(octets))
        return len(octets)

    def taken(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces
