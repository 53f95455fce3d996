"""The exchange folder: opens its files, replaces them in one step, and classes system errors."""

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
from lms_bridge.domain.system_errors import system_reason

try:
    import fcntl
except ImportError:  # Windows has no such locks, so only one process may write there
    fcntl = None  # type: ignore[assignment]  # a module on other systems


@dataclass(frozen=True, slots=True)
class FileState:
    """Shows whether a file was changed, without reading it."""

    file: int
    size: int
    changed: int

    @classmethod
    def of(cls, stream: BinaryIO) -> FileState:
        status = os.fstat(stream.fileno())
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


class ExchangeFolder:
    """One folder of exchanged files. Messages name the file, never its path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, name: str) -> bool:
        return (self._path / name).is_file()

    @contextmanager
    def reading(self, name: str, expected: FileState | None = None) -> Iterator[BufferedReader]:
        """The file, open for reading. It must not change meanwhile.

        Raises:
            IncompleteRead: the file is missing, is not as ``expected``, or was changed.
            Unreachable: the folder is missing or cannot be read now.
            AccessDenied: the bridge has no permission to read it.
        """
        with self._classed(name), (self._path / name).open("rb") as stream:
            before = FileState.of(stream)
            if expected not in (None, before):
                raise _changed(name)
            yield stream
            if FileState.of(stream) != before:
                raise _changed(name)

    @contextmanager
    def replacing(self, name: str) -> Iterator[BinaryIO]:
        """A new file that replaces the named one at the end. After an error it is dropped."""
        with self._classed(name):
            part = tempfile.NamedTemporaryFile(  # noqa: SIM115  # closed before it is renamed
                dir=self._path, prefix=f".{name}.", suffix=".part", delete=False
            )
            try:
                with part:
                    os.fchmod(part.fileno(), 0o640)  # other users of the group fetch the file
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
        """Only one thread or process at a time replaces the named file. Others wait."""
        with self._classed(name), (self._path / f".{name}.lock").open("ab") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed
            yield

    def _sync(self) -> None:
        """Puts the rename on disk, so that an acknowledged write survives a power cut."""
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
                    "If there is nothing to deliver, put a file with a header and no rows there.",
                ) from None
            raise Unreachable("folder-missing", "The folder is not there.") from None
        except PermissionError:
            raise AccessDenied(
                "access-denied",
                f"The system refuses access to the file {name} or its folder.",
                "Give the bridge's own user the right to read and write there.",
            ) from None
        except OSError as error:
            raise Unreachable("file-error", f"{name}: {system_reason(error)}.") from None


def _changed(name: str) -> IncompleteRead:
    return IncompleteRead(
        "file-changed",
        f"The file {name} was changed while it was read.",
        "Write it under another name first, then rename it.",
    )
