"""The audit of what is decided outside the flows: who made, changed or ended something of the
bridge's own, by what, and what it was before.

Each change is a run of its own with one item, so that it stands among what else was done for the
centre: on `/runs`, in `lms-bridge run` and in the interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from lms_bridge.domain.document import Document, Json
from lms_bridge.domain.model import ACADEMY, centre_system
from lms_bridge.store import reports

COMMAND, PAGE, CLOCK = "command", "page", "clock"
DONE = "done"
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

    @property
    def flow(self) -> str:
        """What the runs of its changes are told apart by."""
        return f"{self}s"


FLOWS = tuple(each.flow for each in Subject)


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, as the audit calls them, by what (``command``, ``page``, …), and when
    (UTC). The bridge itself has no name."""

    who: str
    means: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Changed:
    """What was changed: its number (None: a name is all that it has), its name, and the centre
    whose it is, empty where it is the Academy's."""

    subject: Subject
    number: int | None
    name: str
    centre: str = ""


def keep(tx: Connection, by: By, changed: Changed, action: str, fields: Fields) -> None:
    """Keeps a change, in the transaction that makes it."""
    subject, centre = changed.subject, changed.centre
    run = reports.start_run(tx, centre, subject.flow, by.means, by.at, by.who)
    item = {
        "run_id": run,
        "system": centre_system(centre) if centre else ACADEMY,
        "kind": str(subject),
        "record_id": changed.number,
        "external_id": changed.name[:LONGEST_NAME],
        "action": action,
        "state": DONE,
        "fields": {
            name: None if values is None else list(values) for name, values in fields.items()
        },
        "at": by.at,
    }
    reports.add_items(tx, [item])
    reports.finish_run(tx, run, DONE, {f"{subject}.{action}.{DONE}": 1}, by.at)


def filled(fields: Document) -> dict[str, Json]:
    """Without what is empty: of something new only what it has is told."""
    return {name: value for name, value in fields.items() if value not in _EMPTY}
