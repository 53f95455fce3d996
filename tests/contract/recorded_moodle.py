"""Sends the recorded forms of a real Moodle, and compares answers with the recorded ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import requests

from lms_bridge.devtools.moodle.state import ADMIN_TOKEN, SERVICE_TOKEN

Json = Any
TOKENS = {
    "admin": ADMIN_TOKEN,
    "service account": SERVICE_TOKEN,
    "service account with hardly any rights": SERVICE_TOKEN,
    "invalid": "nosuchtoken",
    "nobody": None,
}


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    text: str

    def json(self) -> Json:
        return json.loads(self.text)


def send(session: requests.Session, url: str, exchange: dict[str, Json]) -> Answer:
    form = [tuple(part.split("=", 1)) for part in exchange["form"]]
    token = TOKENS[exchange["as"]]
    if token is not None:
        form.append(("wstoken", token))
        if exchange["name"] != "error_no_format_is_xml":
            form.append(("moodlewsrestformat", "json"))
    response = session.post(url, data=form) if form else session.get(url)
    return Answer(response.status_code, response.headers["Content-Type"], response.text)


ENDPOINT = "/webservice/rest/server.php"
#: Lists that hold other things here than on the real site: each row's keys and types count.
OTHER_ROWS = frozenset({"functions"})
#: Values that can't be the same: their types count.
OTHER_VALUES = frozenset({"userprivateaccesskey"})


def difference(
    expected: Json,
    actual: Json,
    trimmed: bool = False,
    path: str = "answer",
    others: frozenset[str] = OTHER_VALUES,
) -> str | None:
    """The first difference, or None. Keys must come in the recorded order; 1 is not true."""
    if type(expected) is not type(actual):
        return f"{path}: {expected!r} became {actual!r}"
    name = path.rpartition(".")[2]
    if isinstance(expected, dict):
        if list(expected) != list(actual):
            return f"{path}: keys {list(expected)} became {list(actual)}"
        pairs = [(f"{path}.{key}", expected[key], actual[key]) for key in expected]
    elif isinstance(expected, list):
        if len(actual) < len(expected) or (len(actual) > len(expected) and not trimmed):
            return f"{path}: {len(expected)} rows became {len(actual)}"
        if name in OTHER_ROWS:
            shapes = [{key: type(value) for key, value in row.items()} for row in actual]
            same = all(shape == {"name": str, "version": str} for shape in shapes)
            return None if same else f"{path}: other shapes"
        rows = zip(expected, actual, strict=not trimmed)
        pairs = [(f"{path}[{n}]", *pair) for n, pair in enumerate(rows)]
    else:
        equal = expected == actual or name in others
        return None if equal else f"{path}: {expected!r} became {actual!r}"
    found = (difference(old, new, trimmed, where, others) for where, old, new in pairs)
    return next(filter(None, found), None)
