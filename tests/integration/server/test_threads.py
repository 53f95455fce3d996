"""Short jobs are done one after the other; one that takes long holds no other up."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lms_bridge.server import threads
from lms_bridge.server.limits import ServerLimits
from lms_bridge.server.threads import Threads
from lms_bridge.web.client_address import networks
from tests.integration.server.world import PATIENCE, read_all, served

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

IN_TURN = ServerLimits(threads=2, in_turn=True)


def test_requests_that_wait_for_each_other_are_all_answered() -> None:
    together = threading.Barrier(2)

    def waits(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        together.wait(PATIENCE)
        start("200 OK", [("Content-Length", "3")])
        return [b"met"]

    with served(IN_TURN, waits) as world, ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(world.hello) for _ in range(4)]
        assert all(each.result(PATIENCE).endswith(b"met") for each in asked)


def test_short_jobs_are_done_in_their_order_by_one_thread_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "SHORT", 3600.0)
    pool = Threads(4, "short", later=lambda _seconds, _job: None)
    done: list[int] = []
    at_work: list[int] = []
    most: list[int] = []
    whole = threading.Event()

    def job(number: int) -> None:
        at_work.append(number)
        threading.Event().wait(0.001)  # lets go of Python's lock, as a statement does
        most.append(len(at_work))
        at_work.remove(number)
        done.append(number)
        if len(done) == 50:
            whole.set()

    for number in range(50):
        pool.put(lambda number=number: job(number))  # type: ignore[misc]  # the default is the number of this turn
    assert whole.wait(PATIENCE)
    pool.end()
    assert (done, max(most)) == (list(range(50)), 1)


def test_a_job_may_let_others_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "SHORT", 3600.0)
    pool = Threads(2, "long", later=lambda _seconds, _job: None)
    together = threading.Barrier(3)

    def job() -> None:
        pool.let_others_begin()
        together.wait(PATIENCE)

    pool.put(job)
    pool.put(job)
    together.wait(PATIENCE)
    pool.end()


def test_whoever_waits_for_short_jobs_goes_on_when_they_are_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "SHORT", 3600.0)
    pool = Threads(2, "short", later=lambda _seconds, _job: None)
    may_end, ended, went_on = threading.Event(), threading.Event(), threading.Event()

    def job() -> None:
        may_end.wait(PATIENCE)

    def waits() -> None:
        pool.wait_for_short(None)
        went_on.set()

    pool.wait_for_short(None)  # there is none
    pool.put(job)
    pool.put(ended.set)
    pool.wait_for_short(0.001)  # whoever has other things to do in time waits no longer
    assert not ended.is_set()
    threading.Thread(target=waits, daemon=True).start()
    may_end.set()
    assert went_on.wait(PATIENCE)
    assert ended.wait(PATIENCE)
    pool.end()


def test_a_job_that_fails_costs_no_thread() -> None:
    pool = Threads(1, "failing")
    after = threading.Event()
    pool.put(lambda: [][0])
    pool.put(after.set)
    assert after.wait(PATIENCE)
    pool.end()


def _wait(event: threading.Event) -> None:
    event.wait(PATIENCE)


def test_a_sender_waits_for_one_job_of_another_and_not_for_all() -> None:
    pool = Threads(1, "senders")
    go, whole = threading.Event(), threading.Event()
    done: list[str] = []
    pool.put(lambda: _wait(go), "hostile")
    for number in range(50):
        pool.put(partial(done.append, f"hostile {number}"), "hostile")
    pool.put(lambda: done.append("honest"), "honest")
    pool.put(lambda: done.append("another"), "another")
    pool.put(whole.set, "hostile")
    assert (pool.waiting("hostile"), pool.waiting("honest")) == (51, 1)
    go.set()
    assert whole.wait(PATIENCE)
    pool.end()
    assert done[:4] == ["hostile 0", "honest", "another", "hostile 1"]
    assert len(done) == 52


@pytest.mark.parametrize(
    ("proxies", "status"), [("127.0.0.1", b"200"), ("", b"503"), ("192.0.2.1", b"503")]
)
def test_each_visitor_has_a_line_of_their_own_behind_a_proxy_that_is_configured(
    proxies: str, status: bytes
) -> None:
    """One visitor asks for much and leaves. Nobody believes a proxy that is not configured."""
    go, at_work = threading.Event(), threading.Event()

    def waits(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/wait":
            at_work.set()
            go.wait(PATIENCE)
        start("200 OK", [("Content-Length", "5")])
        return [b"hello"]

    def asked(path: bytes, visitor: bytes) -> bytes:
        head = b"GET %b HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.77\r\n" % path
        return head + b"X-Forwarded-For: %b\r\nConnection: close\r\n\r\n" % visitor

    limits = ServerLimits(threads=1, waiting=3, proxies=networks(proxies))
    with served(limits, waits) as world, ExitStack() as stack:
        stack.enter_context(world.connect(asked(b"/wait", b"198.51.100.1")))
        assert at_work.wait(PATIENCE)
        hostile = [world.connect(asked(b"/", b"198.51.100.1")) for _ in range(5)]
        ready = select.select(hostile, (), (), PATIENCE)[0]
        assert ready[0].recv(100).startswith(b"HTTP/1.1 503 ")
        for each in hostile:
            each.close()
        with world.connect(asked(b"/", b"198.51.100.2")) as honest:
            if status == b"503":
                assert read_all(honest).startswith(b"HTTP/1.1 503 ")
            go.set()
            if status == b"200":
                assert read_all(honest).startswith(b"HTTP/1.1 200 ")


def test_an_address_has_so_many_requests_waiting_and_no_more() -> None:
    """Requests of senders that left are done, too; but nobody else waits for all of them."""
    go, at_work = threading.Event(), threading.Event()

    def waits(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/wait":
            at_work.set()
            go.wait(PATIENCE)
        start("200 OK", [("Content-Length", "5")])
        return [b"hello"]

    with served(ServerLimits(threads=1, waiting=3), waits) as world:
        wait = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
        with world.connect(wait) as first:
            assert at_work.wait(PATIENCE)
            answers = [world.connect(wait) for _ in range(5)]
            ready = select.select(answers, (), (), PATIENCE)[0]
            assert ready[0].recv(100).startswith(b"HTTP/1.1 503 ")
            with socket.create_connection(
                world.address, PATIENCE, source_address=("127.0.0.2", 0)
            ) as other:
                other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                go.set()
                assert other.recv(100).startswith(b"HTTP/1.1 200 ")
            assert first.recv(100).startswith(b"HTTP/1.1 200 ")
        for each in answers:
            each.close()
