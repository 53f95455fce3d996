"""Rows of resource links and of line items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import Kind, centre_system
from lms_bridge.store.lti_tables import chosen_resource, line_item, registration, resource, score
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.tables import link, offering

AnyRow = Row[*tuple[Any, ...]]
Rows = Sequence[AnyRow]


LINK = ("id", "code", "title", "description", "address", "custom", "target")
_RESOURCE = Prepared(
    select(*(resource.c[name] for name in LINK), func.coalesce(func.min(line_item.c.id), 0))
    .outerjoin(line_item, line_item.c.resource_link_id == resource.c.id)
    .where(resource.c.id == bindparam("id_is"))
    .group_by(resource.c.id)
)

_ACTIVE = (registration.c.side == "tool", registration.c.status == "active")
_LINKED = (
    select(resource.c.registration_id)
    .where(resource.c.offering_id == offering.c.id)
    .correlate(offering)
)
_CHOSEN = (
    select(chosen_resource.c.registration_id)
    .join(link, link.c.external_id == chosen_resource.c.code)
    .where(
        link.c.system == literal(centre_system("")) + offering.c.centre,
        link.c.kind == Kind.OFFERING,
        link.c.record_id == offering.c.id,
        ~_LINKED.exists(),
    )
)
SERVING = Prepared(
    select(registration.c.id)
    .join_from(registration, offering, offering.c.code == bindparam("code_is"))
    .where(
        *_ACTIVE,
        or_(
            registration.c.centre == offering.c.centre,
            registration.c.id.in_(_LINKED),
            registration.c.id.in_(_CHOSEN),
        ),
    )
    .limit(1)
)
"""An active tool that serves the offering of a code. Each teacher's launch asks for it."""


def resources(tx: Connection, **equal: object) -> Rows:
    """Resource links whose columns have these values, the oldest first."""
    conditions = [resource.c[name] == value for name, value in equal.items()]
    return tx.execute(select(resource).where(*conditions).order_by(resource.c.id)).all()


def active_tools_of(tx: Connection, centres: Mapping[int, str]) -> tuple[set[str], set[int]]:
    """(centres with an active tool, offerings with a link to an active tool), of {offering id:
    centre}."""
    at = tx.scalars(select(registration.c.centre).where(*_ACTIVE, registration.c.centre != ""))
    linked: set[int] = set()
    for chunk in chunks(centres):
        query = select(resource.c.offering_id).join(
            registration, registration.c.id == resource.c.registration_id
        )
        linked.update(tx.scalars(query.where(*_ACTIVE, resource.c.offering_id.in_(chunk))))
    return set(at) & set(centres.values()), linked


def resource_with_line_item(tx: Connection, resource_id: int) -> tuple[Any, ...] | None:
    """The columns of ``LINK``, and the id of its first line item (0 without one)."""
    return _RESOURCE.first(tx, {"id_is": resource_id})


def lock_links(tx: Connection, offering_id: int) -> None:
    """No other transaction can give the offering a link or a main line item."""
    one = select(offering.c.id).where(offering.c.id == offering_id)
    tx.execute(one.with_for_update(key_share=True))  # foreign keys to it stay possible


def add_resource(tx: Connection, values: Mapping[str, Any]) -> int:
    return int(tx.execute(insert(resource).values(**values).returning(resource.c.id)).scalar_one())


def change_resource(tx: Connection, id_: int, values: Mapping[str, Any]) -> None:
    tx.execute(update(resource).where(resource.c.id == id_).values(**values))


def line_items(tx: Connection, after: int = 0, most: int = 0, **equal: object) -> Rows:
    """Line items whose columns (or ``resource_code``) have these values; ``most`` rows after a
    given id."""
    columns = {**line_item.c, "resource_code": resource.c.code}
    query = (
        select(line_item, resource.c.code.label("resource_code"))
        .outerjoin(resource, resource.c.id == line_item.c.resource_link_id)
        .where(*(columns[name] == value for name, value in equal.items()))
        .where(line_item.c.id > after)
        .order_by(line_item.c.id)
    )
    return tx.execute(query.limit(most) if most else query).all()


def lock_line_item(tx: Connection, id_: int) -> None:
    """No other transaction can post scores to the line item, or delete it."""
    tx.execute(select(line_item.c.id).where(line_item.c.id == id_).with_for_update())


def add_line_item(tx: Connection, values: Mapping[str, Any]) -> int:
    made = tx.execute(insert(line_item).values(**values).returning(line_item.c.id))
    return int(made.scalar_one())


def change_line_item(tx: Connection, id_: int, values: Mapping[str, Any]) -> None:
    tx.execute(update(line_item).where(line_item.c.id == id_).values(**values))


def drop_line_item(tx: Connection, id_: int) -> None:
    """Deletes a line item with its scores."""
    tx.execute(delete(score).where(score.c.line_item_id == id_))
    tx.execute(delete(line_item).where(line_item.c.id == id_))
