"""What the course services share: the caller's course, pages, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection

from lms_bridge.domain.model import Offering
from lms_bridge.lti import json_parts
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import enrolment_access
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.store import offerings

LARGEST_ID = 2**53


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """An offering that the calling tool may see."""

    registration: LtiRegistration
    id: int
    offering: Offering


def context(tx: Connection, caller: LtiRegistration, offering_id: int) -> ServiceContext:
    """Raises LtiRefused (404) both for an offering that does not exist and for one that the tool
    may not see, so that it cannot tell them apart."""
    found = offerings.offerings(tx, [offering_id]) if offering_id < LARGEST_ID else {}
    offering = found.get(offering_id)
    if offering is None or not enrolment_access.may_see(tx, caller, offering_id, offering):
        raise LtiRefused("context-unknown", "There is no such course for this tool.", status=404)
    return ServiceContext(caller, offering_id, offering)


@dataclass(frozen=True, slots=True)
class ServicePage:
    """One page of a service. ``next`` and ``differences`` are queries of the addresses of further
    pages; empty if there are none."""

    body: Any
    next: str = ""
    differences: str = ""


def query_number(query: Mapping[str, str], name: str) -> int:
    """A count or an id in an address; 0 without it."""
    text = query.get(name, "")
    if not text:
        return 0
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise json_parts.wrong("query-number", name, "is not a number")
    return int(text)


def page_bounds(query: Mapping[str, str], most: int) -> tuple[int, int]:
    """The id after which the page begins, and its number of rows."""
    return query_number(query, "from"), min(query_number(query, "limit") or most, most)


def next_page(rows: Sequence[Any], size: int, query: Mapping[str, str], *names: str) -> str:
    """The query of the next page, with these parameters of the present one; "" on the last."""
    if len(rows) <= size:
        return ""
    return urlencode({**selected(query, *names), "from": rows[size - 1].id})


def selected(query: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: query[name] for name in names if query.get(name)}
