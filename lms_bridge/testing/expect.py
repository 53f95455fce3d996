"""Checks that say what a connector did wrong, and a look for what must not be told."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from lms_bridge.domain.errors import (
    AccessDenied,
    BridgeError,
    NotUnderstood,
    RetryLater,
)
from lms_bridge.domain.ports import Answer, Done, Failed, Order, Outcomes, Raw, Reading, Unread
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


def expect_same(found: object, wanted: object, what: str) -> None:
    expect(found == wanted, f"{what}: found {found!r}, wanted {wanted!r}")


@dataclass
class Outcome:
    """What a reading or a writing came to. ``error`` is what was raised, shown or failed first."""

    answers: list[Answer] = field(default_factory=list)
    records: list[Raw] = field(default_factory=list)
    done: dict[int, Done] = field(default_factory=dict)
    failed: dict[int, BridgeError] = field(default_factory=dict)
    error: BridgeError | None = None
    raised: bool = False

    @property
    def by_id(self) -> dict[str, Raw]:
        return {raw.external_id: raw for raw in self.records}


def read(start: Callable[[], Reading]) -> Outcome:
    """Reads to the end, parsing each answer as the bridge would."""
    outcome = Outcome()
    try:
        for item in start():
            if isinstance(item, Unread):
                outcome.error = outcome.error or item.error
                continue
            outcome.answers.append(item)
            outcome.records.extend(item.parse())
    except BridgeError as error:
        outcome.error, outcome.raised = error, True
    return outcome


def read_well(start: Callable[[], Reading]) -> Outcome:
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
    return outcome


def written(start: Callable[[], Outcomes]) -> Outcome:
    """Carries out orders to the end."""
    outcome = Outcome()
    try:
        for item in start():
            keys = outcome.done.keys() | outcome.failed.keys()
            expect(item.key not in keys, f"order {item.key} has two outcomes")
            if isinstance(item, Failed):
                outcome.failed[item.key] = item.error
                outcome.error = outcome.error or item.error
            else:
                outcome.done[item.key] = item
    except BridgeError as error:
        outcome.error, outcome.raised = error, True
    return outcome


def written_well(start: Callable[[], Outcomes], orders: Iterable[Order]) -> Outcome:
    """The same of orders that all have to succeed, each with its outcome."""
    outcome = written(start)
    expect(outcome.error is None, f"the writing failed: {outcome.error!r}")
    expect_same(sorted(outcome.done), sorted(o.key for o in orders), "orders with an outcome")
    expect(all(done.external_id for done in outcome.done.values()), "an outcome has no external id")
    return outcome


def expect_classed(outcome: Outcome, fault: Fault, secret: str) -> None:
    """The fault came out as an error of the class that tells the caller what to do."""
    expect(outcome.error is not None, f"the fault {fault} was passed over in silence")
    if outcome.error is not None:
        wanted = ERROR_OF[fault]
        expect(
            isinstance(outcome.error, wanted),
            f"{fault} gave {type(outcome.error).__name__}, wanted {wanted.__name__}",
        )
        expect_discreet(outcome.error, secret)


def expect_whole_or_told(cut: Outcome, whole: Outcome, secret: str) -> None:
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
        expect_nothing_told(text, secret, "an error")


def expect_nothing_told(text: str, secret: str, where: str) -> None:
    for part in filter(None, (secret, *PRIVATE)):
        if part in text:
            kind = "the secret" if part == secret else "a person's data"
            pytest.fail(f"{where} holds {kind}", pytrace=False)
