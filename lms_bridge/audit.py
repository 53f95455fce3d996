"""The audit of decisions: who made, changed or ended something, and what it was before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from lms_bridge.domain.document import Document, Json, difference
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.model import ACADEMY, centre_system
from lms_bridge.store import runs

COMMAND, PAGE, CLOCK = "command", "page", "clock"
DONE, REFUSED = "done", "refused"
LONGEST_NAME = 255
_EMPTY: tuple[Json, ...] = (None, "", [], {})

Fields = Mapping[str, tuple[Json, Json] | None]
"""``{field: (before, after)}``; None in place of the two where they are secret."""


class Subject(StrEnum):
    """What is decided on, besides the records that flows carry."""

    CONNECTION = "connection"
    TOKEN = "token"  # noqa: S105 (a word, no password)
    WEBHOOK = "webhook"
    KEY = "key"
    OPERATOR = "operator"
    CYCLE = "cycle"
    MEMBERSHIP = "membership"
    CENTRE = "centre"
    ROLL_OVER = "roll_over"
    ACCOUNT = "account"

    @property
    def flow(self) -> str:
        """The flow that the runs of its changes bear."""
        return f"{self}s"


FLOWS = tuple(each.flow for each in Subject)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, by what means (``command``, ``page``, …), and when (UTC). The bridge
    itself has no name."""

    name: str
    means: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What was changed: its number (None where it has only a name), its name, and its centre,
    which is empty for what is the Academy's."""

    subject: Subject
    action: str
    number: int | None
    name: str
    fields: Fields
    centre: str = ""


def record(tx: Connection, actor: Actor, change: Change) -> None:
    """Records a change, in the transaction that makes it. One without any field is left out."""
    if change.fields:
        _record(tx, actor, change, DONE)


def record_refusal(tx: Connection, actor: Actor, change: Change, error: BridgeError) -> None:
    """Records what somebody asked for and did not get, with the reason."""
    _record(tx, actor, change, REFUSED, error.code, error.message)


def _record(
    tx: Connection, actor: Actor, change: Change, state: str, code: str = "", message: str = ""
) -> None:
    subject, centre = change.subject, change.centre
    run = runs.start_run(tx, centre, subject.flow, actor.means, actor.at, actor.name)
    fields = {name: None if pair is None else list(pair) for name, pair in change.fields.items()}
    item = {
        "run_id": run,
        "system": centre_system(centre) if centre else ACADEMY,
        "kind": str(subject),
        "record_id": change.number,
        "external_id": change.name[:LONGEST_NAME],
        "action": change.action,
        "state": state,
        "fields": fields,
        "code": code[:60],
        "message": message[:1000],
        "at": actor.at,
    }
    runs.add_items(tx, [item])
    runs.finish_run(tx, run, DONE, {f"{subject}.{change.action}.{state}": 1}, actor.at)


def changed_fields(before: Document | None, after: Document | None) -> Fields:
    """The fields that differ. ``before`` is None for something new, ``after`` for something ended;
    empty fields are left out on either side."""
    return difference(_filled(before or {}), _filled(after or {}))


def _filled(fields: Document) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if value not in _EMPTY}
