"""Connector ``files``: reads and writes CSV files in a folder, in the format of docs/files.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lms_bridge.connectors.files.folder import ExchangeFolder
from lms_bridge.connectors.files.sides import FilesAcademy, FilesCentre, FilesCentreWithResults
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import ACADEMY
from lms_bridge.domain.ports import Connector, Option, SystemAccess

RESULTS = Option("results", "flag", True, "Whether the centre delivers a results.csv.")


def _open(access: SystemAccess) -> FilesAcademy | FilesCentre:
    problems = list(_problems(access))
    if problems:
        raise SettingsInvalid(problems)
    folder = ExchangeFolder(Path(access.address))
    if access.system == ACADEMY:
        return FilesAcademy(folder)
    with_results = access.options.get(RESULTS.name, RESULTS.default)
    kind = FilesCentreWithResults if with_results else FilesCentre
    return kind(folder, time_zone=access.time_zone)


def _problems(access: SystemAccess) -> Iterator[str]:
    # Reading finds out whether the folder exists: a mounted folder comes and goes.
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
    needs_secret=False,
    reads_locally=True,
)
