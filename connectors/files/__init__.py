"""CSV files in a folder, both ways: the format is that of docs/files.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from connectors.files.academy import FilesAcademy
from connectors.files.centre import FilesCentre, FilesCentreWithResults
from connectors.files.folder import Folder
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import ACADEMY
from lms_bridge.domain.ports import Access, Connector, Option

RESULTS = Option("results", "flag", True, "Whether the centre delivers a results.csv.")


def _open(access: Access) -> FilesAcademy | FilesCentre:
    problems = list(_problems(access))
    if problems:
        raise SettingsInvalid(problems)
    folder = Folder(Path(access.address))
    if access.system == ACADEMY:
        return FilesAcademy(folder)
    with_results = access.options.get(RESULTS.name, RESULTS.default)
    kind = FilesCentreWithResults if with_results else FilesCentre
    return kind(folder, time_zone=access.time_zone)


def _problems(access: Access) -> Iterator[str]:
    # Whether the folder is there is found when it is read: a mounted one comes and goes.
    if "\x00" in access.address or not Path(access.address).is_absolute():
        yield "address: is not the full path of a folder, such as /srv/exchange/afralti"
    for name, value in access.options.items():
        if name != RESULTS.name:
            yield f"options.{name}: is unknown; there is only {RESULTS.name}"
        elif not isinstance(value, bool):
            yield f"options.{name}: is neither true nor false"


connector = Connector(
    name="files",
    title="CSV files in a folder",
    sides=frozenset({"centre", "academy"}),
    open=_open,
    options=(RESULTS,),
)
