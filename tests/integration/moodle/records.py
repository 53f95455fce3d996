"""Records that were read, outcomes by key, and write requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.ports import Action, Page, PageError, WriteFailed, WriteRequest, Written


def records(reading: Iterable[Page | PageError]) -> dict[str, dict[str, Any]]:
    """External id -> fields of everything read; an unread scope is a failure."""
    found: dict[str, dict[str, Any]] = {}
    for answer in reading:
        assert isinstance(answer, Page), f"unread: {answer}"
        assert all(isinstance(part, bytes) for part in answer.body)
        found |= {raw.external_id: dict(raw.fields) for raw in answer.parse()}
    return found


def unread(reading: Iterable[Page | PageError]) -> dict[str, BridgeError]:
    """Scope -> error; a scope that was read is a failure."""
    errors = {}
    for answer in reading:
        assert isinstance(answer, PageError), f"read: {answer.scope}"
        errors[answer.scope] = answer.error
    return errors


def by_key(outcomes: Iterable[Written | WriteFailed]) -> dict[int, Any]:
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
    is_retry: bool = False,
    **more: object,
) -> WriteRequest:
    desired: dict[str, Any] = {
        "state": "active",
        "starts_at": None,
        "ends_at": None,
        "group": "",
        "offering": offering,
        "account": str(person),
        **more,
    }
    known = "" if action is Action.CREATE else f"{offering}/{person}"
    return WriteRequest(key, action, known, desired, is_retry=is_retry)


def leave(key: int, person: int, offering: str = "2") -> WriteRequest:
    return enrol(key, person, offering, Action.REMOVE, state="removed")


def learner(key: int, academy_id: str, *, is_retry: bool = False, **more: object) -> WriteRequest:
    desired: dict[str, Any] = {
        "state": "active",
        "academy_id": academy_id,
        "given_name": "Given",
        "family_name": "Family",
        "email": f"{key}@example.net",
        "language": "",
        "country": "",
        **more,
    }
    return WriteRequest(key, Action.CREATE, "", desired, is_retry=is_retry)
