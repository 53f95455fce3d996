"""What a target is to the core: one kind of record at one system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Connection

from lms_bridge.domain.document import Document
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Action, Done, Failed, Order, Outcomes
from lms_bridge.store.target_links import Pending


@dataclass(frozen=True, slots=True)
class Draft:
    """A document ready to send, and what is added to it on the way (external ids)."""

    document: Document
    extras: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """A record that was there before the bridge sent it: it is not the bridge's own.

    ``document`` is what the target holds of it.
    """

    key: int
    external_id: str
    document: Document


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the target showed before anything is created there."""

    found: tuple[Found, ...] = ()
    refused: tuple[Failed, ...] = ()


class Target(Protocol):
    """One kind of record at one system."""

    kind: Kind
    system: str

    def drafts(self, tx: Connection, due: Sequence[Pending]) -> Mapping[int, Draft]:
        """{link id: draft} of what can be sent now. What is left out waits for something else."""
        ...

    def look(self, orders: Sequence[Order]) -> Look:
        """Looks for records about to be created that nobody knows to be the bridge's own. Only
        what this look did not find, and is sent after it, counts as made by the bridge."""
        ...

    def looked(self, tx: Connection, look: Look) -> None:
        """Keeps what the target wants to remember of a look."""
        ...

    def write(self, orders: Sequence[Order]) -> Outcomes: ...

    def leaves(self, pending: Pending, action: Action) -> bool:
        """Whether a removal or an update is not carried out: the record there is not ours."""
        ...

    def owns(self, pending: Pending, action: Action, done: Done) -> bool:
        """Whether what is there after this order is the bridge's own."""
        ...

    def kept(self, tx: Connection, done: Sequence[Done], failed: Sequence[Failed]) -> None:
        """Outcomes became known; in the same transaction as their links."""
        ...

    def scope(self, external_id: str) -> str: ...
