"""The HTTP client against loopback servers that fail on demand."""

from __future__ import annotations

import gzip
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from lms_bridge import logs
from lms_bridge.domain.errors import (
    AccessDenied,
    BridgeError,
    CircuitOpen,
    NotUnderstood,
    OutOfTime,
    Overloaded,
    RetryLater,
    Unreachable,
)
from lms_bridge.domain.ports import Limits
from lms_bridge.http.client import Http, Response, retry_after
from lms_bridge.http.deadline import Deadline, starting_until

SECRET = "s3cr3t-value"
Act = Callable[[socket.socket], bool]
"""Answers one request on a connection; whether the connection stays open."""


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> Act:
    def act(connection: socket.socket) -> bool:
        lines = [f"HTTP/1.1 {status} Some", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return True

    return act


def reset(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def hang_up(connection: socket.socket) -> bool:
    return False


def cut_short(connection: socket.socket) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
    return False


def endless(connection: socket.socket) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    try:
        for _ in range(1000):
            connection.sendall(piece)
    except OSError:
        pass
    return False


class Peer:
    """A server that does what its script says, one act a request, the last one for ever."""

    def __init__(self, *script: Act) -> None:
        self.script = list(script)
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while request := self._read(connection):
                    self.requests.append(request)
                    act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                    if not act(connection):
                        return
            except OSError:
                return

    def _read(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]):
                    body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends the blocking accept
        self._listener.close()
        for connection in self._open:
            connection.close()


class Time:
    """A clock that only waiting moves, or every look at it by ``step`` seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.step = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        self.now += self.step
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def peer_of() -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def make(*script: Act) -> Peer:
        peers.append(Peer(*script))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def client_of(clock: Time) -> Iterator[Callable[..., Http]]:
    clients: list[Http] = []

    def make(**limits: Any) -> Http:
        settings = Limits(**{"connect_seconds": 120.0, "read_seconds": 120.0, **limits})
        clients.append(
            Http(
                settings,
                private_addresses=True,
                system="centre:demo",
                clock=clock,
                sleep=clock.sleep,
                jitter=random.Random(7),
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def send(http: Http, peer: Peer, *, repeatable: bool = True) -> Response:
    return http.request(
        "POST",
        f"{peer.address}/rest?who={SECRET}",
        headers={"Authorization": f"Bearer {SECRET}"},
        body=b"wstoken=" + SECRET.encode(),
        repeatable=repeatable,
    )


def caught(http: Http, peer: Peer, *, repeatable: bool = True) -> BridgeError:
    with pytest.raises(BridgeError) as error:
        send(http, peer, repeatable=repeatable)
    assert SECRET not in repr(error.value) + str(error.value) + error.value.remedy
    assert "/rest" in error.value.message
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return error.value


def test_a_connection_is_reused(
    peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    peer, http = peer_of(answer(body=b"[1]", Content_Type="Text/HTML; charset=utf-8")), client_of()
    response = send(http, peer)
    assert (response.status, response.content_type, response.body) == (200, "text/html", b"[1]")
    assert response.headers["content-LENGTH"] == "3"
    assert "[1]" not in repr(response)
    for _ in range(5):
        send(http, peer)
    assert (len(peer.requests), peer.connections) == (6, 1)


def test_compressed_responses_are_decompressed(
    peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    peer = peer_of(answer(body=gzip.compress(b"x" * 1000), Content_Encoding="gzip"))
    assert send(client_of(), peer).body == b"x" * 1000


@pytest.mark.parametrize("failure", [reset, hang_up, cut_short, answer(502), answer(503)])
def test_a_repeatable_request_is_repeated(
    failure: Act, peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    peer = peer_of(failure, failure, answer())
    assert send(client_of(), peer).status == 200
    assert len(peer.requests) == 3


@pytest.mark.parametrize("failure", [reset, hang_up, cut_short, answer(502), answer(503)])
def test_a_lost_response_of_an_unrepeatable_request_is_reported_as_lost(
    failure: Act, peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    peer = peer_of(failure, answer())
    error = caught(client_of(), peer, repeatable=False)
    assert isinstance(error, RetryLater)
    assert error.applied
    assert len(peer.requests) == 1


def test_an_unrepeatable_request_that_never_left_is_tried_again(
    clock: Time, client_of: Callable[..., Http], peer_of: Callable[..., Peer]
) -> None:
    peer, http = peer_of(answer()), client_of(attempts=3)
    peer.close()
    error = caught(http, peer, repeatable=False)
    assert isinstance(error, Unreachable)
    assert error.code == "no-connection"
    assert error.message.endswith(": its server refuses connections.")
    assert not error.applied
    assert len(clock.waits) == 2


def test_a_request_that_was_refused_outright_is_sent_again_even_if_unrepeatable(
    peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    peer = peer_of(answer(429), answer())
    assert send(client_of(), peer, repeatable=False).status == 200


def test_a_name_that_does_not_resolve_is_unreachable(
    client_of: Callable[..., Http], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object, **__: object) -> object:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(Unreachable) as error:
        client_of(attempts=1).request("GET", "http://nowhere.example/", repeatable=True)
    assert (error.value.code, error.value.applied) == ("no-connection", False)
    assert error.value.message.endswith(": the name of its server is not known.")


def test_waits_grow_are_random_and_bounded(
    clock: Time, peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    http = client_of(attempts=8, backoff_seconds=1.0, backoff_most_seconds=5.0, break_after=99)
    caught(http, peer_of(answer(500)))
    ceilings = [1, 2, 4, 5, 5, 5, 5]
    assert len(clock.waits) == 7
    assert all(0 <= wait <= ceiling for wait, ceiling in zip(clock.waits, ceilings, strict=True))
    assert len(set(clock.waits)) == 7


def test_retry_after_is_obeyed_by_all_requests(
    clock: Time, peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    peer, http = peer_of(answer(429, Retry_After="7"), answer()), client_of(attempts=1)
    error = caught(http, peer)
    assert isinstance(error, Overloaded)
    assert error.after == 7
    send(http, peer)
    assert clock.waits == [7]


def test_retry_after_is_obeyed_within_one_request(
    clock: Time, peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    peer = peer_of(answer(503, Retry_After="20"), answer())
    send(client_of(), peer)
    assert clock.waits[0] >= 20


def test_a_long_retry_after_ends_the_request_and_is_kept(
    clock: Time, peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    peer, http = peer_of(answer(503, Retry_After="3600"), answer()), client_of()
    for _ in range(2):
        error = caught(http, peer)
        assert isinstance(error, Overloaded)
        assert error.after == 3600
    assert (len(peer.requests), clock.waits) == (1, [])
    clock.now += 3601
    assert send(http, peer).status == 200


def test_retry_after_is_read_in_all_forms() -> None:
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert retry_after(" 120 ", now) == 120
    assert retry_after(later, now) == 90
    assert retry_after(format_datetime(now - timedelta(days=1), usegmt=True), now) == 0
    assert retry_after("9" * 30, now) == 86_400
    for nonsense in ("", "-5", "soon", "1.5", "٣", "Mon, 99 Foo 2026 00:00:00 GMT"):
        assert retry_after(nonsense, now) is None


def test_the_breaker_opens_probes_and_closes(
    clock: Time, peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    http = client_of(attempts=1, break_after=3, break_seconds=60.0)
    peer = peer_of(*[answer(500)] * 4, answer())
    for _ in range(3):
        caught(http, peer)
    error = caught(http, peer)
    assert isinstance(error, CircuitOpen)
    assert error.after == 60
    assert "The first was: " in error.message
    assert "server error 500" in error.message
    assert len(peer.requests) == 3
    clock.now += 61
    assert isinstance(caught(http, peer), Unreachable)  # the probe fails: open again
    assert isinstance(caught(http, peer), CircuitOpen)
    assert len(peer.requests) == 4
    clock.now += 61
    for _ in range(2):
        assert send(http, peer).status == 200
    assert len(peer.requests) == 6


def test_an_open_breaker_lets_one_probe_through_at_a_time(
    clock: Time, peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(connection: socket.socket) -> bool:
        entered.set()
        assert go_on.wait(120)
        return answer()(connection)

    http = client_of(attempts=1, break_after=1, break_seconds=60.0, read_seconds=120)
    peer = peer_of(answer(500), slow, answer())
    caught(http, peer)
    clock.now += 61
    probe = threading.Thread(target=send, args=(http, peer))
    probe.start()
    assert entered.wait(120)
    assert isinstance(caught(http, peer), CircuitOpen)
    go_on.set()
    probe.join(120)
    assert send(http, peer).status == 200


def test_an_answer_that_refuses_does_not_open_the_breaker(
    peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    http, peer = client_of(attempts=1, break_after=2), peer_of(answer(404))
    for _ in range(5):
        assert isinstance(caught(http, peer), NotUnderstood)


@pytest.mark.parametrize(
    ("act", "kind", "code"),
    [
        (answer(301, Location="https://elsewhere.example/login"), NotUnderstood, "redirected"),
        (answer(401), AccessDenied, "access-denied"),
        (answer(403), AccessDenied, "access-denied"),
        (answer(404), NotUnderstood, "refused"),
        (answer(500), Unreachable, "server-error"),
        (answer(429), Overloaded, "asked-to-wait"),
        (endless, NotUnderstood, "too-large"),
        (answer(body=b"x" * 2_000_001), NotUnderstood, "too-large"),
        (
            answer(body=gzip.compress(b"x" * 3_000_000), Content_Encoding="gzip"),
            NotUnderstood,
            "too-large",
        ),
        (
            answer(
                body=gzip.compress(gzip.compress(b"x" * 30_000_000)),
                Content_Encoding="gzip, gzip",
            ),
            NotUnderstood,
            "too-large",
        ),
        (answer(body=b"no gzip", Content_Encoding="gzip"), Unreachable, "answer-lost"),
    ],
)
def test_a_failure_has_its_error_class(
    act: Act,
    kind: type[BridgeError],
    code: str,
    peer_of: Callable[..., Peer],
    client_of: Callable[..., Http],
) -> None:
    peer = peer_of(act)
    error = caught(client_of(attempts=2, most_bytes=2_000_000), peer)
    assert (type(error), error.code) == (kind, code)
    assert len(peer.requests) == (2 if isinstance(error, RetryLater) else 1)


def test_a_status_that_the_caller_expects_is_returned(
    peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    peer = peer_of(answer(403, b"why"))
    response = client_of().request("GET", peer.address, repeatable=True, returns={403})
    assert (response.status, response.body) == (403, b"why")


def test_a_silent_peer_is_unreachable(
    peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    release = threading.Event()

    def silent(connection: socket.socket) -> bool:
        release.wait(120)
        return False

    error = caught(client_of(attempts=1, read_seconds=0.05), peer_of(silent))
    release.set()
    assert isinstance(error, Unreachable)
    assert error.applied


def dripping(head: bytes, drop: bytes) -> Act:
    """Sends ``head``, and then ``drop`` again and again, until the other side hangs up."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(head)
        while True:
            connection.sendall(drop)
            time.sleep(0.01)

    return act


def not_reading(connection: socket.socket) -> bool:
    """A TLS handshake that never goes on."""
    while connection.recv(1):
        time.sleep(0.01)
    return False


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "act",
    [
        dripping(b"", b"H"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        dripping(b"HTTP/1.1 100 Continue\r\n", b"X: y"),
        dripping(OK, b"X"),
        dripping(OK + b"X: y", b" z"),
        dripping(OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
        dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
        dripping(OK + b"\r\n", b"x"),
    ],
)
def test_whatever_drips_ends_with_the_deadline(act: Act, peer_of: Callable[..., Peer]) -> None:
    limits = Limits(attempts=4, connect_seconds=120, read_seconds=120, total_seconds=0.4)
    http = Http(limits, private_addresses=True, system="centre:demo")
    error = caught(http, peer_of(act))
    assert (type(error), error.code) == (Unreachable, "too-slow")
    assert isinstance(error, RetryLater)
    assert error.applied
    http.close()


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
        (b"HTTP/1.1 100 Continue\r\n", b"X: y\r\n" * 1_000),
        (OK + b"X: ", b"y" * 60_000),
    ],
    ids=["100 Continue", "its headers", "a header"],
)
def test_a_head_without_an_end_is_not_read_until_the_deadline(
    start: bytes, more: bytes, peer_of: Callable[..., Peer]
) -> None:
    """It comes as fast as it is read, and would take a processor for as long."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(start)
        while True:
            connection.sendall(more)

    limits = Limits(attempts=1, connect_seconds=60, read_seconds=60, total_seconds=60)
    http = Http(limits, private_addresses=True)
    error = caught(http, peer_of(act))
    assert (type(error), error.code) == (Unreachable, "answer-lost")
    http.close()


def test_a_tls_handshake_that_does_not_go_on_ends_with_the_deadline(
    peer_of: Callable[..., Peer],
) -> None:
    limits = Limits(attempts=4, connect_seconds=120, read_seconds=120, total_seconds=0.4)
    http, peer = Http(limits, private_addresses=True), peer_of(not_reading)
    with pytest.raises(Unreachable):
        http.request("GET", peer.address.replace("http:", "https:"), repeatable=True)
    http.close()


def test_a_receiver_that_does_not_read_ends_with_the_deadline(
    peer_of: Callable[..., Peer],
) -> None:
    release = threading.Event()
    peer = peer_of(answer())

    def never(_: socket.socket) -> bytes:
        release.wait(120)
        return b""

    setattr(peer, "_read", never)  # noqa: B010 (a method of one peer)
    limits = Limits(attempts=4, connect_seconds=120, read_seconds=120, total_seconds=0.4)
    http = Http(limits, private_addresses=True)
    with pytest.raises(Unreachable) as error:
        http.request("POST", peer.address, body=b"x" * 50_000_000, repeatable=True)
    assert error.value.applied
    release.set()
    http.close()


def test_a_name_that_is_not_resolved_in_time_ends_with_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    def nobody(*_: object, **__: object) -> object:
        release.wait(120)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    limits = Limits(attempts=4, connect_seconds=120, total_seconds=0.2)
    http = Http(limits, private_addresses=True)
    with pytest.raises(Unreachable) as error:
        http.request("GET", "http://slow.example/", repeatable=True)
    assert (error.value.code, error.value.applied) == ("no-connection", False)
    release.set()
    http.close()


def test_repetitions_and_their_waits_are_part_of_the_deadline(
    clock: Time, peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    http = client_of(attempts=20, total_seconds=100, backoff_most_seconds=60)
    peer = peer_of(answer(503, Retry_After="40"))
    assert caught(http, peer).code == "asked-to-wait"
    assert sum(clock.waits) < 100
    assert len(peer.requests) in (2, 3)


def test_a_request_waits_for_others_within_its_deadline(peer_of: Callable[..., Peer]) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(connection: socket.socket) -> bool:
        entered.set()
        return go_on.wait(120)

    peer = peer_of(slow)
    http = Http(
        Limits(calls_at_once=1, attempts=1, read_seconds=120, total_seconds=0.5),
        private_addresses=True,
    )

    def held() -> None:
        with pytest.raises(Unreachable):
            send(http, peer)

    first = threading.Thread(target=held)
    first.start()
    assert entered.wait(120)
    with pytest.raises(RetryLater):
        send(http, peer)
    first.join(120)
    go_on.set()
    http.close()


def test_the_number_of_calls_at_once_is_bounded(
    peer_of: Callable[..., Peer], client_of: Callable[..., Http]
) -> None:
    lock, inside, most = threading.Lock(), 0, 0
    both = threading.Barrier(2, timeout=120)

    def crowd(connection: socket.socket) -> bool:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        both.wait()
        with lock:
            inside -= 1
        return answer()(connection)

    http, peer = client_of(calls_at_once=2, read_seconds=120), peer_of(crowd)
    threads = [threading.Thread(target=send, args=(http, peer)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert (len(peer.requests), most) == (6, 2)


def test_no_request_starts_once_the_run_is_over(
    client_of: Callable[..., Http], peer_of: Callable[..., Peer], clock: Time
) -> None:
    http, peer = client_of(), peer_of(answer(), answer())
    with starting_until(Deadline(60, clock)):
        assert send(http, peer).status == 200
        clock.sleep(61)
        with pytest.raises(OutOfTime):
            send(http, peer)
    assert send(http, peer).status == 200  # another run's
    assert len(peer.requests) == 2


def test_closing_ends_a_wait_at_once(peer_of: Callable[..., Peer]) -> None:
    answered = threading.Event()

    def busy(connection: socket.socket) -> bool:
        answered.set()
        return answer(503, Retry_After="600")(connection)

    limits = Limits(backoff_most_seconds=900, total_seconds=900)
    http, peer = Http(limits, private_addresses=True), peer_of(busy)
    errors: list[BridgeError] = []

    def work() -> None:
        try:
            send(http, peer)
        except BridgeError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert answered.wait(120)
    http.close()
    thread.join(120)
    assert not thread.is_alive()
    assert isinstance(errors[0], Unreachable)


def test_a_bad_certificate_needs_a_person(
    peer_of: Callable[..., Peer],
    client_of: Callable[..., Http],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_trust(*_: object, **__: object) -> object:
        raise ssl.SSLCertVerificationError(1, "self-signed")

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", no_trust)
    peer = peer_of(answer())
    with pytest.raises(NotUnderstood) as error:
        client_of().request("GET", peer.address.replace("http:", "https:"), repeatable=True)
    assert error.value.code == "bad-certificate"


def test_proxies_of_the_environment_are_ignored(
    peer_of: Callable[..., Peer],
    client_of: Callable[..., Http],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    peer = peer_of(answer(Set_Cookie="MoodleSession=abc; path=/"))
    http = client_of(attempts=1)
    for _ in range(2):
        send(http, peer)
    assert b"cookie" not in peer.requests[1].lower()


def test_an_invalid_header_is_refused_without_its_value(client_of: Callable[..., Http]) -> None:
    with pytest.raises(NotUnderstood) as error:
        client_of().request(
            "GET", "http://127.0.0.1/", headers={"X": f"{SECRET}\r\nY: z"}, repeatable=True
        )
    assert SECRET not in str(error.value)


def test_no_log_line_shows_an_address(
    peer_of: Callable[..., Peer],
    client_of: Callable[..., Http],
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up("debug")
    peer = peer_of(reset, answer(200, b"{}", **{"": "a broken header"}))
    send(client_of(), peer)
    out, reported = capsys.readouterr()
    logs.set_up("info")
    assert len(peer.requests) == 2
    assert (out, reported) == ("", "")
