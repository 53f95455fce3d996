"""Tools and a provider that nobody here wrote, on Node, each in a process and an environment of its
own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers import processes
from tests.peers.installing import installed, node
from tests.peers.serving import free_socket

PEERS = Path(__file__).parent


@contextmanager
def ltijs() -> Iterator[str]:
    """The tool's address."""
    with free_socket() as listening:
        port = listening.getsockname()[1]
    own = installed(PEERS / "ltijs")
    with processes.running([node(), "server.js", str(port)], own) as said:
        yield said["address"]


@contextmanager
def lti_tool_core() -> Iterator[str]:
    """The address of a tool on @lti-tool/core."""
    own = installed(PEERS / "lti_tool_core")
    with processes.running([node(), "server.mjs"], own) as said:
        yield said["address"]


@contextmanager
def oidc_provider(redirect: str, secret: str) -> Iterator[str]:
    """The issuer of an OpenID provider that knows the client ``bridge``."""
    own = installed(PEERS / "oidc_provider")
    with processes.running([node(), "server.mjs", redirect, secret], own) as said:
        yield said["address"]
