"""The services for the tool: access tokens, members, line items, scores, results.

Sources: Names and Role Provisioning Services 2.0, section 2; Assignment and Grade Services 2.0,
section 3; Security Framework 1.1, section 4; RFC 7523, section 3.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from flask import Flask, Response, jsonify, request
from joserfc import jws
from joserfc.errors import JoseError

from lms_bridge.devtools.lti import names
from lms_bridge.devtools.lti.platform_state import (
    TOKEN,
    PlatformCourse,
    PlatformState,
    SampleLineItem,
    SampleScore,
)
from lms_bridge.devtools.lti.signatures import verified
from lms_bridge.devtools.lti.site import NotAccepted, json_answer

TOKEN_SECONDS = 3600
_ACTIVITY = ("Initialized", "Started", "InProgress", "Submitted", "Completed")
_GRADING = ("FullyGraded", "Pending", "PendingManual", "Failed", "NotReady")
MEMBERS_PER_PAGE = 3


def add_token_endpoint(app: Flask, platform: PlatformState) -> None:
    @app.post(TOKEN)
    def token() -> Response:
        given, tool = request.form, platform.tool
        if given.get("grant_type") != "client_credentials":
            raise NotAccepted("Only the grant type client_credentials is known here.")
        if given.get("client_assertion_type") != names.ASSERTION_TYPE:
            raise NotAccepted("The tool does not prove by a signed assertion who it is.")
        assertion = given.get("client_assertion", "")
        claims = verified(
            assertion,
            platform.keys_of_tool,
            issuer=tool.client_id,
            audience=_audience(assertion, platform.address + TOKEN, platform.address),
        )
        if claims.get("sub") != tool.client_id:
            raise NotAccepted("The assertion's subject is not the tool itself.")
        _check_once(platform, claims.get("jti"))
        scopes = [scope for scope in given.get("scope", "").split() if scope in names.SCOPES]
        if not scopes:
            raise NotAccepted("None of these scopes is granted here.")
        return jsonify(
            access_token=platform.grants.put(frozenset(scopes)),
            token_type="Bearer",  # noqa: S106  # a word of RFC 6749
            expires_in=TOKEN_SECONDS,
            scope=" ".join(scopes),
        )


def _audience(assertion: str, *accepted: str) -> str:
    """The one of the names of this endpoint that the assertion uses; it is verified after this."""
    try:
        payload = jws.extract_compact(assertion.encode()).payload.decode()
    except (JoseError, ValueError, UnicodeError):
        raise NotAccepted("The assertion is not a signed message.") from None
    named = [each for each in accepted if f'"{each}"' in payload.replace("\\/", "/")]
    return named[0] if named else accepted[0]


def _check_once(platform: PlatformState, word: object) -> None:
    if not isinstance(word, str) or not word:
        raise NotAccepted("The assertion has no id of its own.")
    with platform.lock:
        if platform.assertions.look(word):
            raise NotAccepted("The assertion was used before.")
        platform.assertions.put(True, word)


def check_token(platform: PlatformState, *needed: str) -> None:
    """Raises NotAccepted unless the request has a token with one of these scopes."""
    scheme, _, word = request.headers.get("Authorization", "").partition(" ")
    scopes = platform.grants.look(word.strip()) if scheme.lower() == "bearer" else None
    if scopes is None:
        raise NotAccepted("There is no valid access token.", 401)
    if not scopes.intersection(needed):
        raise NotAccepted("The access token does not allow this.", 403)


def keep_score(
    platform: PlatformState,
    item: SampleLineItem,
    learners: Collection[str],
    given: Mapping[str, Any],
) -> None:
    """Keeps a score as the tool sent it.

    Raises:
        NotAccepted: 400 for what section 3.4 of Assignment and Grade Services does not allow, 404
            for somebody else, 409 for a score that is not newer.
    """
    person, score = str(given.get("userId") or ""), _read_score(given)
    if person not in learners:
        raise NotAccepted("There is no such learner in this course.", 404)
    with platform.lock:
        before = platform.scores.get((item.id, person))
        if before is not None and _moment(score.at) <= _moment(before.at):
            raise NotAccepted("There is a score that is as new or newer.", 409)
        platform.scores[item.id, person] = score


def _read_score(given: Mapping[str, Any]) -> SampleScore:
    score, maximum = given.get("scoreGiven"), given.get("scoreMaximum")
    if score is not None and (_score_number(score) < 0 or _score_number(maximum) <= 0):
        raise NotAccepted("scoreGiven is below zero, or scoreMaximum not above it.")
    if given.get("activityProgress") not in _ACTIVITY:
        raise NotAccepted("activityProgress is not a known value.")
    if given.get("gradingProgress") not in _GRADING:
        raise NotAccepted("gradingProgress is not a known value.")
    _moment(given.get("timestamp"))
    return SampleScore(
        None if score is None else _score_number(score),
        0.0 if maximum is None else _score_number(maximum),
        given["activityProgress"],
        given["gradingProgress"],
        given["timestamp"],
        str(given.get("comment") or ""),
    )


def shown_results(
    platform: PlatformState, item: SampleLineItem, address: str
) -> list[dict[str, Any]]:
    with platform.lock:
        return [
            {
                "id": f"{address}&result={person}",
                "scoreOf": address,
                "userId": person,
                "resultScore": score.given * item.maximum / score.maximum,
                "resultMaximum": item.maximum,
            }
            for (item_id, person), score in platform.scores.items()
            if item_id == item.id and score.given is not None and score.grading == "FullyGraded"
        ]


def _score_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotAccepted("scoreGiven or scoreMaximum is not a number.")
    return float(value)


def _moment(text: object) -> datetime:
    """Section 3.4.7: ISO 8601 with a time zone."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        raise NotAccepted("timestamp is not a moment in time.") from None
    if at.tzinfo is None:
        raise NotAccepted("timestamp has no time zone.")
    return at


