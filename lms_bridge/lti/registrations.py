"""LTI registrations: the platforms and tools that the bridge is connected with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from lms_bridge.audit import Actor, Change, Subject, changed_fields, record
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import Json, document
from lms_bridge.domain.events import Event
from lms_bridge.lti import refusals
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.vocabulary import LINE_ITEM, LINE_ITEM_READ
from lms_bridge.store.database import Database, first_row
from lms_bridge.store.lti_tables import registration as table
from lms_bridge.store.outbox import add_notice
from lms_bridge.store.prepared import Prepared


class Side(StrEnum):
    """What the other system is."""

    PLATFORM = "platform"  # it launches people; the bridge is its tool
    TOOL = "tool"  # people are launched into it; the bridge is its platform


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
    """Which personal data go along. With ``pseudonyms`` the system sees, in place of the Academy's
    id, one that means nothing anywhere else: the same for all tools of one centre."""

    name: bool = True
    email: bool = False
    sourced_id: bool = False
    pseudonyms: bool = False


@dataclass(frozen=True, slots=True)
class LtiRegistration:
    """One registration. ``centre`` is empty where the registration is the Academy's own.

    ``issuer`` and ``client_id``: of a platform, its own issuer and the id that it gave the bridge;
    of a tool, an empty issuer and the id that the bridge gave it. ``person_id`` says which claim of
    a platform's launches names the learner; ``token_audience`` what its token requests
    are to be for, where that is not its endpoint; ``opens_in`` where a tool opens: "" (as each
    link says), or ``window`` where its pages allow no frame. ``any_offering`` lets a centre's
    platform open offerings of other centres, ``any_deployment`` accepts all its deployments.
    """

    side: Side
    name: str = ""
    centre: str = ""
    issuer: str = ""
    client_id: str = ""
    deployment_ids: tuple[str, ...] = ()
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    token_audience: str = ""
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
    any_offering: bool = False
    any_deployment: bool = False
    created_at: datetime = field(default_factory=utc_now)
    id: int = 0

    @property
    def granted(self) -> frozenset[str]:
        """Its scopes, with what they imply: whoever may change line items may read them."""
        implied = {LINE_ITEM_READ} if LINE_ITEM in self.scopes else set()
        return frozenset(self.scopes) | implied

    @property
    def active(self) -> bool:
        return self.status is Status.ACTIVE

    @property
    def only_centre(self) -> str:
        """The one centre whose offerings it may open; "" if it may open any."""
        return "" if self.any_offering else self.centre

    def accepts_deployment(self, deployment_id: str) -> bool:
        return self.any_deployment or deployment_id in self.deployment_ids


def is_audience(text: str) -> bool:
    """Whether token requests can be for this. It need not be an address."""
    return len(text) <= 2_000 and text.isprintable()


_CLIENT = Prepared(
    select(table).where(table.c.side == str(Side.TOOL), table.c.client_id == bindparam("client_is"))
)


def add(tx: Connection, registration: LtiRegistration) -> LtiRegistration:
    """Stores a new registration and returns it with its id. The pair of issuer and client id must
    be new on its side."""
    new = insert(table).values(**_columns(registration)).returning(table.c.id)
    return replace(registration, id=int(tx.execute(new).scalar_one()))


def change(tx: Connection, registration: LtiRegistration) -> None:
    """Stores every field of a registration that has an id."""
    same = table.c.id == registration.id
    tx.execute(update(table).where(same).values(**_columns(registration)))


def registered_again(known: LtiRegistration, sent: LtiRegistration) -> LtiRegistration:
    """A system that registers once more: its own values, with what operators chose for it. It
    has to be approved again, and what was chosen once must not be taken back unseen."""
    return replace(
        sent,
        id=known.id,
        created_at=known.created_at,
        status=Status.PENDING,
        token_audience=sent.token_audience or known.token_audience,
        privacy=known.privacy,
        person_id=known.person_id,
        opens_in=known.opens_in,
        any_offering=known.any_offering,
        any_deployment=known.any_deployment,
    )


def find(tx: Connection, registration_id: int, *, lock: bool = False) -> LtiRegistration | None:
    """With ``lock`` nobody else changes it before the transaction ends."""
    if lock:
        one = select(table.c.id).where(table.c.id == registration_id)
        tx.execute(one.with_for_update(key_share=True))  # others may refer to it all the same
    return _only(_found(tx, id=registration_id))


def find_by(
    tx: Connection, issuer: str, client_id: str = "", *, side: Side = Side.PLATFORM
) -> LtiRegistration | None:
    """The registration of that issuer and client id. The client id is optional in a login's
    initiation (LTI 1.3, section 4.1.3). Without it: the issuer's, if it has just one."""
    given = {"side": str(side), "issuer": issuer}
    if client_id:
        given["client_id"] = client_id
    return _only(_found(tx, **given))


