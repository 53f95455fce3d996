"""A program that runs one centre and is going to be killed.

The two outside systems live in the parent process: every call to them, and every beginning and
commit of a transaction that writes, is told to the parent over a socket, and goes on only when the
parent answers. Where it does not answer, it kills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import orjson
from sqlalchemy import event

from lms_bridge.domain.model import Flow
from lms_bridge.domain.ports import (
    Account,
    Page,
    Pages,
    RawRecord,
    Removal,
    WriteRequest,
    WriteResults,
)
from lms_bridge.store.database import Database
from lms_bridge.sync.flows import Peers
from lms_bridge.sync.lease_renewer import LeaseRenewer
from lms_bridge.sync.run import Runner, RunRequest
from tests.fakes.nights import NEVER_HOLD, sample_centre

Call = Callable[..., Any]


class RemoteCentre:
    def __init__(self, call: Call) -> None:
        self._call = call

    def read_offerings(self) -> Pages:
        return _answers(self._call("lms", "read_offerings"))

    def show_enrolments(self, offerings: Sequence[str]) -> Pages:
        return _answers(self._call("lms", "show_enrolments", offerings))

    def read_results(self, offerings: Sequence[str]) -> Pages:
        return _answers(self._call("lms", "read_results", offerings))

    def accounts_by_stable_id(self, ids: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        found: Mapping[str, Sequence[Account]] = self._call("lms", "accounts_by_stable_id", ids)
        return found

    def accounts_by_email(self, emails: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        found: Mapping[str, Sequence[Account]] = self._call("lms", "accounts_by_email", emails)
        return found

    def write_learners(self, requests: Sequence[WriteRequest]) -> WriteResults:
        for request in requests:
            yield from self._call("lms", "write_learners", [request])

    def write_enrolments(self, requests: Sequence[WriteRequest], removal: Removal) -> WriteResults:
        for request in requests:
            yield from self._call("lms", "write_enrolments", [request], removal)


class RemoteAcademy:
    def __init__(self, call: Call) -> None:
        self._call = call

    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Pages:
        return _answers(self._call("academy", "read_registrations", centre, offerings))

    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        for request in requests:
            yield from self._call("academy", "write_offerings", [request])

    def write_results(self, requests: Sequence[WriteRequest]) -> WriteResults:
        for request in requests:
            yield from self._call("academy", "write_results", [request])


def _answers(reported: Sequence[tuple[str, tuple[bytes, ...], bool, str]]) -> Iterator[Page]:
    for scope, body, whole, cursor in reported:
        yield Page(scope, body, partial(_parsed, body), whole, cursor)


def _parsed(body: tuple[bytes, ...]) -> list[RawRecord]:
    return [RawRecord(external_id, fields) for external_id, fields in orjson.loads(b"".join(body))]


def main(parent: Connection, address: str) -> None:
    """Runs the centre once, on the database at this address."""

    def call(*what: Any) -> Any:
        parent.send(what)
        return parent.recv()

    database = Database(address)

    @event.listens_for(database.engine, "begin")
    def _begin(connection: Any) -> None:
        if connection.get_execution_options().get("writing"):
            call("step", "begin")

    @event.listens_for(database.engine, "commit")
    def _commit(connection: Any) -> None:
        call("step", "commit")

    peers = Peers(RemoteCentre(call), RemoteAcademy(call))
    heartbeat = LeaseRenewer(database)
    runner = Runner(database, lambda centre: peers, heartbeat.keeping, 90)
    report = runner.run(RunRequest(sample_centre(), NEVER_HOLD, tuple(Flow)))
    heartbeat.close()
    database.close()
    parent.send(("ended", report.status))
