"""Pages of a memberships service, read: who is in a platform's course.

Source: Names and Role Provisioning Services 2.0, section 2.2 (members, their status and roles).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from lms_bridge.domain.errors import NotUnderstood

LONGEST_ID = 255
ACTIVE, SUSPENDED, GONE = "active", "suspended", "gone"
_STATES = {"": ACTIVE, "active": ACTIVE, "inactive": SUSPENDED, "deleted": GONE}
_LEARNERS = frozenset({"Learner", "NonCreditLearner", "GuestLearner", "Student"})


@dataclass(frozen=True, slots=True)
class Member:
    """A person of a course. ``state`` is ``active``, ``suspended`` or ``gone``; ``sourced_id`` the
    id of the register behind the platform. Platforms keep back what they like."""

    id: str
    state: str
    learns: bool
    sourced_id: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    given_name: str = field(default="", repr=False)
    family_name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)


def members(pages: Iterable[bytes]) -> Iterator[Member]:
    """Everybody on these pages, as they come; somebody of two courses comes twice.

    Raises:
        NotUnderstood: a page is no roster, or somebody has no id.
    """
    for page in pages:
        try:
            body = orjson.loads(page)
        except orjson.JSONDecodeError:
            raise NotUnderstood("not-json", "The platform's roster is not JSON.") from None
        people = body.get("members") if isinstance(body, dict) else None
        if not isinstance(people, list):
            raise NotUnderstood("roster-unreadable", "The platform's roster cannot be read.")
        yield from map(_member, people)


def learners(pages: Iterable[bytes]) -> list[Member]:
    """Those who learn, each once: of several places of one person the best counts."""
    best: dict[str, Member] = {}
    for member in members(pages):
        if member.learns:
            known = best.setdefault(member.id, member)
            if _ORDER[member.state] < _ORDER[known.state]:
                best[member.id] = member
    return list(best.values())


def place_of(offering: str, person: str) -> str:
    """What the place of a person in an offering is called. A platform's id may be as long as all
    that the bridge keeps of one: then its hash stands for it."""
    name = f"{offering}/{person}"
    if len(name) <= LONGEST_ID:
        return name
    return f"{offering}/{hashlib.sha256(person.encode()).hexdigest()}"


_ORDER = {ACTIVE: 0, SUSPENDED: 1, GONE: 2}


def _member(body: object) -> Member:
    id_ = _text(body, "user_id") if isinstance(body, Mapping) else ""
    if not isinstance(body, Mapping) or not 0 < len(id_) <= LONGEST_ID:
        raise NotUnderstood(
            "member-unreadable", "A person of the platform's roster has no id, or too long a one."
        )
    return Member(
        id=id_,
        # A status that nobody knows is no reason to put anybody out.
        state=_STATES.get(_text(body, "status").lower(), ACTIVE),
        learns=_learns(body.get("roles")),
        sourced_id=_text(body, "lis_person_sourcedid"),
        name=_text(body, "name"),
        given_name=_text(body, "given_name"),
        family_name=_text(body, "family_name"),
        email=_text(body, "email"),
    )


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _learns(roles: object) -> bool:
    """Roles are short names or whole URIs; a sub-role counts as its main role, too."""
    given = [roles] if isinstance(roles, str) else roles
    if not isinstance(given, list):
        return False
    for role in given:
        if isinstance(role, str):
            whole, _, last = role.rpartition("#")
            if last in _LEARNERS or whole.rpartition("/")[2] in _LEARNERS:
                return True
    return False
