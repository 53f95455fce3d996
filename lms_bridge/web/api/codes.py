"""The stable codes of the problems that the interface tells of, and their HTTP statuses.

docs/api.md explains every one; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    status: int
    title: str


CODES: Mapping[str, Code] = {
    # ---- the request itself
    "not-understood": Code(400, "The request cannot be understood"),
    "invalid-request": Code(422, "Fields of the request are wrong"),
    "no-such-address": Code(404, "There is nothing at this address"),
    "method-not-possible": Code(405, "This address does not take that method"),
    "too-large": Code(413, "The request is too large"),
    "too-many-rows": Code(413, "The schedule has too many rows"),
    "wrong-encoding": Code(422, "The text is not UTF-8"),
    "wrong-media-type": Code(415, "The request is not in a format that is taken here"),
    "bad-cursor": Code(422, "The cursor is not one that was given out"),
    "file-unreadable": Code(422, "The file cannot be read"),
    # ---- who asks
    "token-missing": Code(401, "A token is needed"),
    "token-refused": Code(401, "The token is not valid"),
    "signature-refused": Code(401, "The signature is not valid"),
    "scope-missing": Code(403, "The token is not for this"),
    "another-centre": Code(403, "This is another centre's"),
    "too-many-requests": Code(429, "Too many requests"),
    # ---- repeating and changing
    "key-reused": Code(422, "The Idempotency-Key came with another request before"),
    "key-invalid": Code(422, "The Idempotency-Key is not usable"),
    "key-at-work": Code(409, "The request with this Idempotency-Key is still at work"),
    "changed-meanwhile": Code(412, "It was changed meanwhile"),
    "centre-busy": Code(503, "The centre is being synced"),
    "owned-elsewhere": Code(409, "Another system keeps this record"),
    # ---- what is not there
    "no-such-centre": Code(404, "There is no such centre"),
    "no-such-offering": Code(404, "There is no such offering"),
    "no-such-registration": Code(404, "There is no such registration"),
    "no-such-result": Code(404, "There is no such result"),
    "no-such-hold": Code(404, "There is no such hold"),
    "no-such-person": Code(404, "Nobody of that number waits to be matched"),
    "no-such-run": Code(404, "There is no such run"),
    "no-such-webhook": Code(404, "There is no such webhook"),
    "no-such-delivery": Code(404, "There is no such delivery"),
    "not-waiting": Code(404, "Nobody of that id waits to be matched"),
    # ---- lives and rules
    "offering-not-now": Code(409, "The offering's status does not allow this"),
    "offering-is-over": Code(409, "The offering is over"),
    "rules-broken": Code(422, "The offering breaks rules of the programme"),
    "enrolment-not-now": Code(409, "The registration's status does not allow this"),
    "wrong-registration": Code(409, "The offering takes another kind of registration"),
    "registration-not-open": Code(409, "Registration is not open"),
    "registration-closed": Code(409, "Registration is over"),
    "no-seat-left": Code(409, "All seats are taken"),
    "offering-is-free": Code(409, "The offering is free"),
    "report-not-validated": Code(409, "The end-of-course report is not validated"),
    "learner-differs": Code(409, "The learner is known with another e-mail address"),
    "not-enrolled": Code(409, "The learner is not in the course"),
    "hold-not-pending": Code(409, "The hold is decided, or outdated"),
    "account-taken": Code(409, "The account is another learner's"),
    # ---- webhooks
    "address-refused": Code(422, "Nothing is sent to this address"),
    "no-event": Code(422, "No event is named that the token may read"),
    "no-such-region": Code(404, "There is no such region"),
    "two-reaches": Code(422, "One centre or one region"),
    "too-many-webhooks": Code(409, "The token has as many webhooks as it may have"),
    "webhook-off": Code(409, "The webhook is switched off"),
    # ---- our own failings
    "defect": Code(500, "Something went wrong"),
    "out-of-order": Code(503, "The database cannot be reached"),
}

RULES: Mapping[str, str] = {
    "no-modality": "An offering needs a modality before it is submitted.",
    "no-level": "The level is missing (a warning).",
    "no-dates": "A course with set dates needs a start and an end.",
    "too-short": "An instructor-led course lasts at least 2 days.",
    "too-long": "An instructor-led course lasts at most 8 weeks.",
    "self-paced-ends": "A self-paced course has no fixed end (a warning).",
    "direct-with-seats": "Direct registration has no limit of seats.",
    "registration-closes-late": "Registration closes no later than the course starts.",
    "meetings-overlap": "Meetings of the course overlap (a warning).",
    "lead-time": "The course starts sooner than rules.lead_days from now (a warning).",
    "topic-outside-areas": "No topic is one of the centre's priority areas (a warning).",
    "published-unreviewed": "Its source published the offering, and nobody reviewed it here "
    "(a warning, or as policy.unreviewed says).",
    "too-few-courses": "The centre gives fewer courses in a year than rules.courses_per_year "
    "(a warning).",
    "too-many-areas": "The centre has more priority areas than the cycle allows (a warning).",
    "few-participants": "The course had fewer participants than rules.least_participants "
    "(a warning).",
    "report-late": "The report comes later than rules.report_days after the end (a warning).",
    "below-pass-mark": "The course is completed with less than rules.pass_percent (a warning).",
}
"""What the programme's rules say; each finding names its rule by this code."""
