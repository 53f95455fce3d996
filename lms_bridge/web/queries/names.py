"""What records are called in front of programs: codes and ids, never a person's name."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from lms_bridge.domain.model import Kind
from lms_bridge.store import enrolments, learners, offerings, results


def names_of(tx: Connection, kind: Kind, record_ids: Collection[int]) -> dict[int, str]:
    """{record id: name}: an offering's code, a learner's Academy id, or both with a slash between.
    Records that are not there are left out."""
    if kind is Kind.OFFERING:
        return {id_: each.code for id_, each in offerings.offerings(tx, record_ids).items()}
    if kind is Kind.LEARNER:
        return {id_: each.academy_id for id_, each in learners.learners(tx, record_ids).items()}
    if kind is Kind.ENROLMENT:
        stored = enrolments.enrolments(tx, record_ids)
        return {
            id_: f"{each.record.offering}/{each.record.learner}" for id_, each in stored.items()
        }
    found = results.results(tx, record_ids)
    return {id_: f"{each.offering}/{each.learner}" for id_, (_, each) in found.items()}
