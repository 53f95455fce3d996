"""``webservice/rest/server.php`` of one site: from a form to the reply, faults included."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lms_bridge.devtools.faults import SPOILS_ANSWER, SimulatedFault
from lms_bridge.devtools.moodle import messages
from lms_bridge.devtools.moodle.facts import (
    MoodleError,
    access_refused,
    invalid_parameter,
    missing_record,
    moodle_exception,
)
from lms_bridge.devtools.moodle.functions import FUNCTIONS
from lms_bridge.devtools.moodle.functions.call import Call
from lms_bridge.devtools.moodle.parameters import SIGNATURES, Params
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.devtools.wire import HTML_TYPE, JSON_TYPE, WireReply

BATCH = "tool_mobile_call_external_functions"
TRUE = ("1", "true", "on", "yes")
#: Parameters of the protocol itself; the rest belong to the function.
PROTOCOL = (
    "wstoken", "wsfunction", "moodlewsrestformat", "moodlewssettingraw", "moodlewssettingfilter",
    "moodlewssettinglang",
)  # fmt: skip
PROTOCOL_PREFIX = "moodlewssetting"


@dataclass(frozen=True, slots=True)
class FunctionAnswer:
    """An answer, and how many rows it took: what the pace of the site depends on."""

    answer: Any
    rows: int


def sign_in(site: MoodleState, token_value: str, raw: bool, language: str = "") -> Call:
    """The caller behind a token. Raises the answers that Moodle gives to a bad one."""
    token = site.access.tokens.get(token_value)
    user = None if token is None else site.people.get(token.user_id)
    account = None if token is None else site.access.accounts.get(token.user_id)
    if token is None or user is None or account is None:
        raise moodle_exception("invalidtoken", "Invalid token - token not found")
    if token.valid_until and token.valid_until <= site.now():
        site.access.tokens.pop(token_value, None)  # Moodle deletes a token that it finds expired
        raise access_refused()
    if user.suspended:
        raise moodle_exception(
            "wsaccessusersuspended",
            f"Refused web service access for suspended username: {user.username}",
        )
    return Call(site, user, account, token, raw, language)


def check_access(call: Call, function: str) -> None:
    """Whether the function exists, is in the token's service and may be called over REST."""
    if not function:
        raise invalid_parameter()
    if function not in SIGNATURES:
        raise missing_record("external_functions")
    if call.token.functions is not None and function not in call.token.functions:
        raise access_refused()
    if not call.can("webservice/rest:use"):
        raise access_refused()


def perform(call: Call, function: str, fields: dict[str, Any]) -> FunctionAnswer:
    """Check the form and run the function. Raises MoodleError for an error answer."""
    check_access(call, function)
    params = SIGNATURES[function].check(fields)
    if function == BATCH:
        return _batch(call, params)
    with call.site.lock:
        answer = FUNCTIONS[function](call, params)
    return FunctionAnswer(answer, max(_lists(params), _lists(answer)))


def _lists(value: Any) -> int:
    """The length of the list, or of the longest list right inside a structure."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, dict):
        return max((len(part) for part in value.values() if isinstance(part, list)), default=0)
    return 0


def _batch(call: Call, params: Params) -> FunctionAnswer:
    """``{"responses": [{"error", "data"}]}``, ending with the first ``{"error", "exception"}``."""
    responses: list[dict[str, Any]] = []
    rows = 0
    for request in params["requests"]:
        try:
            done = _one_of_batch(call, request)
        except MoodleError as error:
            told = _explained(call, call.site.told(error))
            responses.append({"error": True, "exception": messages.as_php_json(told)})
            break
        rows += done.rows
        responses.append({"error": False, "data": messages.as_php_json(done.answer)})
    return FunctionAnswer({"responses": responses}, rows)


def _one_of_batch(call: Call, request: Params) -> FunctionAnswer:
    try:
        fields = json.loads(request["arguments"])
    except ValueError:
        raise invalid_parameter() from None
    if request["function"] == BATCH:
        raise access_refused()
    inner = Call(call.site, call.user, call.account, call.token, request["settingraw"])
    return perform(inner, request["function"], fields)


def _explained(call: Call, error: MoodleError) -> dict[str, str]:
    answer = {"message": error.message}
    if error.errorcode is not None:
        answer["errorcode"] = error.errorcode
        answer["link"] = f"{call.site.wwwroot}/"
        page = f"https://docs.moodle.org/405/en/error/moodle/{error.errorcode}"
        answer["moreinfourl"] = page
    return answer


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A form, read: the protocol's parameters and the function's ``fields``."""

    function: str
    token: str
    json: bool
    raw: bool
    language: str
    fields: dict[str, Any]


