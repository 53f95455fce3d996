"""Errors as problem documents (RFC 9457), with stable codes.

``type`` is the address of the code's documentation. Beyond the members of the RFC each problem has
``code`` and ``reference``, which finds the line in the log. Where they help, there are ``remedy``,
``errors`` and ``allowed``. An error has ``field`` and ``message``; one of a rule has ``code`` and
``documentation``, too.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from flask import Response
from werkzeug.exceptions import HTTPException

from lms_bridge.domain.errors import (
    BridgeError,
    NotFound,
    NotNow,
    RecordRefused,
    Refused,
    RetryLater,
    RulesBroken,
)
from lms_bridge.domain.rules import DOCUMENTATION
from lms_bridge.web.languages import translated

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Code:
    status: int
    title: str


CODES: Mapping[str, Code] = {
    # the request
    "not-understood": Code(400, "The request cannot be understood"),
    "invalid-request": Code(422, "Fields of the request are wrong"),
    "no-such-address": Code(404, "There is nothing at this address"),
    "method-not-possible": Code(405, "This address does not take that method"),
    "too-large": Code(413, "The request is too large"),
    "too-many-rows": Code(413, "The schedule has too many rows"),
    "push-waits": Code(503, "Other pushes are being read"),
    "push-too-slow": Code(503, "The push took too long"),
    "wrong-encoding": Code(422, "The text is not UTF-8"),
    "wrong-media-type": Code(415, "The request has a format that is not accepted"),
    "bad-cursor": Code(422, "The cursor is not one that was given out"),
    "file-unreadable": Code(422, "The file cannot be read"),
    # authentication
    "token-missing": Code(401, "A token is needed"),
    "token-refused": Code(401, "The token is not valid"),
    "signature-refused": Code(401, "The signature is not valid"),
    "scope-missing": Code(403, "The token is not for this"),
    "another-centre": Code(403, "This is another centre's"),
    "too-many-requests": Code(429, "Too many requests"),
    # repeated and concurrent changes
    "key-reused": Code(422, "The Idempotency-Key came with another request before"),
    "key-invalid": Code(422, "The Idempotency-Key is not usable"),
    "key-at-work": Code(409, "The request with this Idempotency-Key is still at work"),
    "changed-meanwhile": Code(412, "It was changed meanwhile"),
    "centre-busy": Code(503, "The centre is being synced"),
    "centre-paused": Code(409, "The centre is paused, so nothing runs for it"),
    "owned-elsewhere": Code(409, "Another system keeps this record"),
    # not found
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
    # status changes and rules
    "offering-not-now": Code(409, "The offering's status does not allow this"),
    "offering-is-over": Code(409, "The offering is over"),
    "offering-not-begun": Code(409, "The course has not begun yet"),
    "rules-broken": Code(422, "The offering breaks rules of the programme"),
    "enrolment-not-now": Code(409, "The registration's status does not allow this"),
    "wrong-registration": Code(409, "The offering takes another kind of registration"),
    "registration-not-open": Code(409, "Registration is not open"),
    "registration-closed": Code(409, "Registration is over"),
    "no-seat-left": Code(409, "All seats are taken"),
    "offering-is-free": Code(409, "The offering is free"),
    "report-not-validated": Code(409, "The end-of-course report is not validated"),
    "academy-certifies": Code(409, "The Academy keeps the registration, and certifies"),
    "already-certified": Code(409, "The certificate was released already"),
    "reason-missing": Code(422, "An objection says why"),
    "learner-differs": Code(409, "The learner is known with another e-mail address"),
    "learner-of-another": Code(422, "The id is another centre's, or too long"),
    "not-enrolled": Code(409, "The learner is not in the course"),
    "hold-not-pending": Code(409, "The hold is decided, or outdated"),
    "account-taken": Code(409, "The account is another learner's"),
    # webhooks
    "address-refused": Code(422, "Nothing is sent to this address"),
    "no-event": Code(422, "No event is named that the token may read"),
    "no-such-region": Code(404, "There is no such region"),
    "two-reaches": Code(422, "One centre or one region"),
    "too-many-webhooks": Code(409, "The token has as many webhooks as it may have"),
    "webhook-off": Code(409, "The webhook is switched off"),
    # the network
    "no-such-cycle": Code(404, "There is no such cycle"),
    "no-such-area": Code(404, "The cycle has no such area"),
    "no-such-membership": Code(404, "There is no such membership"),
    "no-such-plan": Code(404, "There is no such plan"),
    "cycle-exists": Code(409, "There is a cycle of that name already"),
    "cycle-overlaps": Code(409, "The cycle shares days with another one"),
    "cycle-name": Code(422, "This cannot be the name of a cycle"),
    "cycle-over": Code(409, "The cycle is over"),
    "cycles-in-wrong-order": Code(422, "The cycles do not follow each other"),
    "memberships-outside": Code(409, "Memberships would have no day left"),
    "days-in-wrong-order": Code(422, "The last day is before the first"),
    "day-out-of-range": Code(422, "The day is not of this age"),
    "area-exists": Code(409, "The cycle has the area already"),
    "area-name": Code(422, "This cannot be the name of an area"),
    "nothing-to-merge": Code(422, "There is nothing to merge"),
    "too-many-names": Code(422, "There are too many names"),
    "outside-the-cycle": Code(422, "The membership has days outside of its cycle"),
    "membership-overlaps": Code(409, "The centre is a member on these days already"),
    "membership-over": Code(409, "The membership is over"),
    "membership-begun": Code(409, "The membership has begun"),
    "membership-holds": Code(422, "The membership holds still"),
    "plan-outdated": Code(409, "The network has changed since the plan was made"),
    "plan-decided": Code(409, "The plan is decided"),
    "profile-invalid": Code(422, "The profile cannot be used"),
    "no-such-year": Code(422, "It is no year of this age"),
    # failures of the bridge
    "defect": Code(500, "Something went wrong"),
    "out-of-order": Code(503, "The database cannot be reached"),
    "disk-full": Code(503, "The disk is full"),
    "database-read-only": Code(503, "The database is read-only"),
    "disk-error": Code(503, "The disk cannot be read or written"),
    "database-busy": Code(503, "The database is busy"),
}
"""docs/api.md explains every one."""

RULES: Mapping[str, str] = {
    "no-modality": "An offering needs a modality before it is submitted.",
    "no-level": "The level is missing (a warning).",
    "no-dates": "A course with set dates needs a start and an end.",
    "too-short": "An instructor-led course lasts at least 2 days.",
    "too-long": "An instructor-led course lasts at most 8 weeks.",
    "self-paced-ends": "A self-paced course has no fixed end (a warning).",
    "no-place": "A face-to-face or blended course has no location (a warning).",
    "no-currency": "A price needs a currency of ISO 4217.",
    "no-payment-method": "A paid course names no payment method (a warning).",
    "no-seats": "The offering has 0 seats, so nobody can be selected (a warning).",
    "seats-below-taken": "More people have a seat than there are seats. They keep it, and nobody "
    "else is selected (a warning).",
    "outline-in-the-past": "An offering that is not published yet starts in the past (a warning).",
    "direct-with-seats": "Direct registration has no limit of seats.",
    "registration-closes-late": "Registration closes no later than the course starts.",
    "meetings-overlap": "Meetings of the course overlap (a warning).",
    "lead-time": "The course starts sooner than rules.lead_days from now (a warning).",
    "no-membership": "The centre's membership does not hold on the day when the course starts.",
    "topic-outside-areas": "No topic is one of the centre's priority areas on the day when the "
    "course starts (a warning).",
    "looks-like-sessions": "Several short events of a calendar have one title, and each becomes an "
    "offering (a warning).",
    "line-not-used": "A line of a calendar is no property, and its name is not used here "
    "(a warning).",
    "published-unreviewed": "Its source published the offering, and nobody reviewed it here "
    "(a warning, or as policy.unreviewed says).",
    "too-few-courses": "The centre gives fewer courses in a year than rules.courses_per_year "
    "(a warning).",
    "too-many-areas": "The centre has more priority areas than the cycle allows (a warning).",
    "few-participants": "The course had fewer participants than rules.least_participants "
    "(a warning).",
    "report-empty": "The end-of-course report has no text.",
    "no-reason": "A postponement or a cancellation has no reason (a warning).",
    "centre-is-paused": "The centre is paused: the act is kept, and is sent once it is resumed "
    "(a warning).",
    "report-late": "The report comes later than rules.report_days after the end (a warning).",
    "below-pass-mark": "The course is completed with less than rules.pass_percent (a warning).",
}
"""The programme's rules. Each finding names its rule by this code."""

