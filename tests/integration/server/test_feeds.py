"""Feeds on the bridge's own server: made while they are sent, some at once to each address."""

from __future__ import annotations

from contextlib import ExitStack

from tests.integration.api.world import World as Bridge
from tests.integration.api.world import offering
from tests.integration.server.world import World

GET = b"GET /catalogue.csv HTTP/1.1\r\nHost: x\r\n"
LAST = GET + b"Connection: close\r\n\r\n"


def test_a_short_feed_is_sent_whole(world: World) -> None:
    answer = world.ask(LAST)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Content-Length: " in answer
    assert b"Sample course ONE-open" in answer


def test_an_address_reads_a_few_long_feeds_at_once(bridge: Bridge, world: World) -> None:
    """Eight that nobody reads hold no thread; a ninth is told to come back."""
    bridge.add(*(offering(f"ONE-{n}", audience="x" * 5_000) for n in range(400)))
    with ExitStack() as stack:
        for _ in range(8):
            client = stack.enter_context(world.connect(GET + b"\r\n"))
            assert client.recv(16).startswith(b"HTTP/1.1 200 OK")
        refused = world.ask(LAST)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 30" in refused
        page = world.ask(b"GET /catalogue HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert page.startswith(b"HTTP/1.1 200 OK")
