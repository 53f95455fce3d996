"""Calls of Moodle's web-service functions over REST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from connectors.moodle.form import Parameters, encode
from connectors.moodle.refusals import refusal
from lms_bridge.domain.errors import AccessDenied, NotUnderstood
from lms_bridge.http import Http, Response

PATH = "/webservice/rest/server.php"
NOTHING: Parameters = {}
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a function answered: the bytes as sent, and the JSON value that they stand for."""

    body: bytes = field(repr=False)
    value: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Client:
    """Calls functions of one Moodle. The token travels in the body, never in the address."""

    def __init__(self, http: Http, address: str, token: str) -> None:
        self._http = http
        self._address = address + PATH
        # raw: names come as they are, not HTML-escaped
        self._fixed = encode(
            {"wstoken": token, "moodlewsrestformat": "json", "moodlewssettingraw": "true"}
        )

    def ask(
        self, function: str, parameters: Parameters = NOTHING, *, repeatable: bool = True
    ) -> Reply:
        """The answer of a function; ``repeatable`` as for ``Http.request``.

        Raises:
            AccessDenied: token, function or capability is missing; web services are off.
            RecordRefused: Moodle does not accept what was sent; ``code`` is Moodle's.
            NotUnderstood: the answer is not JSON.
            RetryLater: see ``Http.request``.
        """
        form = self._fixed + b"&wsfunction=" + function.encode("ascii")
        arguments = encode(parameters)
        response = self._http.request(
            "POST",
            self._address,
            headers=_FORM,
            body=form + b"&" + arguments if arguments else form,
            repeatable=repeatable,
            returns=(403, 404),
        )
        value = _json(function, response)
        if isinstance(value, dict) and "exception" in value:
            raise refusal(function, value)
        return Reply(response.body, value, response.headers)

    def rows(self, function: str, parameters: Parameters = NOTHING) -> list[dict[str, Any]]:
        """The answer of a function that reads a list of records."""
        return as_rows(function, self.ask(function, parameters).value)

    def close(self) -> None:
        self._http.close()


def as_rows(function: str, value: object) -> list[dict[str, Any]]:
    """The value, known to be a list of records.

    Raises:
        NotUnderstood: it is something else.
    """
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        return value
    raise NotUnderstood("not-a-list", f"{function}: Moodle's answer is not a list of records.")


def part(function: str, value: object, name: str) -> list[dict[str, Any]]:
    """The list of records under a name of the answer."""
    return as_rows(function, value.get(name) if isinstance(value, dict) else None)


def _json(function: str, response: Response) -> Any:
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
    try:
        return orjson.loads(response.body)
    except orjson.JSONDecodeError:
        start = response.body[:200].lstrip().lower()
        kind = "an XML document" if start.startswith(b"<?xml") else "something that is not JSON"
        if start.startswith((b"<!doctype html", b"<html")):
            kind = "a web page, perhaps a log-in page,"
        raise NotUnderstood(
            "not-json",
            f"{function}: Moodle answers {kind} in place of data.",
            "Check the address, and that nothing before the site asks for a log-in.",
        ) from None
