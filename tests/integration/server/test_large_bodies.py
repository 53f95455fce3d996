"""Large bodies on the bridge's own server: whose they are is what the application says."""

from __future__ import annotations

import json
from contextlib import ExitStack
from mmap import mmap

import pytest

from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.intake.apply import Scan, scan
from lms_bridge.intake.formats import Body
from tests.integration.api.world import World as Bridge
from tests.integration.schedule.pushing import row
from tests.integration.server.world import PATIENT, World

PUSH = (
    "PATCH /api/v1/centres/{centre}/schedule HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
    "Content-Type: application/json\r\nContent-Length: 900000\r\nExpect: 100-continue\r\n\r\n"
)


def push(bridge: Bridge, centre: str, kind: str = "Bearer ") -> bytes:
    token = bridge.token(Scope.WRITE_OFFERINGS, reach=DataScope(centre))
    return PUSH.format(centre=centre, token=f"{kind}{token}").encode()


def test_all_tokens_of_a_centre_share_what_one_sender_has(bridge: Bridge, world: World) -> None:
    with ExitStack() as stack:
        for _ in range(PATIENT.share):
            first = stack.enter_context(world.connect(push(bridge, "ONE")))
            assert first.recv(100).startswith(b"HTTP/1.1 100 Continue")
        assert world.ask(push(bridge, "ONE")).startswith(b"HTTP/1.1 503 ")
        other = stack.enter_context(world.connect(push(bridge, "TWO")))
        assert other.recv(100).startswith(b"HTTP/1.1 100 Continue")


def test_a_large_push_stays_on_disk_and_counts_as_one_request(
    bridge: Bridge, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[type] = []

    def looks(body: Body) -> Scan:
        kinds.append(type(body.octets))
        return scan(body)

    monkeypatch.setattr("lms_bridge.intake.routes.scan", looks)
    token = bridge.token(Scope.WRITE_OFFERINGS, reach=DataScope("ONE"))
    left = []
    for size in (100_000, 10):
        body = json.dumps([row(1, description="x" * size)])
        answer = world.ask(
            b"PATCH /api/v1/centres/ONE/schedule HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Authorization: Bearer %b\r\nIdempotency-Key: %d\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (token.encode(), size, len(body), body.encode())
        ).decode()
        assert answer.startswith("HTTP/1.1 200 ")
        left.append(int(answer.partition("RateLimit-Remaining: ")[2].partition("\r\n")[0]))
    assert kinds == [mmap, bytes]
    assert left[0] - left[1] == 1


def test_another_spelling_of_a_token_is_no_other_sender(bridge: Bridge, world: World) -> None:
    one = push(bridge, "ONE")
    with ExitStack() as stack:
        for spelling in (b"Bearer", b"bearer"):
            first = stack.enter_context(world.connect(one.replace(b"Bearer", spelling)))
            assert first.recv(100).startswith(b"HTTP/1.1 100 Continue")
        for spelling in (b"BEARER", b"Bearer  "):
            answer = world.ask(one.replace(b"Bearer", spelling))
            assert answer.startswith(b"HTTP/1.1 503 ")


def test_a_body_that_cannot_be_kept_is_refused_with_the_reason(
    bridge: Bridge, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    start = push(bridge, "ONE").replace(b"Expect: 100-continue\r\n", b"")
    answer = world.ask(start + b"[" * 100_000)
    assert answer.startswith(b"HTTP/1.1 507 ")
    assert b"Retry-After: 10\r\n" in answer
    assert b'"disk-full"' in answer
    assert world.ask(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[:12] == (
        b"HTTP/1.1 200"
    )
