"""Queries on the courses of platforms, and on the resources that were chosen from tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from lms_bridge.domain.model import Kind, centre_system
from lms_bridge.store.lti_tables import chosen, course, party
from lms_bridge.store.rows import upsert
from lms_bridge.store.tables import link, offering

_Row = Row[*tuple[Any, ...]]


def courses(tx: Connection, centre: str) -> Sequence[_Row]:
    """The courses of a centre's platforms from which its own offerings were launched; of the
    Academy's ("") from which any was. Each with ``code`` of the offering, and ``issuer`` and
    ``person_id`` of the platform."""
    query = (
        select(course, offering.c.code, party.c.issuer, party.c.person_id)
        .join(party, party.c.id == course.c.party_id)
        .join(offering, offering.c.id == course.c.offering_id)
        .where(party.c.centre == centre)
        .order_by(offering.c.code, course.c.id)
    )
    return tx.execute(query.where(offering.c.centre == centre) if centre else query).all()


def place_of(tx: Connection, course_id: int) -> _Row | None:
    """The platform's number (``party_id``) and the address of its ``memberships`` service."""
    return tx.execute(
        select(course.c.party_id, course.c.memberships).where(course.c.id == course_id)
    ).first()


def choose(
    tx: Connection, party_id: int, items: Mapping[str, Mapping[str, Any]], now: datetime
) -> None:
    """Keeps chosen resources, {code: item}; one that was chosen before is renewed."""
    rows = [
        {"party_id": party_id, "code": code, "item": dict(item), "created_at": now}
        for code, item in items.items()
    ]
    upsert(tx, chosen, rows, ["code"], ["party_id", "item"])


def unchoose(tx: Connection, code: str) -> None:
    """Forgets a chosen resource. What launches open of it stays."""
    tx.execute(delete(chosen).where(chosen.c.code == code))


def chosen_of(tx: Connection, centre: str) -> Sequence[_Row]:
    """What was chosen from a centre's tools, with ``party_id``, ``code`` and ``item``."""
    return tx.execute(
        select(chosen.c.party_id, chosen.c.code, chosen.c.item)
        .join(party, party.c.id == chosen.c.party_id)
        .where(party.c.centre == centre)
        .order_by(chosen.c.id)
    ).all()


def chosen_for(tx: Connection, offering_id: int, centre: str) -> _Row | None:
    """The chosen resource that became this offering of a centre, if it came about so."""
    return tx.execute(
        select(chosen.c.party_id, chosen.c.code, chosen.c.item)
        .join(link, link.c.external_id == chosen.c.code)
        .where(
            link.c.system == centre_system(centre),
            link.c.kind == Kind.OFFERING,
            link.c.record_id == offering_id,
        )
    ).first()
