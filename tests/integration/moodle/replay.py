"""Plays recorded exchanges of a real Moodle back, by function."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

RECORDINGS = Path(__file__).parents[2] / "recordings" / "moodle"


def _by_name(file: str) -> dict[str, dict[str, Any]]:
    recorded = json.loads((RECORDINGS / file).read_text(encoding="utf-8"))
    return {exchange["name"]: exchange for exchange in recorded}


EXCHANGES = _by_name("ws-exchanges.json")
MORE = _by_name("ws-more.json")
RECORDED = {**MORE, **EXCHANGES}
_FIXED = {"wstoken", "moodlewsrestformat", "moodlewssettingraw"}


class Replay:
    """Answers every call of a function with the recordings chosen for it, the last one for ever.

    A form that is exactly one that was recorded for the function gets that recording's answer.
    """

    def __init__(self, answers: Mapping[str, tuple[str, ...]]) -> None:
        self._answers = {function: list(names) for function, names in answers.items()}
        self.forms: list[list[tuple[str, str]]] = []
        replay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                exchange = replay.choose(parse_qsl(body, keep_blank_values=True))
                content = exchange["response"]
                text = content if isinstance(content, str) else json.dumps(content)
                self.send_response(exchange["status"])
                self.send_header("Content-Type", exchange["content_type"])
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def choose(self, form: list[tuple[str, str]]) -> dict[str, Any]:
        self.forms.append(form)
        requested = sorted(f"{name}={value}" for name, value in form if name not in _FIXED)
        function = dict(form)["wsfunction"]
        names = self._answers[function]
        for name in names:
            if sorted(RECORDED[name]["form"]) == requested:
                return RECORDED[name]
        return RECORDED[names.pop(0) if len(names) > 1 else names[0]]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
