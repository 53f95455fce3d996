"""An Academy that takes its catalogue and results as files and delivers registrations as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from connectors.files.folder import Folder
from connectors.files.merging import CATALOGUE, RESULTS, merged
from connectors.files.probing import header_findings
from connectors.files.sorting import by_offering
from lms_bridge.domain.ports import Finding, Order, Outcomes, Reading
from lms_bridge.schemas.csv import REGISTRATIONS, read_registrations


class FilesAcademy:
    """Reads ``registrations.csv``, writes ``catalogue.csv`` and ``results.csv``."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Reading:
        """One answer per offering. Rows of offerings that the centre does not have are another
        centre's and not looked at."""
        del centre
        codes = {code: external_id for external_id, code in offerings.items()}
        names = {**codes, **{external_id: external_id for external_id in offerings}}
        return by_offering(self._folder, REGISTRATIONS.file, read_registrations, names)

    def write_offerings(self, orders: Sequence[Order]) -> Outcomes:
        return merged(self._folder, CATALOGUE, orders)

    def write_results(self, orders: Sequence[Order]) -> Outcomes:
        return merged(self._folder, RESULTS, orders)

    def probe(self) -> Iterator[Finding]:
        yield from header_findings(
            self._folder, REGISTRATIONS.file, read_registrations, "enrolments"
        )
