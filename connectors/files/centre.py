"""A centre that delivers its schedule and its results as files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial

from connectors.files.folder import Folder, Stamp
from connectors.files.probing import header_findings
from connectors.files.sorting import UNREADABLE, by_offering
from lms_bridge.domain.ports import Answer, Finding, Raw, Reading
from lms_bridge.schemas.csv import OFFERINGS, RESULTS, read_offerings, read_results


class FilesCentre:
    """Reads ``offerings.csv``. ``time_zone`` is the centre's: that of times without one."""

    def __init__(self, folder: Folder, *, time_zone: str) -> None:
        self._folder = folder
        self._time_zone = time_zone

    def read_offerings(self) -> Reading:
        """One answer for the file. Its body is the file's hash, not its bytes, so that a file of
        any size is read row by row. Where a row does not say which record it is about, the answer
        is not ``whole``: any record could be the one."""
        with self._folder.reading(OFFERINGS.file) as stream:
            stamp = Stamp.of(stream)
            hashed = hashlib.file_digest(stream, "blake2b").digest()
            stream.seek(0)
            strays = [row for row in read_offerings(stream) if row.stray]
        whole = all(row.known for row in strays)
        body = (hashed, self._time_zone.encode())  # meetings are read in the centre's zone
        yield Answer(OFFERINGS.file, body, partial(self._offerings, stamp), whole=whole)
        problems = tuple(row.problem.encode() for row in strays)
        yield Answer(UNREADABLE, problems, lambda: [row.raw for row in strays])

    def probe(self) -> Iterator[Finding]:
        yield from header_findings(self._folder, OFFERINGS.file, read_offerings, "offerings")

    def _offerings(self, stamp: Stamp) -> Iterator[Raw]:
        with self._folder.reading(OFFERINGS.file, stamp) as stream:
            for row in read_offerings(stream, time_zone=self._time_zone):
                if not row.stray:
                    yield row.raw


class FilesCentreWithResults(FilesCentre):
    """Reads ``results.csv`` too. An account's id is the learner's id at the Academy."""

    def read_results(self, offerings: Sequence[str]) -> Reading:
        names = {offering: offering for offering in offerings}
        return by_offering(self._folder, RESULTS.file, read_results, names)

    def probe(self) -> Iterator[Finding]:
        yield from super().probe()
        yield from header_findings(self._folder, RESULTS.file, read_results, "results")
