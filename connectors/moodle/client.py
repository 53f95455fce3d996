"""Calls Moodle's web-service functions over REST, and writes values as Moodle expects them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote_plus

import msgspec
import orjson

from lms_bridge.connectors.moodle.refusals import END_MAINTENANCE, KEPT_OUT, NO_ENTRY, refusal
from lms_bridge.domain.errors import AccessDenied, BridgeError, NotUnderstood, Overloaded
from lms_bridge.http import foreign_json
from lms_bridge.http.client import Http, Response

Parameter = str | int | bool | None | list["Parameter"] | dict[str, "Parameter"]
Parameters = Mapping[str, Parameter]
Rows = list[dict[str, Any]]
Question = tuple[str, bytes]
"""A function, and the form of its parameters."""

PATH = "/webservice/rest/server.php"
NO_PARAMETERS: Parameters = {}
SITE_INFO = "core_webservice_get_site_info"
BY_FIELD = "core_user_get_users_by_field"
CALL_SEVERAL = "tool_mobile_call_external_functions"
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_TAG_START = re.compile(r"<(?!\s)")


@dataclass
class MoodleReply:
    """What a function answered: the exact bytes, and the JSON value in them. ``checked`` is what
    the caller of ``MoodleClient.call`` checks, if it is there."""

    function: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    checked: Any = field(default=None, repr=False)

    @cached_property
    def value(self) -> Any:
        """Raises NotUnderstood."""
        return _parsed(self.function, self.body)

    def check(self, decoder: msgspec.json.Decoder[Any]) -> bool:
        """Whether the value is what the decoder is for."""
        try:
            self.checked = foreign_json.check(self.body, decoder)
        except ValueError:
            return False
        return True

    def rows(self, name: str = "") -> Rows:
        """The value, or its member with that name, which must be a list of records.

        Raises:
            NotUnderstood: it is something else.
        """
        value = self.value
        if name:
            value = value.get(name) if isinstance(value, dict) else None
        return as_rows(self.function, value)


class MoodleClient:
    """Calls functions of one Moodle. The token travels in the body, never in the address."""

    def __init__(self, http: Http, address: str, token: str) -> None:
        self._http = http
        self._address = address + PATH
        # The raw setting makes Moodle send names without HTML escapes.
        self._fixed = encode(
            {"wstoken": token, "moodlewsrestformat": "json", "moodlewssettingraw": "true"}
        )
        self._asked_ahead: dict[Question, MoodleReply] = {}

    def call(
        self,
        function: str,
        parameters: Parameters = NO_PARAMETERS,
        *,
        repeatable: bool = True,
        check: msgspec.json.Decoder[Any] | None = None,
    ) -> MoodleReply:
        """Calls a function; ``repeatable`` is as for ``Http.request``. ``check`` tells what of an
        answer is needed at once. The rest is parsed where it is used.

        Raises:
            AccessDenied: a token, function or capability is missing, or web services are off.
            RecordRefused: Moodle refuses the data. ``code`` is Moodle's.
            NotUnderstood: the answer is not JSON.
            RetryLater: see ``Http.request``.
        """
        form = self._fixed + b"&wsfunction=" + function.encode("ascii")
        arguments = encode(parameters)
        if (asked := self._asked_ahead.pop((function, arguments), None)) is not None:
            if check is not None:
                asked.check(check)
            return asked
        try:
            response = self._http.request(
                "POST",
                self._address,
                headers=_HEADERS,
                body=form + b"&" + arguments if arguments else form,
                repeatable=repeatable,
                returns=(403, 404),
            )
        except Overloaded as error:
            raise _maintenance(function, error) from None
        _require_service(function, response)
        reply = MoodleReply(function, response.body, response.headers)
        if check is not None and reply.check(check):
            return reply
        value = reply.value
        if isinstance(value, dict) and "exception" in value:
            raise self.explained(function, refusal(function, value))
        return reply

    def explained(self, function: str, error: BridgeError) -> BridgeError:
        """The error with its cause, where the list of the service's functions tells it. Moodle has
        one code for a function that is missing there, and for all that may ail a token."""
        if error.code in NO_ENTRY and self.kept_out is not None:
            return self.kept_out
        if error.code != "accessexception" or function == SITE_INFO:
            return error
        try:
            listed = self.rows(SITE_INFO, name="functions")
        except AccessDenied as later:  # Moodle deletes a token whose time is over
            return error if later.code == error.code else later
        except BridgeError:
            return error
        if any(each.get("name") == function for each in listed):
            return error
        message = f"{function} is not in the token's service."
        return AccessDenied(error.code, message, "Add it to the service.")

    @cached_property
    def kept_out(self) -> AccessDenied | None:
        """What keeps the account out of every course, such as a policy that it has not agreed to.
        Functions about people say it."""
        try:
            self.rows(BY_FIELD, {"field": "id", "values": [0]})
        except AccessDenied as error:
            return error if error.code in KEPT_OUT else None
        except BridgeError:
            return None
        return None

    def rows(self, function: str, parameters: Parameters = NO_PARAMETERS, name: str = "") -> Rows:
        """The records that a function returns, perhaps as the member with that name."""
        return self.call(function, parameters).rows(name)

    def call_several(self, function: str, arguments: Sequence[Mapping[str, object]]) -> MoodleReply:
        """Calls a function several times in one request. Moodle stops after the first error.

        Each row of ``responses`` holds ``error`` and ``exception``, or its JSON in ``data``.
        """
        requests: list[Parameter] = [
            {"function": function, "arguments": orjson.dumps(each).decode()} for each in arguments
        ]
        return self.call(CALL_SEVERAL, {"requests": requests})

    def ask_ahead(self, questions: Sequence[tuple[str, Parameters]]) -> None:
        """Asks much in few requests. The next ``call`` with the same parameters gives the answer.

        Where Moodle gives an error, the call itself asks again, and raises it.
        """
        waiting = list(questions)
        while waiting:
            requests: list[Parameter] = [
                {"function": name, "arguments": orjson.dumps(asked).decode(), "settingraw": True}
                for name, asked in waiting
            ]
            rows = self.rows(CALL_SEVERAL, {"requests": requests}, "responses")
            for (name, asked), row in zip(waiting, rows, strict=False):
                if not row.get("error") and isinstance(row.get("data"), str):
                    reply = MoodleReply(name, row["data"].encode(), {})
                    self._asked_ahead[name, encode(asked)] = reply
            del waiting[: len(rows) or len(waiting)]

    def asked(self, function: str, parameters: Parameters) -> MoodleReply | None:
        """What was answered ahead, None if nothing was. The next call still gets it."""
        return self._asked_ahead.get((function, encode(parameters)))

    def close(self) -> None:
        self._http.close()


def _maintenance(function: str, error: Overloaded) -> Overloaded:
    """Moodle answers 503 while it is in maintenance mode, as an overloaded server does."""
    if "(status 503)" not in error.message:
        return error
    message = f"{function}: Moodle is in maintenance mode, or its server is overloaded (503)."
    after, applied = error.after, error.applied
    return Overloaded(error.code, message, END_MAINTENANCE, after=after, applied=applied)


def as_rows(function: str, value: object) -> Rows:
    """The value, checked to be a list of records.

    Raises:
        NotUnderstood: it is something else.
    """
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        return value
    raise NotUnderstood(
        "not-a-list",
        f"{function}: the answer is not a list of records, as a Moodle's is.",
        "Check that the address is that of the Moodle's front page.",
    )


def _require_service(function: str, response: Response) -> None:
    if response.status == 403:
        raise AccessDenied(
            "web-services-off",
            f"{function}: Moodle answers 403.",
            "Enable web services (Advanced features) and the REST protocol, and see that no "
            "firewall before the site refuses the bridge.",
        )
    if response.status == 404:
        raise NotUnderstood(
            "not-moodle",
            f"{function}: there is no web service at this address.",
            "Give the address of the site's front page, with the folder if it has one.",
        )


def _parsed(function: str, body: bytes) -> Any:
    try:
        return foreign_json.loads(body)
    except ValueError:
        start = body[:200].lstrip().lower()
        said = "Moodle's answer is not JSON."
        if start.startswith(b"<?xml"):
            said = "Moodle answers with an XML document."
        if start.startswith((b"<!doctype html", b"<html")):
            said = "Moodle answers with a web page, perhaps a log-in page."
        raise NotUnderstood(
            "not-json",
            f"{function}: {said}",
            "Check the address, and that nothing before the site asks for a log-in.",
        ) from None


def encode(parameters: Parameters) -> bytes:
    """The form, with nested parameters as ``users[0][email]=…``. None is left out.

    Source: "Web services" in Moodle's developer documentation, REST protocol.
    """
    pairs: list[str] = []
    for name, value in parameters.items():
        _add_pair(name, value, pairs)
    return "&".join(pairs).encode("ascii")


def _add_pair(name: str, value: Parameter, pairs: list[str]) -> None:
    # The commonest kinds come first, since a batch has thousands of values.
    if isinstance(value, int):
        pairs.append(f"{name}={int(value)}")
    elif isinstance(value, str):
        pairs.append(f"{name}={quote_plus(value)}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _add_pair(f"{name}[{key}]", inner, pairs)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _add_pair(f"{name}[{position}]", inner, pairs)


def without_tags(text: str) -> str:
    """The text without anything that looks like markup, which Moodle refuses in names."""
    return _TAG_START.sub("", text)


@lru_cache(maxsize=4096)
def epoch(text: str) -> int:
    """Seconds since 1970 of an ISO 8601 time, UTC if it has no offset.

    The cache helps because the same few dates occur thousands of times.
    """
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
