"""What the pages on connections read: their list, and the resources attached to offerings."""

from __future__ import annotations

from sqlalchemy import Connection, case, func, select

from lms_bridge.lti.parties import Status
from lms_bridge.store.lti_services import Rows
from lms_bridge.store.lti_tables import line_item, party, resource
from lms_bridge.store.tables import centre, offering

MOST_OFFERINGS = 500


def count(tx: Connection) -> int:
    return tx.scalar(select(func.count()).select_from(party)) or 0


def listed(tx: Connection, *, limit: int, offset: int) -> Rows:
    """All columns of the connections, and ``centre_name``: those that wait first, the oldest
    before the others; then by centre."""
    waits = party.c.status == Status.PENDING.value
    rows = tx.execute(
        select(party, centre.c.name.label("centre_name"))
        .outerjoin(centre, centre.c.code == party.c.centre)
        .order_by(case((waits, 0), else_=1), case((waits, party.c.id)), party.c.centre, party.c.id)
        .limit(limit)
        .offset(offset)
    )
    return rows.all()


def attached(tx: Connection, *, most: int, **equal: int) -> Rows:
    """Resources with these values, each with its offering, its connection's name, and the most
    points of its line item, if it has one."""
    conditions = [resource.c[name] == value for name, value in equal.items()]
    points = (
        select(line_item.c.score_maximum)
        .where(line_item.c.resource_link_id == resource.c.id)
        .order_by(line_item.c.id)
        .limit(1)
        .scalar_subquery()
    )
    rows = tx.execute(
        select(
            resource,
            offering.c.code.label("offering_code"),
            offering.c.title.label("offering_title"),
            party.c.name.label("party_name"),
            points.label("points"),
        )
        .join(offering, offering.c.id == resource.c.offering_id)
        .join(party, party.c.id == resource.c.party_id)
        .where(*conditions)
        .order_by(offering.c.code, resource.c.id)
        .limit(most)
    )
    return rows.all()


def offerings_of(tx: Connection, centre_code: str) -> Rows:
    """``code`` and ``title`` of a centre's offerings, the newest first, for a choice."""
    rows = tx.execute(
        select(offering.c.code, offering.c.title)
        .where(offering.c.centre == centre_code)
        .order_by(offering.c.id.desc())
        .limit(MOST_OFFERINGS)
    )
    return rows.all()
