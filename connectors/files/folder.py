"""The folder: opening its files, with the system's errors classed, and replacing them whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from lms_bridge.domain.errors import AccessDenied, IncompleteRead, Unreachable

try:
    import fcntl
except ImportError:  # no such locks on this system: then one process at a time may write
    fcntl = None  # type: ignore[assignment]  # else it is a module


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a file from another without reading it."""

    file: int
    size: int
    changed: int

    @classmethod
    def of(cls, stream: BinaryIO) -> Stamp:
        status = os.fstat(stream.fileno())
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


class Folder:
    """One folder of exchanged files. Messages name a file, never the path to it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, name: str) -> bool:
        return (self._path / name).is_file()

    @contextmanager
    def reading(self, name: str, expected: Stamp | None = None) -> Iterator[BufferedReader]:
        """The file, open for reading; its state must not change meanwhile.

        Raises:
            IncompleteRead: it is missing, is not in the ``expected`` state, or was changed.
            Unreachable: the folder is missing or cannot be read just now.
            AccessDenied: the system does not let the bridge read it.
        """
        with self._classed(name), (self._path / name).open("rb") as stream:
            before = Stamp.of(stream)
            if expected not in (None, before):
                raise _changed(name)
            yield stream
            if Stamp.of(stream) != before:
                raise _changed(name)

    @contextmanager
    def replacing(self, name: str) -> Iterator[BinaryIO]:
        """A file that takes the place of the named one at the end, on disk, or never."""
        with self._classed(name):
            part = tempfile.NamedTemporaryFile(  # noqa: SIM115  # closed before it is renamed
                dir=self._path, prefix=f".{name}.", suffix=".part", delete=False
            )
            try:
                with part:
                    os.fchmod(part.fileno(), 0o640)  # others of the group are to fetch it
                    yield cast(BinaryIO, part.file)
                    part.flush()
                    os.fsync(part.fileno())
                Path(part.name).replace(self._path / name)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
            self._sync()

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Waits until no other thread or process replaces the named file."""
        with self._classed(name), (self._path / f".{name}.lock").open("ab") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed
            yield

    def _sync(self) -> None:
        """The rename itself must outlive a power cut before anything is acknowledged."""
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _classed(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            if self._path.is_dir():
                raise IncompleteRead(
                    "file-missing",
                    f"There is no file {name} in the folder.",
                    "A file with a header and no rows says that there is nothing.",
                ) from None
            raise Unreachable("folder-missing", "The folder is not there.") from None
        except PermissionError:
            raise AccessDenied(
                "access-denied",
                f"The system refuses access to the file {name} or its folder.",
                "Give the bridge's own user the right to read and write there.",
            ) from None
        except OSError as error:
            reason = error.strerror or "an unknown error"
            raise Unreachable("file-error", f"{name}: {reason}.") from None


def _changed(name: str) -> IncompleteRead:
    return IncompleteRead(
        "file-changed",
        f"The file {name} was changed while it was read.",
        "Write it under another name first, then rename it.",
    )
