"""Serving the pages, with the clock beside them: one command, nothing else to start."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from functools import partial

import structlog
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.mp import MPServer

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.errors import StopRun
from lms_bridge.jobs.choosing import engine_for
from lms_bridge.jobs.clock import Clock
from lms_bridge.settings import Settings
from lms_bridge.web.listening import Ready, address_of, check_free, wait_until_answering
from lms_bridge.web.wsgi import worker_application

_log = structlog.get_logger(__name__)
_STOP_SECONDS = 5
"""What requests that are being answered get when the server ends."""
_LOGGERS = {"handlers": [], "propagate": True}
_LOGGING = {"loggers": {"_granian": {**_LOGGERS}, "granian.access": {**_LOGGERS}}}
"""Granian's own lines go where all others go, and lose their secrets there."""


def say_ready(address: str) -> None:
    """Tells the person at the terminal where to look."""
    sys.stdout.write(f"Serving on {address} (Ctrl+C ends it)\n")
    sys.stdout.flush()


def serve(bridge: Bridge, on_ready: Ready = say_ready) -> None:
    """Serves the pages until SIGTERM or SIGINT; ticks meanwhile, unless ``clock.enabled`` is off.

    Must be called from the main thread. ``on_ready`` is called from another one, with the address,
    once the server answers.

    Raises:
        SettingsInvalid: ``web.host`` or ``web.port`` cannot be listened on.
        StopRun: the server did not start, or ended by itself.
    """
    web = bridge.settings.web
    check_free(web.host, web.port)
    # A forked worker would inherit the parent's connections to the database, and SQLite's locks.
    multiprocessing.set_start_method("spawn", force=True)
    server = _server(bridge.settings)
    beside = _Beside(bridge, on_ready)
    beside.start()
    try:
        server.serve(
            target_loader=partial(worker_application, bridge.settings),
            wrap_loader=False,
        )
    except SystemExit:  # Granian's way to say that its worker is gone
        raise _gone() from None
    finally:
        beside.stop()
    if beside.failed:
        raise _gone()


def _server(settings: Settings) -> MPServer:
    return MPServer(
        "lms_bridge.web.wsgi:application",
        address=settings.web.host,
        port=settings.web.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=settings.web.threads,
        workers_kill_timeout=_STOP_SECONDS,
        log_level=LogLevels.error,  # its warnings are hints about the number of threads
        log_dictconfig=_LOGGING,
        websockets=False,
    )


def _gone() -> StopRun:
    return StopRun("server-ended", "The web server ended by itself.", "Its log says why.")


class _Beside:
    """What runs beside the server in the parent process: the wait for its first answer, then the
    clock. The clock starts last, so that no thread of it is there when the worker is started."""

    def __init__(self, bridge: Bridge, on_ready: Ready) -> None:
        self._bridge = bridge
        self._on_ready = on_ready
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beside", daemon=True)
        self._clock: Clock | None = None
        self.failed = False

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        web = self._bridge.settings.web
        if not wait_until_answering(web.host, web.port, self._stopped):
            if not self._stopped.is_set():
                self.failed = True
                os.kill(os.getpid(), signal.SIGTERM)  # the server's own way to end
            return
        if self._bridge.settings.clock.enabled:
            self._clock = Clock(self._bridge, engine_for(self._bridge))
            self._clock.start()
        _log.info("serving", address=address_of(web.host, web.port))
        self._on_ready(address_of(web.host, web.port))

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(_STOP_SECONDS)
        if self._clock is not None:
            self._clock.stop()