def read_request(pairs: messages.Pairs) -> RestRequest:
    """Tell the protocol's parameters from the function's."""
    fields = messages.nest(pairs)
    protocol = {name: fields.pop(name, "") for name in PROTOCOL}
    for name in [name for name in fields if name.startswith(PROTOCOL_PREFIX)]:
        del fields[name]
    text = {name: value if isinstance(value, str) else "" for name, value in protocol.items()}
    return RestRequest(
        text["wsfunction"],
        text["wstoken"],
        text["moodlewsrestformat"] == "json",
        text["moodlewssettingraw"] in TRUE,
        (text["moodlewssettinglang"] or "en") if text["moodlewssettingfilter"] in TRUE else "",
        fields,
    )


def answer(site: MoodleState, pairs: messages.Pairs) -> WireReply:
    """The reply to one request. Counts it, and takes as long as the site's pace says."""
    # PHP drops variables beyond max_input_vars without a word to the caller.
    kept = pairs if site.max_input_vars is None else pairs[: site.max_input_vars]
    question = read_request(kept)
    _record(site, question.function, pairs)
    closed = _closed(site)
    if closed is not None:
        return closed
    fault = site.faults.take(question.function)
    if fault is None:
        return _worked(site, question)
    if fault.kind in SPOILS_ANSWER:
        return messages.spoiled_reply(fault, _worked(site, question))
    return _replaced(site, question, fault)


def _record(site: MoodleState, function: str, pairs: messages.Pairs) -> None:
    with site.lock:
        site.calls[function] += 1
        if site.log is not None:
            # Neither tokens nor passwords are kept.
            kept = [(k, v) for k, v in pairs if k != "wstoken" and not k.endswith("[password]")]
            site.log.append((function, kept))


def _closed(site: MoodleState) -> WireReply | None:
    if not (site.web_services and site.rest_protocol):
        return WireReply(403, b"", HTML_TYPE)
    if site.maintenance:
        return WireReply(503, messages.maintenance_page(site.name), HTML_TYPE)
    return None


def _replaced(site: MoodleState, question: RestRequest, fault: SimulatedFault) -> WireReply:
    if fault.after_work:
        _worked(site, question)
    return messages.reply_instead(fault, site.name, site.wwwroot)


def _worked(site: MoodleState, question: RestRequest) -> WireReply:
    course = str(question.fields.get("courseid", ""))
    with site.in_service(question.function, int(course) if course.isdecimal() else 0):
        return _reply(site, question)


def _reply(site: MoodleState, question: RestRequest) -> WireReply:
    rows = 0
    try:
        language = question.language
        if language and language not in site.people.languages:
            language = "en"  # a language that is not installed does not count
        call = sign_in(site, question.token, question.raw, language)
        done = perform(call, question.function, question.fields)
        rows = done.rows
        body = (
            messages.as_json(done.answer) if question.json else messages.answer_as_xml(done.answer)
        )
    except MoodleError as error:
        told = site.told(error)
        body = messages.as_json(told.body()) if question.json else messages.error_as_xml(told)
    site.pace.hold(question.function, rows)
    return WireReply(200, body, JSON_TYPE if question.json else messages.XML_TYPE)
