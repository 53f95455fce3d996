"""What a tool calls a person: the Academy's id, or one that means nothing anywhere else."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from lms_bridge.domain.model import Learner
from lms_bridge.lti.parties import Party
from lms_bridge.store import learners, lti_services


def _realm(party: Party) -> str:
    """The tools of one centre know a person under the same pseudonym."""
    return party.centre or f"party:{party.id}"


def subjects(tx: Connection, party: Party, people: Mapping[int, Learner]) -> dict[int, str]:
    """{learner id: subject}; pseudonyms are made where they are missing, so ``tx`` has to write
    for parties that see them."""
    if not party.privacy.pseudonyms:
        return {id_: person.academy_id for id_, person in people.items()}
    known = lti_services.subjects(tx, _realm(party), people)
    # In one order: of two who make them at once, one waits for the other.
    missing = {id_: secrets.token_urlsafe(16) for id_ in sorted(people) if id_ not in known}
    if missing:
        lti_services.add_subjects(tx, _realm(party), missing)
        known.update(lti_services.subjects(tx, _realm(party), missing))
    return known


def learner_of(tx: Connection, party: Party, subject: str) -> tuple[int, Learner] | None:
    """The learner whom the party means."""
    if not party.privacy.pseudonyms:
        return learners.learners_by_academy_id(tx, [subject]).get(subject)
    id_ = lti_services.learner_of_subject(tx, _realm(party), subject)
    return None if id_ is None else (id_, learners.learners(tx, _one(id_))[id_])


def _one(id_: int) -> Iterable[int]:
    return (id_,)
