"""HTTP as the server speaks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.server.world import MOST, World, read_all, served

HEAD = b"Host: x\r\n"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with served() as made:
        yield made


def _status(answer: bytes) -> int:
    return int(answer.split()[1])


def _body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def test_requests_on_one_connection_are_answered_in_turn(world: World) -> None:
    get = b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n"
    post = b"POST /form HTTP/1.1\r\n" + HEAD + b"Content-Length: 3\r\n\r\nabc"
    last = b"GET / HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n"
    answer = world.ask(get + post + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert [answer.count(b"hello"), answer.count(b"abc")] == [2, 1]


def test_a_request_may_come_byte_by_byte(world: World) -> None:
    with world.connect() as client:
        for (
            byte
        ) in b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok":
            client.sendall(bytes([byte]))
        assert _body(read_all(client)) == b"ok"


def test_a_chunked_form_arrives_whole(world: World) -> None:
    sent = (
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert _body(world.ask(b"POST /form HTTP/1.1\r\n" + HEAD + sent)) == b"abcde"


def test_head_has_no_body(world: World) -> None:
    answer = world.ask(b"HEAD / HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n")
    assert b"Content-Length: 5\r\n" in answer
    assert _body(answer) == b""


def test_an_old_client_gets_a_body_until_the_end(world: World) -> None:
    answer = world.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert _body(answer) == b"hello"
    assert b"chunked" not in answer


def test_an_absolute_address_and_an_offered_upgrade_are_no_hindrance(world: World) -> None:
    offer = (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    )
    assert _body(world.ask(b"GET http://x/ HTTP/1.1\r\n" + HEAD + offer)) == b"hello"


def test_a_defect_of_the_application_is_answered(world: World) -> None:
    answer = world.ask(b"GET /defect HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert _status(answer) == 500
    assert b'"code": "defect"' in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST /form HTTP/1.1\r\n" + HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (
            b"POST /form HTTP/1.1\r\n" + HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
            400,
        ),
        (
            b"POST /form HTTP/1.1\r\n"
            + HEAD
            + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST /form HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST /form HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"CONNECT x:1 HTTP/1.1\r\n" + HEAD + b"\r\n", 405),
        (b"GET / HTTP/1.1\r\n" + HEAD + b"X: " + b"x" * 70_000, 431),
        (b"GET / HTTP/1.1\r\n" + HEAD + b"X: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HEAD + b"X: y\r\n" * 101 + b"\r\n", 431),
        (b"GET /" + b"x" * 70_000, 414),
        ((b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n") * 100, 429),
    ],
    ids=range(13),
)
def test_what_is_no_proper_request_is_refused(world: World, sent: bytes, status: int) -> None:
    assert _status(world.ask(sent)) == status


def test_a_header_whose_name_looks_like_another_is_dropped(world: World) -> None:
    start = b"GET /from HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n"
    assert _body(world.ask(start + b"X-Forwarded-For: 10.0.0.1\r\n\r\n")) == b"10.0.0.1"
    assert _body(world.ask(start + b"X_Forwarded_For: 10.0.0.1\r\n\r\n")) == b""


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_body_is_received_if_the_application_reads_it(world: World, framing: str) -> None:
    size = 300_000
    chunk = b"a" * 10_000
    head = b"PUT /push HTTP/1.1\r\n" + HEAD + b"Authorization: me\r\nConnection: close\r\n"
    if framing == "length":
        sent = head + b"Content-Length: %d\r\n\r\n" % size + b"a" * size
    else:
        sent = head + b"Transfer-Encoding: chunked\r\n\r\n"
        sent += (b"%x\r\n" % len(chunk) + chunk + b"\r\n") * 30 + b"0\r\n\r\n"
    assert _body(world.ask(sent)) == b"%d" % size


def test_a_large_body_waits_for_its_permission(world: World) -> None:
    head = b"PUT /push HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\nContent-Length: 100000\r\n"
    refused = world.ask(head + b"\r\n")
    assert _status(refused) == 401
    assert b"100 Continue" not in refused
    with world.connect(head + b"Authorization: me\r\nConnection: close\r\n\r\n") as client:
        assert client.recv(100).startswith(b"HTTP/1.1 100 Continue")
        client.sendall(b"a" * 100_000)
        assert _body(read_all(client)) == b"100000"


def test_a_chunked_body_without_end_is_refused_at_its_limit(world: World) -> None:
    head = b"PUT /push HTTP/1.1\r\n" + HEAD + b"Authorization: me\r\nTransfer-Encoding: chunked\r\n"
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    with world.connect(head + b"\r\n") as client:
        try:
            for _ in range(2 * MOST // 65_536):
                client.sendall(chunk)
        except ConnectionError:
            pass
        assert read_all(client).startswith(b"HTTP/1.1 413")


def test_work_learns_that_its_client_left(world: World) -> None:
    with world.connect(b"GET /work HTTP/1.1\r\n" + HEAD + b"\r\n"):
        assert world.application.began.wait(120)
    assert world.application.saw_leaving.wait(120)
