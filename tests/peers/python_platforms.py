"""Platforms that nobody here wrote, on Python, each in a process and an environment of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers import processes
from tests.peers.installing import installed, python
from tests.peers.serving import free_socket

PEERS = Path(__file__).parent


@contextmanager
def xblock(tool: str, folder: Path) -> Iterator[dict[str, str]]:
    """The site of `lti-consumer-xblock`; gives what it says of itself."""
    own = installed(PEERS / "xblock")
    with free_socket() as listening:
        port = listening.getsockname()[1]
    command = [str(python(own)), "-W", "ignore", "site.py", str(port), tool, str(folder)]
    with processes.running(command, own) as said:
        yield said


@contextmanager
def lti1p3platform(tool: str) -> Iterator[dict[str, str]]:
    """A platform on the library `lti1p3platform`; gives what it says of itself."""
    own = installed(PEERS / "lti1p3_platform")
    with processes.running([str(python(own)), "-W", "ignore", "site.py", tool], own) as said:
        yield said
