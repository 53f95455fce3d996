"""The two sides that exchange files: a training centre and the Academy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from lms_bridge.connectors.files.folder import ExchangeFolder, FileState
from lms_bridge.connectors.files.rows import (
    CATALOGUE,
    RESULTS,
    UNREADABLE,
    ReadRows,
    by_offering,
    merge,
)
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.ports import (
    Page,
    Pages,
    ProbeFinding,
    RawRecord,
    Verdict,
    WriteRequest,
    WriteResults,
)
from lms_bridge.schemas.csv.reader import (
    read_offerings,
    read_registrations,
    read_results,
    without_offering,
)
from lms_bridge.schemas.csv.tables import OFFERINGS, REGISTRATIONS


class FilesCentre:
    """Reads ``offerings.csv``. Times without an offset are in the centre's ``time_zone``."""

    def __init__(self, folder: ExchangeFolder, *, time_zone: str) -> None:
        self._folder = folder
        self._time_zone = time_zone

    def read_offerings(self) -> Pages:
        """One answer for the file. The body is the file's hash, so that even a huge file is read
        row by row. If a row names no record, the answer is not whole: it may be any record."""
        with self._folder.reading(OFFERINGS.file) as stream:
            state = FileState.of(stream)
            hashed = hashlib.file_digest(stream, "blake2b").digest()
            stream.seek(0)
            strays = [row for row in read_offerings(stream) if row.stray]
        whole = all(row.known for row in strays)
        body = (hashed, self._time_zone.encode())  # the zone decides what the times mean
        yield Page(OFFERINGS.file, body, partial(self._offerings, state), whole=whole)
        problems = tuple(row.problem.encode() for row in strays)
        yield Page(UNREADABLE, problems, lambda: [row.raw for row in strays])

    def probe(self) -> Iterator[ProbeFinding]:
        yield _file_check(self._folder, OFFERINGS.file, read_offerings, "offerings")

    def _offerings(self, state: FileState) -> Iterator[RawRecord]:
        with self._folder.reading(OFFERINGS.file, state) as stream:
            for row in read_offerings(stream, time_zone=self._time_zone):
                if not row.stray:
                    yield row.raw


class FilesCentreWithResults(FilesCentre):
    """Also reads ``results.csv``, which names learners by the Academy's ids."""

    academy_ids = True

    def read_results(self, offerings: Sequence[str]) -> Pages:
        names = {offering: offering for offering in offerings}
        return by_offering(self._folder, RESULTS.file, read_results, names, without_offering)

    def probe(self) -> Iterator[ProbeFinding]:
        yield from super().probe()
        yield _file_check(self._folder, RESULTS.file, read_results, "results")


class FilesAcademy:
    """Reads ``registrations.csv``. Writes ``catalogue.csv`` and ``results.csv``."""

    def __init__(self, folder: ExchangeFolder) -> None:
        self._folder = folder

    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Pages:
        """One answer per offering of this centre. Rows of other centres' offerings are skipped."""
        del centre
        codes = {code: external_id for external_id, code in offerings.items()}
        names = {**codes, **{external_id: external_id for external_id in offerings}}
        return by_offering(self._folder, REGISTRATIONS.file, read_registrations, names)

    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        return merge(self._folder, CATALOGUE, requests)

    def write_results(self, requests: Sequence[WriteRequest]) -> WriteResults:
        return merge(self._folder, RESULTS, requests)

    def probe(self) -> Iterator[ProbeFinding]:
        yield _file_check(self._folder, REGISTRATIONS.file, read_registrations, "enrolments")


def _file_check(folder: ExchangeFolder, name: str, read: ReadRows, flow: str) -> ProbeFinding:
    """Whether the file exists and has a valid header. ``flow`` is the flow that needs it."""
    try:
        with folder.reading(name) as stream:
            first = next(read(stream), None)
    except BridgeError as error:
        return ProbeFinding(name, Verdict.MISSING, error.message, error.remedy, (flow,))
    if first is not None and first.problem:
        return ProbeFinding(name, Verdict.WARNING, first.problem)
    return ProbeFinding(name, Verdict.OK, "The file can be read.")
