"""Subjects: what a tool calls a person (the Academy's id, or a pseudonym of that tool's centre)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import Learner
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.store import learners
from lms_bridge.store.bulk import insert_missing
from lms_bridge.store.lti_tables import subject


def subjects(
    tx: Connection, registration: LtiRegistration, people: Mapping[int, Learner]
) -> dict[int, str]:
    """{learner id: subject}. Missing pseudonyms are created, so ``tx`` has to be a writing one for
    registrations with pseudonyms."""
    if not registration.privacy.pseudonyms:
        return {id_: person.academy_id for id_, person in people.items()}
    realm = _realm(registration)
    known = _pseudonyms(tx, realm, people)
    # Sorted, so that two transactions that create pseudonyms at once cannot deadlock.
    missing = [id_ for id_ in sorted(people) if id_ not in known]
    if missing:
        rows = [
            {"centre": realm, "learner_id": id_, "subject": secrets.token_urlsafe(16)}
            for id_ in missing
        ]
        insert_missing(tx, subject, rows, ["centre", "learner_id"])
        known |= _pseudonyms(tx, realm, missing)  # another transaction's may have come first
    return known


def learner_of(
    tx: Connection, registration: LtiRegistration, name: str
) -> tuple[int, Learner] | None:
    """The learner to whom a tool refers by this subject, with the id of the row."""
    if not registration.privacy.pseudonyms:
        return learners.learners_by_academy_id(tx, [name]).get(name)
    id_: int | None = tx.scalar(
        select(subject.c.learner_id).where(
            subject.c.centre == _realm(registration), subject.c.subject == name
        )
    )
    return None if id_ is None else (id_, learners.learners(tx, [id_])[id_])


def _realm(registration: LtiRegistration) -> str:
    """All tools of one centre know a person under the same pseudonym."""
    return registration.centre or f"registration:{registration.id}"


def _pseudonyms(tx: Connection, realm: str, learner_ids: Iterable[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for chunk in chunks(learner_ids):
        rows = tx.execute(
            select(subject.c.learner_id, subject.c.subject).where(
                subject.c.centre == realm, subject.c.learner_id.in_(chunk)
            )
        )
        found.update((row.learner_id, row.subject) for row in rows)
    return found
