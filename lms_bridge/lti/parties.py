"""Parties: the systems that the bridge speaks LTI with, and what each may know of people.

A *platform* launches people into its tools; a *tool* is launched into. ``side`` says what *they*
are: ``platform`` when the bridge is their tool, ``tool`` when the bridge is their platform.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from lms_bridge.store import lti
from lms_bridge.store.database import Database
from lms_bridge.sync.work import utc_now


class Side(StrEnum):
    PLATFORM = "platform"  # they launch; the bridge is their tool
    TOOL = "tool"  # they are launched into; the bridge is their platform


class Status(StrEnum):
    PENDING = "pending"  # registered, and waiting for an operator
    ACTIVE = "active"
    DISABLED = "disabled"


class PersonId(StrEnum):
    """By what a platform's launches name a learner: its own id of them, which for the Academy's
    platform is the Academy's id, too, or the id of the register that stands behind it."""

    SUB = "sub"
    SOURCED_ID = "sourced_id"


@dataclass(frozen=True, slots=True)
class Privacy:
    """Which personal data go along. With ``pseudonyms`` the party sees, in place of the Academy's
    id, one that means nothing anywhere else: the same for all tools of one centre."""

    name: bool = True
    email: bool = False
    sourced_id: bool = False
    pseudonyms: bool = False


@dataclass(frozen=True, slots=True)
class Party:
    """One registration. ``centre`` is empty where the party is the Academy's own.

    ``issuer`` and ``client_id``: of a platform, its own issuer and the id that it gave the bridge;
    of a tool, an empty issuer and the id that the bridge gave it. ``person_id`` says which claim of
    a platform's launches names the learner; ``opens_in`` where a tool opens: "" (as each
    link says), or ``window`` where its pages allow no frame.
    """

    side: Side
    name: str = ""
    centre: str = ""
    issuer: str = ""
    client_id: str = ""
    deployment_ids: tuple[str, ...] = ()
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    jwks_uri: str = ""
    initiate_login_uri: str = ""
    redirect_uris: tuple[str, ...] = ()
    target_link_uri: str = ""
    deep_link_uri: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    privacy: Privacy = Privacy()
    status: Status = Status.PENDING
    person_id: PersonId = PersonId.SUB
    opens_in: str = ""
    private_addresses: bool = False
    created_at: datetime = field(default_factory=utc_now)
    id: int = 0

    @property
    def active(self) -> bool:
        return self.status is Status.ACTIVE


def add(tx: Connection, party: Party) -> Party:
    """Stores a new party and gives it back with its id. The pair of issuer and client id must be
    new on its side."""
    return replace(party, id=lti.add_party(tx, _columns(party)))


def change(tx: Connection, party: Party) -> None:
    """Stores every field of a party that has an id."""
    lti.change_party(tx, party.id, _columns(party))


def told_anew(known: Party, told: Party) -> Party:
    """A party that tells of itself once more: its own words, with what operators chose for it. It
    has to be approved again, and what was chosen once must not be taken back unseen."""
    return replace(
        told,
        id=known.id,
        created_at=known.created_at,
        status=Status.PENDING,
        privacy=known.privacy,
        person_id=known.person_id,
        opens_in=known.opens_in,
    )


def find(tx: Connection, party_id: int, *, lock: bool = False) -> Party | None:
    """With ``lock`` nobody else changes it before the transaction ends."""
    if lock:
        lti.lock_party(tx, party_id)
    return _only(lti.parties(tx, id=party_id))


def find_by(
    tx: Connection, issuer: str, client_id: str = "", *, side: Side = Side.PLATFORM
) -> Party | None:
    """The party of that issuer and client id. Without a client id (it is optional in the login
    initiation, LTI 1.3, section 4.1.3): the only party of that issuer, if there is just one."""
    given = {"side": str(side), "issuer": issuer}
    if client_id:
        given["client_id"] = client_id
    return _only(lti.parties(tx, **given))


def find_tool(source: Connection | Database, client_id: str) -> Party | None:
    """The tool that the bridge gave this client id."""
    found = lti.party_of_client(source, str(Side.TOOL), client_id) if client_id else None
    return None if found is None else _of(found)


def all_parties(tx: Connection, side: Side | None = None, centre: str | None = None) -> list[Party]:
    given: dict[str, object] = {}
    if side is not None:
        given["side"] = str(side)
    if centre is not None:
        given["centre"] = centre
    return [_party(row) for row in lti.parties(tx, **given)]


def active_tools(tx: Connection, centre: str, ids: Iterable[int]) -> list[Party]:
    """The tools in use that are a centre's, or have one of these ids."""
    found = lti.of_centre_or_named(tx, str(Side.TOOL), str(Status.ACTIVE), centre, ids)
    return [_party(row) for row in found]


def remove(tx: Connection, party_id: int) -> None:
    """Forgets a party that nothing else refers to: one that was pending and is rejected."""
    lti.drop_party(tx, party_id)


_NAMES = [f.name for f in fields(Party) if f.name != "id"]


def _columns(party: Party) -> dict[str, Any]:
    values = {name: getattr(party, name) for name in _NAMES}
    privacy = {f.name: getattr(party.privacy, f.name) for f in fields(Privacy)}
    return {**values, "custom": dict(party.custom), "privacy": privacy} | {
        "side": str(party.side),
        "status": str(party.status),
        "person_id": str(party.person_id),
    }


def _only(rows: Sequence[Any]) -> Party | None:
    return _party(rows[0]) if len(rows) == 1 else None


def _party(row: Any) -> Party:
    return _of(dict(row._mapping))


def _of(values: dict[str, Any]) -> Party:
    values["side"], values["status"] = Side(values["side"]), Status(values["status"])
    values["privacy"] = Privacy(**values["privacy"])
    values["person_id"] = PersonId(values["person_id"])
    return Party(**values)
