"""Serves the pages, with the scheduler beside them."""

from __future__ import annotations

import errno
import multiprocessing
import signal
import socket
import sys
import threading
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event

import structlog

from lms_bridge.bridge import Bridge
from lms_bridge.domain.errors import SettingsInvalid, StopRun
from lms_bridge.jobs.scheduler import Scheduler
from lms_bridge.jobs.workers import RunEngine, ThreadEngine
from lms_bridge.server.app import Extend, serve_in_worker
from lms_bridge.settings import SHOWN_HOSTS, EngineKind

_REASONS = {
    errno.EADDRINUSE: "is in use by another program",
    errno.EACCES: "may only be used by the system's administrator",
}


def listen(host: str, port: int) -> socket.socket:
    """A socket of that address, which nobody else gets from now on. Port 0 is any that is free.

    Raises:
        SettingsInvalid: names the setting and says why not.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise SettingsInvalid([f"web.host {host} is not an address of this machine"]) from None
    bound = socket.socket(found[0], found[1])
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(found[4])
        bound.listen(1024)
    except OSError as error:
        bound.close()
        raise SettingsInvalid([_refusal(host, port, error)]) from None
    return bound


def _refusal(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"web.host {host} is not an address of this machine"
    reason = _REASONS.get(error.errno or 0, f"cannot be listened on: {error.strerror}")
    return f"web.port {port} of {host} {reason}"


def address_of(host: str, port: int) -> str:
    """The address that a browser on this machine is given."""
    host = SHOWN_HOSTS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


Ready = Callable[[str], None]
"""Called with the server's address once it answers."""


def engine_for(bridge: Bridge) -> RunEngine:
    """The engine that the settings name. Procrastinate is imported only where it is used."""
    if bridge.settings.engine.kind is EngineKind.PROCRASTINATE:
        from lms_bridge.jobs.queue import ProcrastinateEngine

        return ProcrastinateEngine(bridge.settings.store.address)
    return ThreadEngine(bridge)


_log = structlog.get_logger(__name__)
_START_SECONDS, _STOP_SECONDS = 60, 10
"""What the worker gets to begin, and to end the requests that are being answered."""


def say_ready(address: str) -> None:
    """Tells the person at the terminal where to look."""
    sys.stdout.write(f"Serving on {address} (Ctrl+C ends it)\n")
    sys.stdout.flush()


def serve(
    bridge: Bridge,
    listening: socket.socket,
    on_ready: Ready = say_ready,
    extend: Extend | None = None,
) -> None:
    """Serves the pages until SIGTERM or SIGINT; ticks meanwhile, unless ``clock.enabled`` is off.

    Must be called from the main thread. ``on_ready`` is called from another one, with the address,
    once the server answers. ``extend`` adds pages to the application.

    Raises:
        StopRun: the server did not start, or ended by itself.
    """
    # A forked worker would inherit the parent's connections to the database, and SQLite's locks.
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    worker = context.Process(
        target=serve_in_worker, args=(bridge.settings, listening, ready, extend), name="pages"
    )
    stopped = threading.Event()
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    for each in before:
        signal.signal(each, lambda *_: stopped.set())
    beside = _Beside(bridge, listening, ready, on_ready)
    try:
        worker.start()
        listening.close()  # the worker has it now
        beside.start()
        _watch(worker, stopped)
    finally:
        beside.stop()
        _end(worker)
        for each, handler in before.items():
            signal.signal(each, handler)
    if not stopped.is_set():
        raise StopRun("server-ended", "The web server ended by itself.", "Its log says why.")


def _watch(worker: SpawnProcess, stopped: threading.Event) -> None:
    """Returns when the server is to end, or has ended."""
    while not stopped.is_set() and worker.is_alive():
        worker.join(0.2)


def _end(worker: SpawnProcess) -> None:
    if worker.pid is None:
        return
    worker.terminate()
    worker.join(_STOP_SECONDS)
    worker.kill()
    worker.join()


class _Beside:
    """What runs beside the server in the parent process: the wait for its start, then the clock.
    The clock starts last, so that no thread of it is there when the worker is started."""

    def __init__(
        self, bridge: Bridge, listening: socket.socket, ready: Event, on_ready: Ready
    ) -> None:
        self._bridge = bridge
        self._address = address_of(*listening.getsockname()[:2])
        self._ready = ready
        self._on_ready = on_ready
        self._thread = threading.Thread(target=self._run, name="beside", daemon=True)
        self._clock: Scheduler | None = None
        self._stopped = False

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        if not self._ready.wait(_START_SECONDS) or self._stopped:
            return
        if self._bridge.settings.clock.enabled:
            self._clock = Scheduler(self._bridge, engine_for(self._bridge))
            self._clock.start()
        _log.info("serving", address=self._address)
        self._on_ready(self._address)

    def stop(self) -> None:
        self._stopped = True
        self._ready.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        if self._clock is not None:
            self._clock.stop()
