"""A learner registers, or withdraws: the same service as the API's, under the centre's lease."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from lms_bridge.accounts.service import link_learner
from lms_bridge.audit import Actor
from lms_bridge.bridge import Bridge
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.lifecycle import MAY_COME_BACK, EnrolmentAction
from lms_bridge.domain.model import Centre, Flow, Learner, RegistrationType
from lms_bridge.learner.courses import status_in
from lms_bridge.schemas.characters import visible
from lms_bridge.store import accounts, learners
from lms_bridge.store.accounts import UserAccount
from lms_bridge.store.registration_forms import LONGEST_ANSWER, keep_answers
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.enrolment_actions import EnrolmentChange, change_enrolment, register
from lms_bridge.sync.offering_actions import find_offering

ACTIONS = {
    RegistrationType.DIRECT: EnrolmentAction.REGISTER,
    RegistrationType.APPLICATION: EnrolmentAction.APPLY,
}
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who registers: a learner that is known, or a new person with an account."""

    record: Learner
    account: UserAccount | None = None


class FieldsRefused(Refused):
    """Fields of the form are empty or too long; ``problems`` is {name of a field: message}."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("field-missing", next(iter(problems.values())))
        self.problems = problems


def new_person(account: UserAccount, form: Mapping[str, str]) -> Learner:
    """The learner that an account's person becomes. The bridge is the Academy's platform here, so
    it makes the id. The address is the account's.

    Raises:
        FieldsRefused: a name is empty or too long, or the country is none.
    """
    names, problems = {}, {}
    for field in ("given_name", "family_name"):
        text = " ".join(visible(form.get(field, "")).split())
        if not text or len(text) > LONGEST_NAME:
            problems[field] = "Fill in your names, each with at most 100 characters."
        names[field] = text
    country = form.get("country", "").strip().upper()
    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        problems["country"] = "A country has two letters, for example KE."
    if problems:
        raise FieldsRefused(problems)
    own = f"L{secrets.token_hex(8)}"
    return Learner(own, **names, email=account.email, language=account.language, country=country)


def answers_in(form: Mapping[str, str], questions: tuple[str, ...]) -> dict[str, str]:
    """{question: answer} of the form.

    Raises:
        FieldsRefused: a question has no answer, or too long a one.
    """
    found, problems = {}, {}
    for number, question in enumerate(questions):
        text = visible(form.get(f"answer-{number}", "")).strip()
        if not text:
            problems[f"answer-{number}"] = "Please answer each question."
        elif len(text) > LONGEST_ANSWER:
            problems[f"answer-{number}"] = (
                "An answer has at most 2,000 characters. Please shorten it."
            )
        found[question] = text
    if problems:
        raise FieldsRefused(problems)
    return found


def register_applicant(
    bridge: Bridge,
    centre: Centre,
    code: str,
    applicant: Applicant,
    answers: Mapping[str, str],
    by: Actor,
) -> bool:
    """Registers, or applies, by what the offering wants. False where they are registered already:
    a form that is sent twice registers once.

    Raises:
        Refused: registration is not open, or the Academy keeps this registration.
        Overloaded: the centre is being synced.
    """

    def do(tx: Connection, context: RunContext) -> bool:
        offering_id, offering = find_offering(tx, centre.code, code)
        person = _person(tx, applicant)
        known = learners.learners_by_academy_id(tx, [person.academy_id]).get(person.academy_id)
        if known is not None and status_in(tx, known[0], offering_id) not in MAY_COME_BACK:
            return False
        stored = register(tx, context, code, person, ACTIONS[offering.registration])
        keep_answers(tx, stored.id, answers)
        if applicant.account is not None and known is None:
            link_learner(tx, applicant.account, stored.learner_id, by)
        return True

    return bridge.act(centre, Flow.ENROLMENTS, by, do)


def _person(tx: Connection, applicant: Applicant) -> Learner:
    """A new person who registers in two windows at once is one learner all the same."""
    if applicant.account is None:
        return applicant.record
    account = accounts.find_account(tx, number=applicant.account.number)
    if account is None or account.learner is None:
        return applicant.record
    return learners.learners(tx, [account.learner])[account.learner]


def withdraw(bridge: Bridge, centre: Centre, change: EnrolmentChange, by: Actor) -> None:
    """Raises Refused where the status does not allow it, or somebody changed it meanwhile."""
    bridge.act(
        centre, Flow.ENROLMENTS, by, lambda tx, context: change_enrolment(tx, context, change)
    )
