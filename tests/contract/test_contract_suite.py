"""The contract suite notices what it is there for: connectors that are wrong in one way each."""

import itertools
from collections.abc import Callable, Mapping, Sequence

import pytest

from lms_bridge.domain.errors import (
    AccessDenied,
    BridgeError,
    NotUnderstood,
    SettingsInvalid,
    Unreachable,
)
from lms_bridge.domain.ports import (
    Connector,
    Page,
    Pages,
    RawRecord,
    ReadsOfferings,
    SystemAccess,
    WriteRequest,
    WriteResults,
    WritesOfferings,
    Written,
)
from lms_bridge.testing.academy import AcademyContract
from lms_bridge.testing.centre import CentreContract
from lms_bridge.testing.peers import AcademyPeer, CentrePeer, Fault

SECRET = "a-secret-for-tests"
COUNT = itertools.count()


class Books(CentrePeer, AcademyPeer):
    """A peer in memory, whose fault the connector looks up by itself."""

    secret = SECRET

    def __init__(self, made: Callable[["Books"], object]) -> None:
        self.titles: list[str] = []
        self.held: dict[str, str] = {}
        self.fault: Fault | None = None
        sides = frozenset({"centre", "academy"})

        def open_books(access: SystemAccess) -> object:
            if not access.address:
                raise SettingsInvalid(["address: is missing"])
            return made(self)

        self.connector = Connector("books", "Books", sides, open_books)

    def access(self) -> SystemAccess:
        return SystemAccess("books", "https://books.example", SECRET)

    def break_next(self, fault: Fault) -> None:
        self.fault = fault

    def mend(self) -> None:
        self.fault = None

    def add_offering(self, title: str) -> str:
        self.titles.append(title)
        return title

    def catalogue(self) -> Mapping[str, str]:
        return self.held

    def results(self) -> Mapping[str, str]:
        return {}


class Good:
    """Does what the contract asks; the classes below each spoil one thing."""

    def __init__(self, peer: Books) -> None:
        self.peer = peer

    def check(self) -> None:
        errors = {Fault.DENIED: AccessDenied, Fault.PAGE: NotUnderstood, Fault.BUSY: Unreachable}
        kind: type[BridgeError] | None = errors.get(self.peer.fault) if self.peer.fault else None
        if kind is not None:
            raise kind("broken", "The books are not open.")

    def raws(self) -> list[RawRecord]:
        return [RawRecord(title, {"title": title}) for title in self.peer.titles]

    def read_offerings(self) -> Pages:
        self.check()
        if self.peer.fault is Fault.CUT:
            raise Unreachable("cut", "The reading broke off.")
        raws = self.raws()
        yield Page("all", (repr(raws).encode(),), lambda: raws)

    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        self.check()
        for request in requests:
            code = request.external_id or str(request.desired["code"])
            self.peer.held[code] = str(request.desired.get("title"))
            yield Written(request.key, code)


class CutsSilently(Good):
    def read_offerings(self) -> Pages:
        self.check()
        raws = self.raws()[: 1 if self.peer.fault is Fault.CUT else None]
        yield Page("all", (repr(raws).encode(),), lambda: raws)


class TellsTheSecret(Good):
    def check(self) -> None:
        if self.peer.fault is Fault.DENIED:
            raise AccessDenied("broken", f"The token {SECRET} is not known.")


class TellsItInTheCause(Good):
    def check(self) -> None:
        if self.peer.fault is Fault.DENIED:
            try:
                raise ValueError(SECRET)
            except ValueError as error:
                raise AccessDenied("broken", "The token is not known.") from error


class PassesOverFaults(Good):
    def check(self) -> None:
        return None


class ClassesWrongly(Good):
    def check(self) -> None:
        if self.peer.fault is not None:
            raise NotUnderstood("broken", "Something is wrong.")


class ChangesIds(Good):
    def raws(self) -> list[RawRecord]:
        return [RawRecord(f"{title}-{next(COUNT)}", {"title": title}) for title in self.peer.titles]


class RepeatsARecord(Good):
    def raws(self) -> list[RawRecord]:
        return super().raws() * 2


class LosesAnOutcome(Good):
    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        return itertools.islice(super().write_offerings(requests), len(requests) - 1)


class GivesTwoOutcomes(Good):
    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        for outcome in super().write_offerings(requests):
            yield from (outcome, outcome)


class Doubles(Good):
    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        for outcome in super().write_offerings(requests):
            assert isinstance(outcome, Written)
            self.peer.held[f"{outcome.external_id}-{next(COUNT)}"] = "copy"
            yield outcome


class ShowsWhatIsRemoved(Good):
    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        for request in requests:
            if "title" in request.desired:
                yield from super().write_offerings([request])
            else:
                yield Written(request.key, request.external_id)


class StopsAtABadRow(Good):
    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        if self.peer.fault is Fault.ROW:
            raise NotUnderstood("refused", "The batch was refused.")
        return super().write_offerings(requests)


class TakesOtherArguments(Good):
    def read_offerings(self, category: str) -> Pages:  # type: ignore[override]  # wrong on purpose
        return iter(())


class Talks(Good):
    def __repr__(self) -> str:
        return f"Talks({SECRET})"


class OfReading(CentreContract):
    capabilities = frozenset({ReadsOfferings})
    faults = frozenset(Fault)


class OfWriting(AcademyContract):
    capabilities = frozenset({WritesOfferings})
    faults = frozenset(Fault)


READ, WRITE = OfReading(), OfWriting()
Check = Callable[[Books, object], None]


def twice(peer: Books, system: object) -> None:
    READ.test_reads_the_same_twice("read_offerings", peer, system)


def whole(peer: Books, system: object) -> None:
    READ.test_whole_or_an_error("read_offerings", peer, system)


def denied(peer: Books, system: object) -> None:
    READ.test_readings_class_their_errors("read_offerings", Fault.DENIED, peer, system)


def lost(peer: Books, system: object) -> None:
    WRITE.test_a_lost_answer_doubles_nothing("write_offerings", peer, system)


def row(peer: Books, system: object) -> None:
    WRITE.test_one_bad_row_stops_no_other("write_offerings", peer, system)


def arguments(peer: Books, system: object) -> None:
    READ.test_methods_take_what_the_bridge_passes(system)


CAUGHT: list[tuple[type[Good], Check]] = [
    (CutsSilently, whole),
    (TellsTheSecret, denied),
    (TellsItInTheCause, denied),
    (PassesOverFaults, denied),
    (ClassesWrongly, denied),
    (ChangesIds, twice),
    (RepeatsARecord, twice),
    (LosesAnOutcome, WRITE.test_offerings_are_written_once),
    (GivesTwoOutcomes, WRITE.test_offerings_are_written_once),
    (Doubles, WRITE.test_offerings_are_written_once),
    (Doubles, lost),
    (ShowsWhatIsRemoved, WRITE.test_a_removed_offering_is_not_shown),
    (StopsAtABadRow, row),
    (TakesOtherArguments, arguments),
    (Talks, READ.test_no_repr_shows_the_secret),
]


def opened(kind: type[Good]) -> tuple[Books, object]:
    peer = Books(kind)
    return peer, peer.connector.open(peer.access())


@pytest.mark.parametrize(("kind", "check"), CAUGHT)
def test_a_wrong_connector_is_caught(kind: type[Good], check: Check) -> None:
    with pytest.raises(pytest.fail.Exception):
        check(*opened(kind))


@pytest.mark.parametrize("check", [twice, whole, denied, lost])
def test_a_good_connector_passes(check: Check) -> None:
    check(*opened(Good))
