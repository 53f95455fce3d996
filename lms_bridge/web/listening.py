"""Where the server listens, and whether it does."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException

from lms_bridge.domain.errors import SettingsInvalid

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not listened on)
_REASONS = {
    errno.EADDRINUSE: "is in use by another program",
    errno.EACCES: "may only be used by the system's administrator",
}


def check_free(host: str, port: int) -> None:
    """Makes sure that the server can listen there.

    Granian lets several servers share a port, so that it would begin quietly beside another one.

    Raises:
        SettingsInvalid: names the setting and says why not.
    """
    if not 0 < port < 65536:
        raise SettingsInvalid([f"web.port {port} is not a port: 1 to 65535"])
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise SettingsInvalid([f"web.host {host} is not an address of this machine"]) from None
    with socket.socket(found[0], found[1]) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(found[4])
            probe.listen(1)
        except OSError as error:
            raise SettingsInvalid([_refusal(host, port, error)]) from None


def _refusal(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"web.host {host} is not an address of this machine"
    reason = _REASONS.get(error.errno or 0, f"cannot be listened on: {error.strerror}")
    return f"web.port {port} of {host} {reason}"


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on, for a demonstration."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def address_of(host: str, port: int) -> str:
    """The address that a browser on this machine is given."""
    host = _ANY.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def wait_until_answering(
    host: str, port: int, stopped: threading.Event, seconds: float = 60.0
) -> bool:
    """Whether the server answers a request, at the latest after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stopped.is_set():
        if _answers(_ANY.get(host, host), port):
            return True
        stopped.wait(0.05)
    return False


def _answers(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("HEAD", "/static/style.css")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


Ready = Callable[[str], None]
"""Told the server's address once it answers."""
