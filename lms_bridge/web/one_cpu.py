"""One CPU for all threads that answer requests.

Python's lock lets one of them work at a time. Spread over several CPUs they hand it around between
sleeping CPUs, which costs more than most answers: with eight threads on two CPUs a launch took
40 % more CPU time than with one. On one CPU they cost what one thread costs, and still nobody has
to wait for a slow one. All other threads, and other processes, may go wherever they like.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = structlog.get_logger(__name__)


def on_one_cpu(application: WSGIApplication) -> WSGIApplication:
    """An application whose threads stay on one CPU, where the system lets them (Linux).

    Which one it is follows from the process, so that several servers spread over a machine.
    """
    if not hasattr(os, "sched_setaffinity"):
        return application
    allowed = sorted(os.sched_getaffinity(0))
    chosen = {allowed[os.getpid() % len(allowed)]}
    known = threading.local()

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not hasattr(known, "seen"):
            known.seen = True
            _keep(chosen)
        return application(environ, start_response)

    return answer


def _keep(chosen: set[int]) -> None:
    try:
        os.sched_setaffinity(0, chosen)  # of this thread alone
    except OSError as error:  # it is faster, not better: the answer does not depend on it
        _log.debug("threads stay where they are", error=type(error).__name__)
