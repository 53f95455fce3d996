"""Checks that report what a connector did wrong, and that it keeps secrets."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from lms_bridge.domain.errors import AccessDenied, BridgeError, NotUnderstood, RetryLater
from lms_bridge.domain.ports import (
    Page,
    PageError,
    Pages,
    RawRecord,
    WriteFailed,
    WriteRequest,
    WriteResults,
    Written,
)
from lms_bridge.testing.peers import Fault
from lms_bridge.testing.samples import PRIVATE

ERROR_OF: dict[Fault, type[BridgeError]] = {
    Fault.DENIED: AccessDenied,
    Fault.BUSY: RetryLater,
    Fault.PAGE: NotUnderstood,
}
BY_FAULT = {fault: fault for fault in ERROR_OF}
"""For tests that run once for each of these faults that the peer can cause."""


def expect(condition: object, message: str) -> None:
    """Fails the test with the message unless the condition holds."""
    if not condition:
        pytest.fail(message, pytrace=False)


def expect_same(found: object, desired: object, what: str) -> None:
    expect(found == desired, f"{what}: found {found!r}, wanted {desired!r}")


@dataclass
class ContractOutcome:
    """What a reading or a writing came to. ``error`` is what was raised, shown or failed first."""

    answers: list[Page] = field(default_factory=list)
    records: list[RawRecord] = field(default_factory=list)
    done: dict[int, Written] = field(default_factory=dict)
    failed: dict[int, BridgeError] = field(default_factory=dict)
    error: BridgeError | None = None
    raised: bool = False

    @property
    def by_id(self) -> dict[str, RawRecord]:
        return {raw.external_id: raw for raw in self.records}


def read(start: Callable[[], Pages]) -> ContractOutcome:
    """Reads to the end, parsing each answer as the bridge would."""
    outcome = ContractOutcome()
    try:
        for item in start():
            if isinstance(item, PageError):
                outcome.error = outcome.error or item.error
                continue
            outcome.answers.append(item)
            outcome.records.extend(item.parse())
    except BridgeError as error:
        outcome.error, outcome.raised = error, True
    return outcome


def read_well(start: Callable[[], Pages]) -> ContractOutcome:
    """The same of a reading that has to succeed."""
    outcome = read(start)
    expect(outcome.error is None, f"the reading failed: {outcome.error!r}")
    ids = [raw.external_id for raw in outcome.records]
    expect(all(ids), "a record has no external id")
    expect(len(ids) == len(set(ids)), f"an external id came more than once: {ids}")
    scopes = [answer.scope for answer in outcome.answers]
    expect(len(scopes) == len(set(scopes)), f"a scope came more than once: {scopes}")
    bodies = [part for answer in outcome.answers for part in answer.body]
    expect(all(isinstance(part, bytes) for part in bodies), "a body is not bytes")
    for answer in outcome.answers:
        if answer.slices is not None:
            one_by_one = [answer.slices.parse(each) for each in answer.slices.cut()]
            expect_same(one_by_one, list(answer.parse()), "the records of the slices")
    return outcome


def written(start: Callable[[], WriteResults]) -> ContractOutcome:
    """Carries out write requests to the end."""
    outcome = ContractOutcome()
    try:
        for item in start():
            keys = outcome.done.keys() | outcome.failed.keys()
            expect(item.key not in keys, f"request {item.key} has two outcomes")
            if isinstance(item, WriteFailed):
                outcome.failed[item.key] = item.error
                outcome.error = outcome.error or item.error
            else:
                outcome.done[item.key] = item
    except BridgeError as error:
        outcome.error, outcome.raised = error, True
    return outcome


def written_well(
    start: Callable[[], WriteResults], requests: Iterable[WriteRequest]
) -> ContractOutcome:
    """The same for requests that all have to succeed, each with one outcome."""
    outcome = written(start)
    expect(outcome.error is None, f"the writing failed: {outcome.error!r}")
    expect_same(sorted(outcome.done), sorted(o.key for o in requests), "requests with an outcome")
    expect(all(done.external_id for done in outcome.done.values()), "an outcome has no external id")
    return outcome


def expect_classed(outcome: ContractOutcome, fault: Fault, secret: str) -> None:
    """The fault became an error of the right class."""
    expect(outcome.error is not None, f"the fault {fault} was passed over in silence")
    if outcome.error is not None:
        desired = ERROR_OF[fault]
        expect(
            isinstance(outcome.error, desired),
            f"{fault} gave {type(outcome.error).__name__}, wanted {desired.__name__}",
        )
        expect_discreet(outcome.error, secret)


def expect_whole_or_marked(cut: ContractOutcome, whole: ContractOutcome, secret: str) -> None:
    """A reading that broke off raised, named what is unread, was repeated in full, or says of its
    answers that they are not whole: the bridge must not take what is missing for removed."""
    if cut.error is not None:
        expect_discreet(cut.error, secret)
    elif all(answer.whole for answer in cut.answers):
        expect_same(sorted(cut.by_id), sorted(whole.by_id), "what a broken reading came to")


def expect_discreet(error: BaseException, secret: str) -> None:
    """Neither the secret nor a person's data is in anything that an error would show."""
    texts = [str(error), repr(error), repr(getattr(error, "__dict__", {}))]
    texts.extend(traceback.format_exception(error))
    for text in texts:
        expect_no_secret(text, secret, "an error")


def expect_no_secret(text: str, secret: str, where: str) -> None:
    for part in filter(None, (secret, *PRIVATE)):
        if part in text:
            kind = "the secret" if part == secret else "a person's data"
            pytest.fail(f"{where} holds {kind}", pytrace=False)