def find_tool(source: Connection | Database, client_id: str) -> LtiRegistration | None:
    """The tool that the bridge gave this client id."""
    row = first_row(source, _CLIENT, {"client_is": client_id}) if client_id else None
    return None if row is None else _of(dict(zip(table.c.keys(), row, strict=True)))


def all_registrations(
    tx: Connection, side: Side | None = None, centre: str | None = None
) -> list[LtiRegistration]:
    given: dict[str, object] = {}
    if side is not None:
        given["side"] = str(side)
    if centre is not None:
        given["centre"] = centre
    return _found(tx, **given)


def active_tools(tx: Connection, centre: str, ids: Iterable[int]) -> list[LtiRegistration]:
    """The tools in use that are a centre's, or have one of these ids."""
    tools = select(table).where(
        table.c.side == str(Side.TOOL),
        table.c.status == str(Status.ACTIVE),
        or_(table.c.centre == centre, table.c.id.in_(list(ids))),
    )
    return [_registration(row) for row in tx.execute(tools.order_by(table.c.id))]


def remove(tx: Connection, registration_id: int) -> None:
    """Deletes a registration that nothing refers to: a pending one that is rejected."""
    refusals.forget(tx, registration_id)
    tx.execute(delete(table).where(table.c.id == registration_id))


def record_change(
    tx: Connection, by: Actor, before: LtiRegistration | None, after: LtiRegistration | None
) -> None:
    """Writes a change of a connection to the audit. ``before`` is None for a new one, ``after`` for
    a deleted one. An approval names everything that is approved."""
    registration = after or before
    if registration is None:
        return
    if after is not None and after.status is Status.PENDING and not _waits(before):
        about = {"connection": after.id, "side": str(after.side)}
        add_notice(tx, Event.CONNECTION_WAITING, after.centre, by.at, **about)
    action, new = _action(before, after), _audited(after)
    fields = changed_fields(_audited(before), new)
    if fields and action == "approve":
        fields = changed_fields(None, new)
    change = Change(
        Subject.CONNECTION, action, registration.id, registration.name, fields, registration.centre
    )
    record(tx, by, change)


def _waits(registration: LtiRegistration | None) -> bool:
    return registration is not None and registration.status is Status.PENDING


def _audited(registration: LtiRegistration | None) -> dict[str, Json]:
    values = {} if registration is None else document(registration)
    return {name: values[name] for name in values if name not in ("id", "created_at")}


def _action(before: LtiRegistration | None, after: LtiRegistration | None) -> str:
    if before is None:
        return "add"
    if after is None:
        return "forget"
    if after.status is before.status:
        return "change"
    return {Status.ACTIVE: "approve", Status.DISABLED: "disable"}.get(after.status, "change")


_NAMES = [f.name for f in fields(LtiRegistration) if f.name != "id"]


def _columns(registration: LtiRegistration) -> dict[str, Any]:
    values = {name: getattr(registration, name) for name in _NAMES}
    privacy = {f.name: getattr(registration.privacy, f.name) for f in fields(Privacy)}
    return {**values, "custom": dict(registration.custom), "privacy": privacy} | {
        "side": str(registration.side),
        "status": str(registration.status),
        "person_id": str(registration.person_id),
    }


def _found(tx: Connection, **equal: object) -> list[LtiRegistration]:
    """Those whose named columns have these values, in the order in which they were added."""
    conditions = [table.c[name] == value for name, value in equal.items()]
    rows = tx.execute(select(table).where(*conditions).order_by(table.c.id))
    return [_registration(row) for row in rows]


def _only(found: Sequence[LtiRegistration]) -> LtiRegistration | None:
    return found[0] if len(found) == 1 else None


def _registration(row: Any) -> LtiRegistration:
    return _of(dict(row._mapping))


def _of(values: dict[str, Any]) -> LtiRegistration:
    values["side"], values["status"] = Side(values["side"]), Status(values["status"])
    values["privacy"] = Privacy(**values["privacy"])
    values["person_id"] = PersonId(values["person_id"])
    return LtiRegistration(**values)


MOST_PENDING = 10
"""Of one centre: more at a time is no administrator's doing."""


def check_room_for_one_more(tx: Connection, centre: str) -> None:
    """Raises LtiRefused where as many of the centre's wait as may ("" for the Academy's own)."""
    of_centre = all_registrations(tx, centre=centre)
    if sum(each.status is Status.PENDING for each in of_centre) >= MOST_PENDING:
        raise LtiRefused(
            "connections-many",
            "Too many connections of this centre wait for approval already.",
            "Withdraw some of them, or ask the operator of the bridge to approve them.",
        )
