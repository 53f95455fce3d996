"""Small words for the tests: what was read, and orders to write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.ports import Action, Answer, Done, Failed, Order, Unread


def records(reading: Iterable[Answer | Unread]) -> dict[str, dict[str, Any]]:
    """External id -> fields of everything read; an unread scope is a failure."""
    found: dict[str, dict[str, Any]] = {}
    for answer in reading:
        assert isinstance(answer, Answer), f"unread: {answer}"
        assert all(isinstance(part, bytes) for part in answer.body)
        found |= {raw.external_id: dict(raw.fields) for raw in answer.parse()}
    return found


def unread(reading: Iterable[Answer | Unread]) -> dict[str, BridgeError]:
    """Scope -> error; a scope that was read is a failure."""
    errors = {}
    for answer in reading:
        assert isinstance(answer, Unread), f"read: {answer.scope}"
        errors[answer.scope] = answer.error
    return errors


def by_key(outcomes: Iterable[Done | Failed]) -> dict[int, Any]:
    """Key -> outcome; a second outcome for a key is a failure."""
    found: dict[int, Any] = {}
    for outcome in outcomes:
        assert outcome.key not in found
        found[outcome.key] = outcome
    return found


def enrol(
    key: int,
    person: int | str,
    offering: str = "2",
    action: Action = Action.CREATE,
    *,
    again: bool = False,
    **more: object,
) -> Order:
    wanted: dict[str, Any] = {
        "state": "active",
        "starts_at": None,
        "ends_at": None,
        "group": "",
        "offering": offering,
        "account": str(person),
        **more,
    }
    known = "" if action is Action.CREATE else f"{offering}/{person}"
    return Order(key, action, known, wanted, again=again)


def leave(key: int, person: int, offering: str = "2") -> Order:
    return enrol(key, person, offering, Action.REMOVE, state="removed")


def learner(key: int, academy_id: str, *, again: bool = False, **more: object) -> Order:
    wanted: dict[str, Any] = {
        "state": "active",
        "academy_id": academy_id,
        "given_name": "Given",
        "family_name": "Family",
        "email": f"{key}@example.net",
        "language": "",
        "country": "",
        **more,
    }
    return Order(key, Action.CREATE, "", wanted, again=again)
