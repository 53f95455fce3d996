"""From a token, a function and its form to the answer, or the error that Moodle gives."""

import json
from dataclasses import dataclass
from typing import Any

from .errors import MoodleError, access_refused, invalid_parameter, missing_record, moodle_exception
from .functions import FUNCTIONS
from .functions.call import Call
from .signatures import SIGNATURES
from .site.state import MoodleState
from .wire.rendering import as_php_json
from .wire.signature import Params

BATCH = "tool_mobile_call_external_functions"
SITE_INFO = "core_webservice_get_site_info"


@dataclass(frozen=True, slots=True)
class Done:
    """An answer, and how many rows it took: what the pace of the site depends on."""

    answer: Any
    rows: int


def sign_in(site: MoodleState, token_value: str, raw: bool) -> Call:
    """The caller behind a token. Raises the answers that Moodle gives to a bad one."""
    token = site.access.tokens.get(token_value)
    user = None if token is None else site.people.get(token.user_id)
    account = None if token is None else site.access.accounts.get(token.user_id)
    if token is None or user is None or account is None:
        raise moodle_exception("invalidtoken", "Invalid token - token not found")
    if token.valid_until and token.valid_until <= site.now():
        raise access_refused()
    if user.suspended:
        raise moodle_exception(
            "wsaccessusersuspended",
            f"Refused web service access for suspended username: {user.username}",
        )
    return Call(site, user, account, token, raw)


def check_access(call: Call, function: str) -> None:
    """Whether the function exists, is in the token's service and may be called over REST.

    The recording shows ``core_webservice_get_site_info`` answering without
    ``webservice/rest:use`` when every other function refuses, so it does here.
    """
    if not function:
        raise invalid_parameter()
    if function not in SIGNATURES:
        raise missing_record("external_functions")
    if call.token.functions is not None and function not in call.token.functions:
        raise access_refused()
    if function != SITE_INFO and not call.can("webservice/rest:use"):
        raise access_refused()


def perform(call: Call, function: str, fields: dict[str, Any]) -> Done:
    """Check the form and run the function. Raises MoodleError for an error answer."""
    check_access(call, function)
    params = SIGNATURES[function].check(fields)
    if function == BATCH:
        return _batch(call, params)
    with call.site.lock:
        answer = FUNCTIONS[function](call, params)
    return Done(answer, max(_lists(params), _lists(answer)))


def _lists(value: Any) -> int:
    """The length of the list, or of the longest list right inside a structure."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, dict):
        return max((len(part) for part in value.values() if isinstance(part, list)), default=0)
    return 0


def _batch(call: Call, params: Params) -> Done:
    """``{"responses": [{"error", "data"}]}``, ending with the first ``{"error", "exception"}``."""
    responses: list[dict[str, Any]] = []
    rows = 0
    for request in params["requests"]:
        try:
            done = _one_of_batch(call, request)
        except MoodleError as error:
            responses.append({"error": True, "exception": as_php_json(_explained(call, error))})
            break
        rows += done.rows
        responses.append({"error": False, "data": as_php_json(done.answer)})
    return Done({"responses": responses}, rows)


def _one_of_batch(call: Call, request: Params) -> Done:
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
