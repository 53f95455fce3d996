"""What the services have in common: who calls about which offering."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.document import plain
from lms_bridge.domain.model import Offering
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.platform import places
from lms_bridge.lti.platform.granting import Access
from lms_bridge.store import offerings

MOST_NUMBER = 2**53


@dataclass(frozen=True, slots=True)
class Context:
    """An offering, as the party that calls may see it."""

    party: Party
    id: int
    offering: Offering


def context(tx: Connection, access: Access, offering_id: int) -> Context:
    """Raises LtiRefused (404) for an offering that does not exist or is none of the party's: to a
    stranger both look alike."""
    found = offerings.offerings(tx, [offering_id]) if offering_id < MOST_NUMBER else {}
    offering = found.get(offering_id)
    if offering is None or not places.may_see(tx, access.party, offering_id, offering):
        raise LtiRefused("context-unknown", "There is no such course for this tool.", status=404)
    return Context(access.party, offering_id, offering)


def asked_number(text: str, name: str, default: int = 0) -> int:
    """A count in an address."""
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise LtiRefused("query-number", f"{name} is not a number.", detail=name)
    return int(text)


def json_number(value: Decimal | None) -> Any:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def json_moment(value: Any) -> Any:
    return plain(value)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a service. ``next`` and ``differences`` are what the addresses of the following
    pages say in their query; empty where there is none."""

    body: Any
    next: str = ""
    differences: str = ""
