"""The probe: whether the files are there and their headers in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from connectors.files.folder import Folder
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.ports import Finding, Verdict
from lms_bridge.schemas.csv import Row


def header_findings(
    folder: Folder, name: str, read: Callable[[BinaryIO], Iterator[Row]], flow: str
) -> Iterator[Finding]:
    """One finding on a file that is to be read; ``flow`` is what needs it."""
    try:
        with folder.reading(name) as stream:
            first = next(read(stream), None)
    except BridgeError as error:
        yield Finding(name, Verdict.MISSING, error.message, error.remedy, (flow,))
        return
    if first is not None and first.problem:
        yield Finding(name, Verdict.WARNING, first.problem)
    else:
        yield Finding(name, Verdict.OK, "The file can be read.")
