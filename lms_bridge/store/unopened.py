"""Queries on results whose learner never came from a platform that has a column for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, func, or_, select

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import ACADEMY, Kind, centre_system
from lms_bridge.store.lti_tables import launch_origin, registration
from lms_bridge.store.tables import EMPTY, centre, enrolment, learner, link, offering, result

AnyRow = Row[*tuple[Any, ...]]
Rows = Sequence[AnyRow]
_HAS_GRADEBOOK = or_(launch_origin.c.line_item != "", launch_origin.c.line_items != "")
_COLUMN = ("resource_link", "line_items", "line_item")
_OWN = and_(
    registration.c.status == "active",
    or_(registration.c.centre == "", registration.c.centre == offering.c.centre),
)


def results_without_origin(tx: Connection, code: str, most: int = 0) -> Rows:
    """The results of a centre whose learner has no launch origin at a platform from which others
    came, and which takes their scores; or who came by a link before it had a column, which it has
    now (``resource_link``, with their ``subject`` there). The newest first, ``most`` of them (0:
    all)."""
    known = (
        select(launch_origin.c.registration_id, launch_origin.c.offering_id)
        .where(_HAS_GRADEBOOK)
        .distinct()
        .subquery()
    )
    own = and_(
        launch_origin.c.registration_id == known.c.registration_id,
        launch_origin.c.offering_id == enrolment.c.offering_id,
        launch_origin.c.learner_id == enrolment.c.learner_id,
    )
    later = launch_origin.alias()
    column_came_later = exists().where(
        launch_origin.c.line_item == "",
        launch_origin.c.line_items == "",
        launch_origin.c.resource_link != "",
        later.c.registration_id == launch_origin.c.registration_id,
        later.c.offering_id == launch_origin.c.offering_id,
        later.c.resource_link == launch_origin.c.resource_link,
        or_(later.c.line_item != "", later.c.line_items != ""),
    )
    query = (
        select(
            result.c.id,
            result.c.changed_at,
            func.coalesce(launch_origin.c.subject, "").label("subject"),
            func.coalesce(launch_origin.c.resource_link, "").label("resource_link"),
            enrolment.c.id.label("enrolment_id"),
            enrolment.c.offering_id,
            enrolment.c.learner_id,
            offering.c.code,
            learner.c.academy_id,
            registration.c.id.label("registration_id"),
            registration.c.centre,
            registration.c.person_id,
            centre.c.connector,
        )
        .join(enrolment, enrolment.c.id == result.c.enrolment_id)
        .join(offering, offering.c.id == enrolment.c.offering_id)
        .join(centre, centre.c.code == offering.c.centre)
        .join(learner, learner.c.id == enrolment.c.learner_id)
        .join(known, known.c.offering_id == offering.c.id)
        .join(registration, and_(registration.c.id == known.c.registration_id, _OWN))
        .outerjoin(launch_origin, own)
        .where(offering.c.centre == code, or_(launch_origin.c.id.is_(None), column_came_later))
        .order_by(result.c.id.desc(), registration.c.id)
    )
    return tx.execute(query.limit(most) if most else query).all()


def columns(tx: Connection, offering_ids: Collection[int]) -> dict[tuple[int, int], list[Any]]:
    """{(connection, offering id): the different columns that launches named}, each with
    ``resource_link``, ``line_items``, ``line_item`` and ``scopes``."""
    found: dict[tuple[int, int], list[Any]] = {}
    names = ("registration_id", "offering_id", *_COLUMN, "scopes")
    for chunk in chunks(set(offering_ids)):
        rows = tx.execute(
            select(*(launch_origin.c[name] for name in names))
            .where(launch_origin.c.offering_id.in_(chunk), _HAS_GRADEBOOK)
            .order_by(launch_origin.c.id)
        )
        for row in rows:
            known = found.setdefault((row.registration_id, row.offering_id), [])
            if all(any(row._mapping[n] != each._mapping[n] for n in _COLUMN) for each in known):
                known.append(row)
    return found


def shown_by_academy(tx: Connection, enrolment_ids: Collection[int]) -> dict[int, AnyRow]:
    """{enrolment id: ``external_id`` and ``scope``} of those that the Academy shows."""
    found: dict[int, AnyRow] = {}
    for chunk in chunks(set(enrolment_ids)):
        rows = tx.execute(
            select(link.c.record_id, link.c.external_id, link.c.scope).where(
                link.c.system == ACADEMY,
                link.c.kind == Kind.ENROLMENT,
                link.c.record_id.in_(chunk),
                link.c.source_hash != EMPTY,
            )
        )
        found.update((row.record_id, row) for row in rows)
    return found


def accounts(tx: Connection, code: str, learner_ids: Collection[int]) -> dict[int, str]:
    """{learner id: account} of those whose account at a centre is known."""
    found: dict[int, str] = {}
    for chunk in chunks(set(learner_ids)):
        rows = tx.execute(
            select(link.c.record_id, link.c.external_id).where(
                link.c.system == centre_system(code),
                link.c.kind == Kind.LEARNER,
                link.c.record_id.in_(chunk),
                link.c.external_id != "",
            )
        )
        found.update((row.record_id, row.external_id) for row in rows)
    return found
