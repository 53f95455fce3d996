"""A real Moodle 4.5 as a platform, as far as it was recorded: its answers, over HTTP.

Only its address is replaced. What was not recorded is answered with 404, and told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request

from tests.peers.serving import free_socket, serving

_FILE = Path(__file__).parents[1] / "recordings" / "lti" / "lti-moodle-as-platform.json"
_ITSELF = "http://localhost:8080"
SCOPE = "https://purl.imsglobal.org/spec/lti-"
ITEMS = "/mod/lti/services.php/5/lineitems"


def recorded(what: str) -> list[dict[str, Any]]:
    return [each for each in json.loads(_FILE.read_text(encoding="utf-8")) if each["what"] == what]


@dataclass
class RecordedMoodle:
    """``unknown`` are the requests that no recording answers."""

    address: str
    registered: list[dict[str, Any]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def answer(self, method: str, address: str, sent: Any) -> Response:
        found = self._found(method, urlsplit(address).path, urlsplit(address).query, sent)
        if found is None:
            self.unknown.append(f"{method} {address}")
            return Response(status=404)
        body = found.get("body") or ""
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {
            name: value.replace(_ITSELF, self.address)
            for name, value in found.get("headers", {"Content-Type": "text/html"}).items()
        }
        escaped = _ITSELF.replace("/", "\\/"), self.address.replace("/", "\\/")
        text = text.replace(_ITSELF, self.address).replace(*escaped)
        return Response(text, found.get("status", 200), headers)

    def _found(self, method: str, path: str, query: str, sent: Any) -> dict[str, Any] | None:
        if path == "/.well-known/openid-configuration":
            return recorded("openid-configuration")[0]
        if path == "/mod/lti/openid-registration.php":
            self.registered.append(sent)
            return recorded("registration-response")[0]
        if path == "/mod/lti/token.php":
            return next(t for t in recorded("token-response") if sent["scope"] in t["body"])
        if path.endswith("/memberships"):
            return _members(query)
        if path.endswith("/scores"):
            alike = ("userId", "scoreGiven")
            return next(
                (s for s in recorded("ags-score") if all(s["sent"][n] == sent[n] for n in alike)),
                None,
            )
        if path.endswith("/results"):
            return recorded("ags-results")[0]
        if path == ITEMS and "type_id=1" in query.split("&"):
            return recorded("ags-create" if method == "POST" else "ags-lineitems")[0]
        return None


def _members(query: str) -> dict[str, Any]:
    """Of a roster of three in pages of two the second page was not recorded: it is what the first
    one leaves of the whole."""
    whole, page = recorded("nrps")
    if "limit=2" not in query:
        return whole
    if "from=2" not in query:
        return page
    shown = len(page["body"]["members"])
    rest = whole["body"]["members"][shown:]
    return {**whole, "body": {**whole["body"], "members": rest}}


@contextmanager
def recorded_moodle() -> Iterator[RecordedMoodle]:
    listening = free_socket()
    moodle = RecordedMoodle(f"http://127.0.0.1:{listening.getsockname()[1]}")
    app = Flask("recorded_moodle")

    @app.route("/<path:path>", methods=["GET", "POST", "PUT"])
    def _any(path: str) -> Response:
        del path
        is_json = "json" in (request.content_type or "")
        sent = json.loads(request.get_data()) if is_json else request.form
        return moodle.answer(request.method, request.url, sent)

    with serving(app, listening):
        yield moodle
