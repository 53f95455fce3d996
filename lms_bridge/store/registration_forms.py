"""What organisers ask whoever registers, and what people answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, select

from lms_bridge.domain.batches import chunks
from lms_bridge.store.bulk import upsert
from lms_bridge.store.tables import registration_answer, registration_question

MOST_QUESTIONS, LONGEST_QUESTION, LONGEST_ANSWER = 20, 300, 2000
Answers = Sequence[Mapping[str, str]]
"""Each with its ``question`` and its ``answer``."""


def questions_of(tx: Connection, offering_id: int) -> tuple[str, ...]:
    """The questions of an offering, in their order."""
    questions = registration_question.c.questions
    found = tx.execute(
        select(questions).where(registration_question.c.offering_id == offering_id)
    ).first()
    return () if found is None else tuple(found[0])


def set_questions(tx: Connection, offering_id: int, questions: Sequence[str]) -> None:
    """Replaces the questions of an offering. Answers that were given stay as they are."""
    if questions:
        row = {"offering_id": offering_id, "questions": questions}
        upsert(tx, registration_question, [row], ["offering_id"], ["questions"])
        return
    mine = registration_question.c.offering_id == offering_id
    tx.execute(delete(registration_question).where(mine))


def answers_of(tx: Connection, enrolment_ids: Iterable[int]) -> dict[int, Answers]:
    """{enrolment id: answers} of the registrations that have some."""
    found: dict[int, Answers] = {}
    for chunk in chunks(enrolment_ids):
        rows = tx.execute(
            select(registration_answer).where(registration_answer.c.enrolment_id.in_(chunk))
        )
        found.update((row.enrolment_id, row.answers) for row in rows)
    return found


def keep_answers(tx: Connection, enrolment_id: int, answers: Mapping[str, str]) -> None:
    """Keeps {question: answer} of a registration, in place of earlier answers."""
    if not answers:
        return
    listed = [{"question": question, "answer": answer} for question, answer in answers.items()]
    row = {"enrolment_id": enrolment_id, "answers": listed}
    upsert(tx, registration_answer, [row], ["enrolment_id"], ["answers"])