PREFIX = "/api/"
MEDIA_TYPE = "application/problem+json"
_HTTP = {
    400: ("not-understood", "The address, a header or the body cannot be understood."),
    404: ("no-such-address", "There is nothing at this address."),
    405: ("method-not-possible", "This address does not take that method."),
    413: ("too-large", "The request is larger than allowed."),
    415: (
        "wrong-media-type",
        "The route does not accept the format of the request, or its charset.",
    ),
}
_CLASSES: tuple[tuple[type[BridgeError], int], ...] = (
    (NotFound, 404),
    (NotNow, 409),
    (RulesBroken, 422),
    (RecordRefused, 422),
    (Refused, 400),
    (RetryLater, 503),
)


class InvalidRequest(Refused):
    """Fields of a request are wrong; ``messages`` is {field: complaints}, nested as the request."""

    def __init__(self, messages: Mapping[str, Any]) -> None:
        self.messages = messages
        super().__init__("invalid-request", "Fields of the request are wrong.", "Mend them.")


def problem(error: Exception) -> Response | None:
    """The response to an error; None for an unexpected one, whose details stay in the log."""
    if isinstance(error, HTTPException):
        return _of_http(error)
    if not isinstance(error, BridgeError):
        return None
    known = CODES.get(error.code)
    status = known.status if known else _status(error)
    if status is None:
        return None
    more: dict[str, Any] = {}
    if isinstance(error, NotNow):
        more["allowed"] = list(error.allowed)
    errors = list(_errors(error))
    if errors:
        more["errors"] = errors
    response = document(error.code, status, error.message, error.remedy, **more)
    if isinstance(error, RetryLater):
        response.headers["Retry-After"] = str(math.ceil(error.after or 1))
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="lms_bridge"'
    return response


