"""A receiver of webhooks on loopback, which fails as it is told to and checks every signature."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook as Verifier


@dataclass(frozen=True)
class Received:
    """One request. ``good`` says whether the specification's own library took its signature."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    good: bool
    raw: bytes


@dataclass
class Receiver:
    """``answers`` are the statuses of the next requests (then 204). While ``gate`` is closed,
    nothing is answered at paths that end in ``slow``."""

    address: str = ""
    secret: str = ""
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    size: int = 0
    got: list[Received] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, received: Received) -> int:
        with self.changed:
            self.got.append(received)
            self.changed.notify_all()
            return self.answers.pop(0) if self.answers else 204

    def wait_for(self, number: int, seconds: float = 120.0) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= number, seconds), self.got

    def types(self) -> list[str]:
        return [each.body["type"] for each in self.got]


def _verified(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    if not secret:
        return False
    Verifier(secret).verify(body, headers)  # raises where it is not
    return True


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if self.path.endswith("slow"):
                receiver.waiting.release()
                receiver.gate.wait(120)
            good = _verified(receiver.secret, body, headers)
            status = receiver.take(Received(self.path, headers, json.loads(body), good, body))
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(receiver.size))
            self.end_headers()
            with suppress(ConnectionError):  # the sender may have read enough
                self.wfile.write(b"x" * receiver.size)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
            """Nothing is written."""

    return Handler


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    server.daemon_threads = True
    receiver.address = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield receiver
    finally:
        receiver.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
