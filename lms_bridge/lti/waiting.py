"""How many connections may wait for an operator's approval at a time."""

from __future__ import annotations

from sqlalchemy import Connection

from lms_bridge.lti import parties
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Status

MOST_PENDING = 10
"""Of one centre: more at a time is no administrator's doing."""


def check_one_more(tx: Connection, centre: str) -> None:
    """Raises LtiRefused where as many of the centre's wait as may ("" for the Academy's own)."""
    of_centre = parties.all_parties(tx, centre=centre)
    if sum(each.status is Status.PENDING for each in of_centre) >= MOST_PENDING:
        raise LtiRefused(
            "connections-many",
            "Too many connections of this centre wait for approval already.",
            "Withdraw some of them, or ask the operator of the bridge to approve them.",
        )
