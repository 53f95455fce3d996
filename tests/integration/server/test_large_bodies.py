"""Large bodies on the bridge's own server: whose they are is what the application says."""

from __future__ import annotations

from contextlib import ExitStack

from lms_bridge.domain.access import DataScope, Scope
from tests.integration.api.world import World as Bridge
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


def test_another_spelling_of_a_token_is_no_other_sender(bridge: Bridge, world: World) -> None:
    one = push(bridge, "ONE")
    with ExitStack() as stack:
        for spelling in (b"Bearer", b"bearer"):
            first = stack.enter_context(world.connect(one.replace(b"Bearer", spelling)))
            assert first.recv(100).startswith(b"HTTP/1.1 100 Continue")
        for spelling in (b"BEARER", b"Bearer  "):
            answer = world.ask(one.replace(b"Bearer", spelling))
            assert answer.startswith(b"HTTP/1.1 503 ")
