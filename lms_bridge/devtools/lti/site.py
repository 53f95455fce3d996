"""What both sample sites share as web sites: server, pages, cookies, calls, one-time values."""

from __future__ import annotations

import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

import requests
from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.serving import WSGIRequestHandler, make_server

HOST = "127.0.0.1"
POLL_SECONDS = 0.02
"""How long stopping may take."""
CALL_SECONDS = 60.0
KEPT_SECONDS = 600.0
MOST_BYTES = 256 * 1024
PACKAGE = "lms_bridge.devtools.lti"
Value = TypeVar("Value")


class NotAccepted(Exception):
    """``reason`` is shown to the client: the people and tokens of a sample are no secrets, but
    it names parts by their names and never quotes them."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


def new_session() -> requests.Session:
    """Nothing of the machine's own settings takes part."""
    session = requests.Session()
    session.trust_env = False
    return session


def called(
    session: requests.Session, method: str, address: str, **options: Any
) -> requests.Response:
    """Raises NotAccepted where the other side cannot be reached or refuses."""
    try:
        answer = session.request(
            method, address, timeout=CALL_SECONDS, allow_redirects=False, **options
        )
    except requests.RequestException as error:
        raise NotAccepted(
            f"The other side cannot be reached ({type(error).__name__}).", 502
        ) from None
    if not 200 <= answer.status_code < 300:
        raise NotAccepted(f"The other side refused: {_refusal(answer)}.", 502)
    return answer


def _refusal(answer: requests.Response) -> str:
    reply: object = None
    if "json" in answer.headers.get("Content-Type", ""):
        reply = json_of(answer)
    if isinstance(reply, dict):
        words = reply.get("message") or reply.get("error_description") or reply.get("error")
        if isinstance(words, str):
            return f"{answer.status_code}, {words.rstrip('.')}"
    return f"status {answer.status_code}"


def json_of(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise NotAccepted("The other side's answer is not JSON.", 502) from None


class OneTimeValues(Generic[Value]):
    """Kept in memory, for so many seconds."""

    def __init__(self, seconds: float = KEPT_SECONDS) -> None:
        self._seconds = seconds
        self._kept: dict[str, tuple[float, Value]] = {}
        self._lock = threading.Lock()

    def put(self, value: Value, word: str = "") -> str:
        """The word under which the value can be taken; a new one, or the one that is given."""
        word = word or secrets.token_urlsafe(24)
        with self._lock:
            self._forget()
            self._kept[word] = (time.monotonic() + self._seconds, value)
        return word

    def look(self, word: str) -> Value | None:
        with self._lock:
            self._forget()
            found = self._kept.get(word)
        return None if found is None else found[1]

    def take(self, word: str) -> Value | None:
        with self._lock:
            self._forget()
            found = self._kept.pop(word, None)
        return None if found is None else found[1]

    def _forget(self) -> None:
        now = time.monotonic()
        for word in [word for word, (until, _) in self._kept.items() if until < now]:
            del self._kept[word]


def new_application(name: str, kind: str) -> Flask:
    """``kind`` says on every page what the site stands for."""
    app = Flask(PACKAGE, template_folder="templates", static_folder="static")
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(site_name=name, site_kind=kind)
    app.register_error_handler(NotAccepted, _refused)
    return app


def page(template: str, status: int = 200, **values: object) -> Response:
    response = make_response(render_template(f"sample/{template}", **values), status)
    # Forms lead to the other sites, and browsers hold the redirects after them to it, too.
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; frame-src 'self' http: https:; object-src 'none'; base-uri 'none'; "
        "form-action 'self' http: https:"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def sent_on(address: str, fields: dict[str, str]) -> Response:
    """A page whose form goes to the other site at once; the button is for browsers without
    scripts."""
    return page("send.html", address=address, fields=fields)


def json_answer(value: Any, content_type: str, status: int = 200) -> Response:
    response = make_response(jsonify(value), status)
    response.headers["Content-Type"] = content_type
    response.headers["Cache-Control"] = "no-store"
    return response


def set_cookie(response: Response, name: str, value: str, seconds: int) -> None:
    """Fit for frames where third-party cookies are blocked; over plain HTTP, which browsers give
    no such cookies, fit for trials on one machine."""
    secure = request.is_secure
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        secure=secure,
        httponly=True,
        samesite="None" if secure else "Lax",
        partitioned=secure,
    )


def now() -> int:
    return int(time.time())


def _refused(error: Exception) -> Response:
    if not isinstance(error, NotAccepted):
        raise error
    if request.headers.get("Accept", "").startswith("text/html"):
        return page("refused.html", error.status, error=error)
    return json_answer({"message": error.reason}, "application/json", error.status)


class ServedSite(Protocol):
    """``address`` is how others know the site; it is set when the site is served."""

    address: str

    def application(self) -> Flask: ...


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # of an idle connection

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # the base's name
        """Nothing is written: an address may name a person."""


@contextmanager
def serve_application(
    application: Callable[..., Iterable[bytes]],
    port: int | socket.socket = 0,
    certificate: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """Serves an application until the end of the block; gives its port. 0 is any that is free, and
    a bound socket is served as it is.

    Raises:
        OSError: the port is taken.
    """
    # Werkzeug ends the whole program where it cannot bind, so it is handed a bound socket.
    own = socket.create_server((HOST, port), backlog=128) if isinstance(port, int) else port.dup()
    with own:
        used: int = own.getsockname()[1]
        server = make_server(
            *(HOST, used, application),
            threaded=True,
            request_handler=_Handler,
            ssl_context=certificate,
            fd=own.fileno(),
        )
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield used
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serve(
    site: ServedSite, port: int = 0, *, name: str = HOST, certificate: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Serves a site until the end of the block and gives its address.

    ``name`` is the host that others know it by; it must lead to this machine.
    """
    with serve_application(site.application(), port, certificate) as used:
        site.address = f"{'https' if certificate else 'http'}://{name}:{used}"
        yield site.address