def add_services(app: Flask, platform: PlatformState) -> None:
    _add_members(app, platform)
    _add_items(app, platform)
    _add_scores(app, platform)


def _add_members(app: Flask, platform: PlatformState) -> None:
    @app.get("/services/<course>/members")
    def members(course: str) -> Response:
        check_token(platform, names.MEMBERS_SCOPE)
        found, start = platform.members_of(_course(platform, course)), _query_number("from")
        members = [
            {
                "status": "Active",
                "user_id": person.id,
                "roles": ["Instructor" if person.teaches else "Learner"],
                "name": person.name,
                "given_name": person.given_name,
                "family_name": person.family_name,
                "email": person.email,
                "lis_person_sourcedid": person.id,
            }
            for person in found[start : start + MEMBERS_PER_PAGE]
        ]
        body = {"id": request.url, "context": {"id": course}, "members": members}
        response = json_answer(body, names.MEMBERS_TYPE)
        if start + MEMBERS_PER_PAGE < len(found):
            following = f"{platform.members_address(course)}?from={start + MEMBERS_PER_PAGE}"
            response.headers["Link"] = f'<{following}>; rel="next"'
        return response


def _add_items(app: Flask, platform: PlatformState) -> None:
    @app.get("/services/<course>/items")
    def items(course: str) -> Response:
        check_token(platform, names.LINE_ITEM_SCOPE, names.LINE_ITEM_READ_SCOPE)
        _course(platform, course)
        filters = {"resource_id": "resource_id", "tag": "tag", "resource_link_id": "link"}
        found = [
            _line_item(platform, item)
            for item in platform.line_items_of(course)
            if all(
                request.args.get(parameter, getattr(item, name)) == getattr(item, name)
                for parameter, name in filters.items()
            )
        ]
        return json_answer(found, names.LINE_ITEMS_TYPE)

    @app.post("/services/<course>/items")
    def add(course: str) -> Response:
        check_token(platform, names.LINE_ITEM_SCOPE)
        _course(platform, course)
        item = platform.add_line_item(_new_line_item(course))
        return json_answer(_line_item(platform, item), names.LINE_ITEM_TYPE, 201)

    @app.get("/services/<course>/items/<number>")
    def one(course: str, number: str) -> Response:
        check_token(platform, names.LINE_ITEM_SCOPE, names.LINE_ITEM_READ_SCOPE)
        return json_answer(
            _line_item(platform, _known_line_item(platform, course, number)), names.LINE_ITEM_TYPE
        )


def _add_scores(app: Flask, platform: PlatformState) -> None:
    @app.post("/services/<course>/items/<number>/scores")
    def score(course: str, number: str) -> Response:
        check_token(platform, names.SCORE_SCOPE)
        item = _known_line_item(platform, course, number)
        learners = [person.id for person in platform.members_of(_course(platform, course))]
        keep_score(platform, item, learners, _body())
        return Response(status=204)

    @app.get("/services/<course>/items/<number>/results")
    def results(course: str, number: str) -> Response:
        check_token(platform, names.RESULT_SCOPE)
        item = _known_line_item(platform, course, number)
        address = platform.line_item_address(item)
        return json_answer(shown_results(platform, item, address), names.RESULTS_TYPE)


def _course(platform: PlatformState, code: str) -> PlatformCourse:
    course = platform.courses.get(code)
    if course is None:
        raise NotAccepted("There is no such course.", 404)
    return course


def _known_line_item(platform: PlatformState, course: str, number: str) -> SampleLineItem:
    item = platform.line_items.get(number)
    if item is None or item.course != course:
        raise NotAccepted("There is no such line item.", 404)
    return item


def _query_number(name: str) -> int:
    return request.args.get(name, 0, int)


def _body() -> dict[str, Any]:
    found = request.get_json(force=True, silent=True)
    if not isinstance(found, dict):
        raise NotAccepted("The body is not a JSON object.")
    return found


def _new_line_item(course: str) -> SampleLineItem:
    given = _body()
    maximum = given.get("scoreMaximum")
    if not isinstance(maximum, int | float) or maximum <= 0 or not given.get("label"):
        raise NotAccepted("A line item needs a label, and a scoreMaximum above zero.")
    texts = [str(given.get(name) or "") for name in ("resourceId", "tag", "resourceLinkId")]
    return SampleLineItem("", course, str(given["label"]), float(maximum), *texts)


def _line_item(platform: PlatformState, item: SampleLineItem) -> dict[str, Any]:
    found = {
        "id": platform.line_item_address(item),
        "label": item.label,
        "scoreMaximum": item.maximum,
        "resourceId": item.resource_id,
        "tag": item.tag,
        "resourceLinkId": item.link,
    }
    return {name: value for name, value in found.items() if value != ""}
