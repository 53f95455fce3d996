"""The connector files keeps both contracts, on folders of real files."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lms_bridge.connectors.files import connector
from lms_bridge.domain.ports import (
    Probes,
    RawRecord,
    ReadsOfferings,
    ReadsRegistrations,
    ReadsResults,
    SystemAccess,
    WritesOfferings,
    WritesResults,
)
from lms_bridge.schemas.csv.reader import read_offerings, read_results
from lms_bridge.schemas.csv.writer import write_offerings, write_registrations, write_results
from lms_bridge.testing.academy import AcademyContract
from lms_bridge.testing.centre import CentreContract
from lms_bridge.testing.peers import AcademyPeer, CentrePeer, Fault, Peer

FAULTS = frozenset({Fault.BUSY, Fault.PAGE, Fault.CUT})
Write = Callable[[io.BytesIO, list[RawRecord]], int]


class Folder:
    """The files of one folder, written anew after every change."""

    def __init__(self, path: Path, files: Mapping[str, Write]) -> None:
        self.path, self.writers = path, files
        self.records: dict[str, list[RawRecord]] = {name: [] for name in files}
        for name in files:
            self.store(name)

    def add(self, name: str, raw: RawRecord) -> None:
        self.records[name].append(raw)
        self.store(name)

    def store(self, name: str) -> None:
        stream = io.BytesIO()
        self.writers[name](stream, self.records[name])
        (self.path / name).write_bytes(stream.getvalue())

    def break_next(self, fault: Fault) -> None:
        if fault is Fault.BUSY:  # a mounted folder that is away
            self.path.rename(self.path.with_name(f"{self.path.name}-away"))
            return
        for name in self.writers:
            path = self.path / name
            if fault is Fault.PAGE:
                path.write_bytes(b"<!doctype html><title>Sign in</title>\n")
            else:  # CUT: an upload that broke off within a row
                whole = path.read_bytes()
                path.write_bytes(whole[:-12])


class FilesPeer(Peer):
    connector = connector
    system = ""
    folder: Folder

    def access(self) -> SystemAccess:
        return SystemAccess(self.system, str(self.folder.path), "")

    def break_next(self, fault: Fault) -> None:
        self.folder.break_next(fault)


class CentreFiles(FilesPeer, CentrePeer):
    system = "centre:SAMPLE"

    def __init__(self, path: Path) -> None:
        files: dict[str, Write] = {"offerings.csv": write_offerings, "results.csv": write_results}
        self.folder = Folder(path, files)

    def add_offering(self, title: str) -> str:
        external_id = f"course-{len(self.folder.records['offerings.csv']) + 1}"
        self.folder.add("offerings.csv", RawRecord(external_id, {"title": title}))
        return external_id

    def add_account(self, stable_id: str, email: str) -> str:
        return stable_id

    def enrol_by_hand(self, offering: str, account: str) -> None:
        """A folder has no rosters."""

    def add_result(self, offering: str, account: str, score: str) -> None:
        fields = {"offering": offering, "learner": account, "score": score}
        self.folder.add("results.csv", RawRecord("", fields))


class AcademyFiles(FilesPeer, AcademyPeer):
    system = "academy"

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path, {"registrations.csv": write_registrations})

    def break_next(self, fault: Fault) -> None:
        super().break_next(fault)
        if fault is Fault.PAGE:  # what the bridge itself wrote is spoiled too
            for name in ("catalogue.csv", "results.csv"):
                (self.folder.path / name).write_bytes(b"<!doctype html>\n")

    def add_registration(
        self, centre: str, offering: str, learner: Mapping[str, str], status: str
    ) -> str:
        fields = {"offering": offering, "status": status, "learner": learner}
        external_id = f"{offering}/{learner['id']}"
        self.folder.add("registrations.csv", RawRecord(external_id, fields))
        return external_id

    def catalogue(self) -> Mapping[str, str]:
        rows = read_offerings(self.folder.path / "catalogue.csv")
        return {row.raw.external_id: str(row.raw.fields["title"]) for row in rows}

    def results(self) -> Mapping[str, str]:
        rows = read_results(self.folder.path / "results.csv")
        return {row.raw.external_id: str(row.raw.fields["score"]) for row in rows}


class TestFilesOfACentre(CentreContract):
    capabilities = frozenset({ReadsOfferings, ReadsResults, Probes})
    faults = FAULTS

    @pytest.fixture
    def peer(self, tmp_path: Path) -> CentreFiles:
        return CentreFiles(tmp_path)


class TestFilesOfTheAcademy(AcademyContract):
    capabilities = frozenset({ReadsRegistrations, WritesOfferings, WritesResults, Probes})
    faults = FAULTS

    @pytest.fixture
    def peer(self, tmp_path: Path) -> AcademyFiles:
        return AcademyFiles(tmp_path)
