"""The application as a WSGI server finds it: each worker process builds its own bridge.

Connections to the database cannot be shared between processes, so a bridge cannot either. Other
servers than ours are given the factory: ``lms_bridge.web.wsgi:application``.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from flask import Flask

from lms_bridge import logs
from lms_bridge.bootstrap import build
from lms_bridge.settings import Settings, load
from lms_bridge.web.app import create_app
from lms_bridge.web.one_cpu import on_one_cpu

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def application() -> Flask:
    """The application with the settings of config/ and the environment."""
    return application_with(load())


def application_with(settings: Settings) -> Flask:
    """The application with these very settings, in this process."""
    logs.set_up(settings.log.level, as_json=settings.log.json)
    return create_app(build(settings))


def worker_application(settings: Settings) -> WSGIApplication:
    """The application in a worker process that `serve` has started."""
    # Ctrl+C reaches every process of the terminal's group. The worker is ended by its parent alone:
    # told twice, Granian's worker would wait for its end until it is killed.
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    made = application_with(settings)
    gc.freeze()  # what is there for good need not be looked through for what can go
    return on_one_cpu(made) if settings.web.one_cpu else made


def _end_with_parent() -> None:
    """A parent that was killed cannot end its worker, which would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