def _status(error: BridgeError) -> int | None:
    return next((status for kind, status in _CLASSES if isinstance(error, kind)), None)


def _errors(error: BridgeError) -> Iterator[dict[str, str]]:
    if isinstance(error, InvalidRequest):
        for field, message in _flat(error.messages, ""):
            yield {"field": field, "message": message}
    elif isinstance(error, RulesBroken):
        for each in error.findings:
            yield {
                "field": each.field,
                "message": each.message,
                "code": each.code,
                "documentation": f"{DOCUMENTATION}{each.code}",
            }
    elif isinstance(error, RecordRefused) and error.field:
        yield {"field": error.field, "message": error.message}


def _flat(messages: Any, prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            path = f"{prefix}.{name}" if prefix else str(name)
            # marshmallow files an error about a whole object under "_schema"
            yield from _flat(inner, prefix if name == "_schema" else path)
        return
    for message in messages if isinstance(messages, list) else [messages]:
        yield prefix, str(message)


def _of_http(error: HTTPException) -> Response | None:
    status = error.code or 500
    if status >= 500:
        return None
    code, message = _HTTP.get(status, ("not-understood", "The request cannot be understood."))
    response = document(code, status, message)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def document(code: str, status: int, detail: str, remedy: str = "", **more: Any) -> Response:
    """A problem document as a response."""
    known = CODES.get(code)
    reference = more.setdefault("reference", secrets.token_hex(4))
    _log.info("problem", code=code, status=status, reference=reference)
    body: dict[str, Any] = {
        "type": f"{DOCUMENTATION}{code}",
        "title": translated(known.title) if known else detail,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if remedy:
        body["remedy"] = remedy
    return Response(orjson.dumps({**body, **more}), status, mimetype=MEDIA_TYPE)
