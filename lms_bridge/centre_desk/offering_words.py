"""What the desk says of offerings, in the reader's language: acts, next steps, rules, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from lms_bridge.centre_desk.words import said, sentence
from lms_bridge.domain.errors import BridgeError, Problem, RulesBroken
from lms_bridge.domain.model import OfferingStatus
from lms_bridge.domain.rules import RuleFinding

_S = OfferingStatus
NEXT: Mapping[OfferingStatus, str] = {
    _S.PLANNED: "Write the outline, and send it for review.",
    _S.SUBMITTED: "Experts review the outline. Until they decide, there is nothing for you to do.",
    _S.REVIEWED: "The review is over. The Academy publishes the course.",
    _S.PUBLISHED: "The course is published. People register until registration closes.",
    _S.RUNNING: "The course is under way. After its last day, write the report.",
    _S.DELIVERED: "The course is over. Write the end-of-training report.",
    _S.REPORTED: "The Academy validates the report.",
    _S.CLOSED: "The report is validated. The Academy releases the certificates.",
    _S.POSTPONED: "Give the course new dates. Then the Academy publishes it again.",
    _S.CANCELLED: "The course does not take place.",
}
"""What comes next, for the coordinator."""
ACTIONS: Mapping[str, str] = {
    "submit": "Sent for review",
    "review": "Accepted without objection",
    "object": "Sent back with an objection",
    "publish": "Published",
    "postpone": "Postponed",
    "cancel": "Cancelled",
    "conclude": "Declared to be over",
    "report": "Report sent",
    "close": "Report validated",
    "silence": "Accepted by silence",
}
"""What was done, as a line of the history says it."""
POINT_WORDS: Mapping[str, str] = {
    "mandate": "Relevance to the ITU mandate",
    "membership": "Relevance to the membership",
    "description": "Course description",
    "accuracy": "Factual accuracy",
    "additional_topics": "Additional topics to be considered",
}
RULES: Mapping[str, str] = {
    "no-modality": "The modality is missing.",
    "no-level": "The level is missing.",
    "no-dates": "A course with set dates needs both of them.",
    "no-place": "A course that people travel to has no place.",
    "no-currency": "A price needs a currency of ISO 4217.",
    "no-payment-method": "A paid course says how to pay: the organiser collects its own fees.",
    "no-seats": "With 0 seats nobody can be selected.",
    "outline-in-the-past": "The course would have begun already.",
    "self-paced-ends": "A self-paced course has no fixed end.",
    "too-short": "An instructor-led course lasts at least 2 days.",
    "too-long": "An instructor-led course lasts at most 8 weeks.",
    "direct-with-seats": "Direct registration has no limit of seats: with one, people apply and "
    "are selected.",
    "registration-closes-late": "Registration closes no later than the course starts.",
    "meetings-overlap": "Meetings of the course overlap.",
    "lead-time": "The course starts very soon.",
    "no-membership": "The centre has no membership on the day when the course starts.",
    "topic-outside-areas": "No topic of the course is one of the centre's priority areas in its "
    "cycle.",
    "published-unreviewed": "Nobody has reviewed this course in the bridge.",
    "no-reason": "Nobody said why.",
    "report-empty": "The report says nothing about the training.",
    "few-participants": "The course had few participants.",
    "report-late": "The report comes late.",
}
"""{code of a rule: what it says}"""
_FIELD_PROBLEMS: Mapping[str, str] = {
    "empty": "This is empty.",
    "missing": "This is empty.",
    "too-long": "This text is too long.",
    "too-many": "These are too many.",
    "not-a-date": "This is no date that can be used.",
    "time-skipped": "The clocks of this time zone skip this time.",
    "time-ambiguous": "This time comes twice, as the clocks of its zone go back. Choose another.",
    "no-such-zone": "This is no time zone such as Africa/Nairobi.",
    "invalid": "This is no whole number such as 20.",
    "not-a-page": "This is no address of a page, such as https://lms.example.org/course.",
    "not-a-number": "This is no number such as 1200 or 250.5.",
    "out-of-range": "This number is too small or too large.",
    "wrong-order": "This is before the beginning.",
    "no-such-code": "This code is not known.",
    "not-one-of": "Choose one of the list.",
    "address-with-user": "This address has a user name or a password in it.",
    "owned-elsewhere": "The learning system gives this. Change it there.",
    "bad-id": "This id is too long, or cannot be printed.",
    "id-taken": "Another course has this id.",
    "unclear": "This cannot be read. Write it as in the example.",
}
_OTHER = "This cannot be used."
_REFUSALS: Mapping[str, str] = {
    "changed-meanwhile": "Somebody else changed this course meanwhile. Nothing of yours is lost: "
    "read what is new, then send it again.",
    "reason-missing": "Say why: the centre and the Academy read it.",
    "offering-not-now": "This is no longer possible: the status of the course has changed.",
    "offering-is-over": "The end of the course has passed. It needs new dates first.",
    "offering-not-begun": "The course has not begun yet.",
    "centre-busy": "The centre is being synced at the moment. Nothing was changed. Please send it "
    "again in a minute.",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """What a rule says, with its language where that is not the reader's."""

    code: str
    text: str
    language: str
    field: str
    warning: bool


def explained(finding: RuleFinding) -> Explained:
    text, language = sentence(RULES.get(finding.code, finding.message))
    return Explained(finding.code, text, language, finding.field, finding.warning)


def field_problem(problem: Problem) -> str:
    """What is wrong with a field of a form."""
    return sentence(_FIELD_PROBLEMS.get(problem.code, _OTHER))[0]


def problem_of(error: BridgeError | None) -> list[tuple[Markup, str]]:
    """The sentences of a refusal, each with its language where that is not the reader's."""
    if error is None:
        return []
    if isinstance(error, RulesBroken):
        return [sentence(RULES.get(each.code, each.message)) for each in error.findings]
    if error.code in _REFUSALS:
        return [sentence(_REFUSALS[error.code])]
    return said(error)
