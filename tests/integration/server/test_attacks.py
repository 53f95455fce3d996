"""Attacks over real sockets, while a normal request is answered. The server has two threads; what
must not run out during a test has five minutes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from lms_bridge.server.limits import WINDOW
from tests.integration.server.world import ENDLESS, PATIENCE, PATIENT, read_all, served

HEAD = b"Host: x\r\n"
POST = b"POST /form HTTP/1.1\r\n" + HEAD
PUSH = b"PUT /push HTTP/1.1\r\n" + HEAD
ATTACKS = {
    "half-sent forms": POST + b"Content-Length: 100\r\n\r\nab",
    "half-sent chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\na",
    "half-sent headers": b"GET / HTTP/1.1\r\nHost: x\r\nX-Part",
    "nothing": b"",
    "a large length and no body": PUSH + b"Content-Length: 50000000\r\nAuthorization: a\r\n\r\n",
    "an expectation and no body": POST + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
    "readers who do not read": b"GET /long HTTP/1.1\r\n" + HEAD + b"\r\n",
    "kept connections": b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n",
}


@pytest.mark.parametrize("sent", ATTACKS.values(), ids=ATTACKS)
def test_twenty_stalled_clients_hold_no_thread(sent: bytes) -> None:
    with served() as world, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(world.connect(sent))
        for _ in range(5):
            assert world.hello().endswith(b"hello")


@pytest.mark.parametrize(
    "endless",
    [b"1\r\na\r\n0\r\nX-A: ", b"1;name="],
    ids=["a field after the end", "a chunk's name"],
)
def test_what_comes_around_a_chunked_body_has_an_end(endless: bytes) -> None:
    """Whatever is sent for ever without being a body costs no memory and no time."""
    with served() as world:
        with world.connect(POST + b"Transfer-Encoding: chunked\r\n\r\n" + endless) as client:
            with suppress(OSError):
                client.sendall(b"a" * 1_000_000)
            assert read_all(client).startswith(b"HTTP/1.1 431 ")
        assert world.hello().endswith(b"hello")


def test_a_body_in_chunks_of_one_byte_arrives() -> None:
    chunks = b"1\r\na\r\n" * 60_000 + b"0\r\nX-Sum: 1\r\n\r\n"
    with served() as world:
        sent = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        assert world.ask(sent).endswith(b"\r\n\r\n" + b"a" * 60_000)


@pytest.mark.parametrize(
    "host",
    [b"a" * 300, b"a b", b"x\xff", b"[::1", b"x:y", b"x:123456", b"a/b", b"a@b", b"<b>"],
)
def test_a_host_that_is_none_is_refused(host: bytes) -> None:
    with served() as world:
        answer = world.ask(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert world.ask(b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        for good in (b"localhost:8000", b"[::1]:80", b"bridge_1.example", b""):
            ending = b"\r\nConnection: close\r\n\r\n"
            assert world.ask(b"GET / HTTP/1.1\r\nHost: " + good + ending).endswith(b"hello")


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (POST + b"Content-Length: 60000\r\n\r\n", b"a"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"GET / HTTP/1.1\r\n", b"A: b\r\n"),
    ],
    ids=["body", "chunks", "headers"],
)
def test_a_drip_is_ended_in_its_time_however_it_goes_on(start: bytes, drip: bytes) -> None:
    with served(replace(PATIENT, head=0.5, body=0.5)) as world, world.connect(start) as client:
        answer = _dripped(client, drip)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code": "too-slow", "reference": "' in answer
        assert b"Retry-After" in answer


def _dripped(client: socket.socket, drip: bytes) -> bytes:
    """What comes back while a drip is sent all the time."""
    ended = threading.Event()

    def drips() -> None:
        while not ended.wait(0.02):
            try:
                client.sendall(drip)
            except OSError:
                return

    thread = threading.Thread(target=drips)
    thread.start()
    try:
        return read_all(client)
    finally:
        ended.set()
        thread.join()


def test_an_idle_connection_is_closed_after_a_while() -> None:
    with (
        served(replace(PATIENT, idle=0.2)) as world,
        world.connect(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n") as client,
    ):
        assert read_all(client).endswith(b"hello")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def window() -> None:
        monkeypatch.setattr("lms_bridge.server.connection.WINDOW", 0.5)

    assert WINDOW > 5
    return window


def test_a_large_body_below_the_least_rate_is_ended(hasty: Callable[[], None]) -> None:
    hasty()
    start = PUSH + b"Content-Length: 900000\r\nAuthorization: me\r\n\r\n"
    with served() as world, world.connect(start) as client:
        assert _dripped(client, b"a").startswith(b"HTTP/1.1 408 ")


def test_a_slow_reader_is_cut_off_and_its_work_stops(hasty: Callable[[], None]) -> None:
    hasty()
    with (
        served(replace(PATIENT, rate=100_000_000)) as world,
        world.connect(b"GET /long HTTP/1.1\r\n" + HEAD + b"\r\n"),
    ):
        assert world.application.closed.wait(120)
        assert world.application.pieces < ENDLESS / 10  # nothing was made that nobody reads


def test_a_reader_who_reads_gets_all_of_a_long_response() -> None:
    with (
        served() as world,
        world.connect(b"GET /long HTTP/1.0\r\n" + HEAD + b"\r\n") as client,
    ):
        size = 0
        while data := client.recv(1 << 20):
            size += len(data)
        assert size > ENDLESS * 16_384


def test_one_sender_has_its_share_of_large_bodies_and_no_more() -> None:
    start = PUSH + b"Content-Length: 900000\r\nAuthorization: %b\r\nExpect: 100-continue\r\n\r\n"
    with served() as world, ExitStack() as stack:
        for _ in range(PATIENT.share):
            first = stack.enter_context(world.connect(start % b"hostile"))
            assert first.recv(100).startswith(b"HTTP/1.1 100 Continue")
        assert world.ask(start % b"hostile").startswith(b"HTTP/1.1 503 ")
        other = stack.enter_context(world.connect(start % b"another"))
        assert other.recv(100).startswith(b"HTTP/1.1 100 Continue")


APART = b"GET /apart HTTP/1.1\r\nHost: x\r\nAuthorization: %b\r\nConnection: close\r\n\r\n"


def test_requests_that_wait_apart_hold_nobody_up_and_leave_places_for_others() -> None:
    limits = replace(PATIENT, large=8, share=3)
    with served(limits) as world, ExitStack() as stack:
        senders = [b"hostile 1"] * 3 + [b"hostile 2", b"hostile 3", b"hostile 4", b"hostile 5"]
        for sender in senders:
            stack.enter_context(world.connect(APART % sender))
            assert world.application.waiting.get(timeout=PATIENCE) == sender.decode()
        for sender in (b"hostile 1", b"hostile 5"):
            assert world.ask(APART % sender).startswith(b"HTTP/1.1 503 ")
        for _ in range(3):
            assert world.ask(APART % b"honest").endswith(b"hello")
            assert world.hello().endswith(b"hello")
        world.application.may_end.set()


def test_whoever_leaves_keeps_their_share_until_the_work_for_them_has_ended() -> None:
    limits = replace(PATIENT, large=8, share=2)
    with served(limits) as world:
        for _ in range(2):
            with world.connect(APART % b"hostile"):
                world.application.waiting.get(timeout=PATIENCE)
        assert world.ask(APART % b"hostile").startswith(b"HTTP/1.1 503 ")
        world.application.may_end.set()
        while not world.ask(APART % b"hostile").endswith(b"hello"):
            assert world.ask(APART % b"honest").endswith(b"hello")


def test_when_all_connections_are_taken_the_idle_ones_make_room() -> None:
    with served(replace(PATIENT, connections=32)) as world, ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(world.connect())
        for _ in range(3):
            assert world.hello().endswith(b"hello")


def test_a_server_that_may_open_few_files_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lms_bridge.server.listener._files_allowed", lambda: 64)
    with served() as world:
        assert world.hello().endswith(b"hello")


def test_a_server_that_ends_waits_for_no_client() -> None:
    with served() as world, ExitStack() as stack:
        for sent in ATTACKS.values():
            stack.enter_context(world.connect(sent))
        assert world.hello().endswith(b"hello")
