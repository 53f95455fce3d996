"""Queries on the scores that tools sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from lms_bridge.store.lti_services import Rows
from lms_bridge.store.lti_tables import line_item, party, score
from lms_bridge.store.tables import EMPTY, learner, offering


def score_of(tx: Connection, line_item_id: int, learner_id: int) -> Row[Any] | None:
    return tx.execute(
        select(score).where(score.c.line_item_id == line_item_id, score.c.learner_id == learner_id)
    ).first()


def add_score(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(score).values(**values, taken=EMPTY))


def change_score(tx: Connection, id_: int, values: Mapping[str, Any]) -> None:
    tx.execute(update(score).where(score.c.id == id_).values(**values))


def scores(
    tx: Connection, line_item_id: int, learner_id: int | None = None, after: int = 0, most: int = 0
) -> Rows:
    query = (
        select(score, learner.c.academy_id)
        .join(learner, learner.c.id == score.c.learner_id)
        .where(score.c.line_item_id == line_item_id, score.c.id > after)
        .order_by(score.c.id)
    )
    if learner_id is not None:
        query = query.where(score.c.learner_id == learner_id)
    return tx.execute(query.limit(most) if most else query).all()


def pending_scores(tx: Connection, centre: str) -> Rows:
    """Offerings and learners of a centre about whom scores have come that are not taken in."""
    return list(
        tx.execute(
            select(line_item.c.offering_id, score.c.learner_id)
            .join(line_item, line_item.c.id == score.c.line_item_id)
            .join(offering, offering.c.id == line_item.c.offering_id)
            .where(offering.c.centre == centre, score.c.digest != score.c.taken)
            .distinct()
            .order_by(line_item.c.offering_id, score.c.learner_id)
        ).all()
    )


def scores_about(tx: Connection, offering_id: int, learner_id: int) -> Rows:
    """All scores of one learner in one offering, each with ``main`` and ``in_use`` (whether its
    tool is): those of tools in use first, of these those of main line items, then the newest."""
    in_use = (party.c.status == "active").label("in_use")
    return list(
        tx.execute(
            select(score, line_item.c.main, in_use)
            .join(line_item, line_item.c.id == score.c.line_item_id)
            .join(party, party.c.id == line_item.c.party_id)
            .where(line_item.c.offering_id == offering_id, score.c.learner_id == learner_id)
            .order_by(in_use.desc(), line_item.c.main.desc(), score.c.at.desc(), score.c.id.desc())
        ).all()
    )


def scores_taken(tx: Connection, ids: Mapping[int, bytes]) -> None:
    for id_, digest in ids.items():
        tx.execute(update(score).where(score.c.id == id_).values(taken=digest))
