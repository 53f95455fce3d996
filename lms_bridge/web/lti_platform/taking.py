"""After a score came: it is taken in under its centre's lease, now or when a run has ended."""

from __future__ import annotations

import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.model import Flow
from lms_bridge.lti.platform.canonical import TRIGGER, take_in_scores
from lms_bridge.sync.run import BUSY
from lms_bridge.web.bridging import the_bridge

_log = structlog.get_logger(__name__)
_WAITS = (0.5, 2.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds between the attempts while a run of the centre is under way. Whatever is left then is
taken in with the next score, or by ``lms-bridge lti take-scores``."""
_waiting: set[str] = set()
_lock = threading.Lock()


def take_in(bridge: Bridge, centre: str) -> bool:
    """Whether the centre's scores were taken in; False while another run holds the centre."""
    order = bridge.order(bridge.centre(centre), (Flow.RESULTS,), trigger=TRIGGER)
    return bridge.runner().run(order, take_in_scores).status != BUSY


def take_in_soon(centre: str) -> None:
    """Takes in at once where it can be done, else from a thread of its own. The score itself is
    stored already: nothing is lost if this process ends."""
    bridge = the_bridge()
    if take_in(bridge, centre):
        return
    with _lock:
        if centre in _waiting:
            return
        _waiting.add(centre)
    threading.Thread(target=_retry, args=(bridge, centre), daemon=True, name="scores").start()


def _retry(bridge: Bridge, centre: str) -> None:
    try:
        for seconds in _WAITS:
            threading.Event().wait(seconds)
            if take_in(bridge, centre):
                return
    except (BridgeError, SQLAlchemyError) as error:
        _log.warning("scores not taken in", centre=centre, error=type(error).__name__)
    finally:
        with _lock:
            _waiting.discard(centre)
