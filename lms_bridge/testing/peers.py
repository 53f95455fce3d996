"""Peers: the fakes that a connector's author writes, one per outside system."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from lms_bridge.domain.ports import Connector, SystemAccess


class Fault(StrEnum):
    """What a peer can be made to do wrong, at the next request or as long as it is broken."""

    DENIED = "denied"
    """The token, or whatever opens the system, is not accepted."""
    BUSY = "busy"
    """It asks to come back later (503, or what the system has in its place)."""
    PAGE = "page"
    """It answers with something else: a log-in page, a file of another kind."""
    CUT = "cut"
    """A reading fails midway: some of the answers come, then none."""
    LOST = "lost"
    """The next writing is carried out, but its answer is lost."""
    ROW = "row"
    """It refuses the record named ``samples.REFUSED`` and takes the others."""


class Peer:
    """A fake outside system. Override what the connector's capabilities need; what neither they
    nor the faults declared with them need is never called.

    ``connector`` is the descriptor under test; ``secret`` what ``access`` opens the system with.
    """

    connector: Connector
    secret: str = ""

    def access(self) -> SystemAccess:
        """What opens this peer. Give ``Limits`` with few attempts and short waits."""
        raise NotImplementedError

    def break_next(self, fault: Fault) -> None:
        """Makes one of the contract's ``faults`` happen, until ``mend``."""
        raise NotImplementedError

    def mend(self) -> None:
        """Takes all faults back that did not happen yet."""


class CentrePeer(Peer):
    """A fake LMS of a centre."""

    def add_offering(self, title: str) -> str:
        """Adds an offering and gives its external id."""
        raise NotImplementedError

    def add_account(self, stable_id: str, email: str) -> str:
        """Adds a person's account and gives its external id."""
        raise NotImplementedError

    def enrol_by_hand(self, offering: str, account: str) -> None:
        """Puts somebody on a roster as a teacher would, without the bridge."""
        raise NotImplementedError

    def roster(self, offering: str) -> Mapping[str, str]:
        """{account: ``active`` or ``suspended``}: the truth, not by way of the connector."""
        raise NotImplementedError

    def accounts(self, stable_id: str) -> int:
        """How many accounts carry this stable id: the truth."""
        raise NotImplementedError

    def add_result(self, offering: str, account: str, score: str) -> None:
        """Grades somebody on the roster; the scale is 0 to 100."""
        raise NotImplementedError


class AcademyPeer(Peer):
    """A fake platform of the Academy."""

    def hold_offering(self, code: str) -> str:
        """Makes sure that registrations can be for the offering of that code, and gives its
        external id: the code, where the platform has no ids of its own."""
        return code

    def add_registration(
        self, centre: str, offering: str, learner: Mapping[str, str], status: str
    ) -> str:
        """Registers a person (the fields of ``LearnerSchema``) in the offering with that external
        id; gives the registration's id."""
        raise NotImplementedError

    def withdraw(self, registration: str) -> None:
        raise NotImplementedError

    def catalogue(self) -> Mapping[str, str] | None:
        """{code: title} of what the public sees: the truth. None where nobody can look."""
        raise NotImplementedError

    def results(self) -> Mapping[str, str] | None:
        """{``<offering>/<learner>``: score}: the truth. None where nobody can look."""
        raise NotImplementedError
