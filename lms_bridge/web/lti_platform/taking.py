"""After a score came: it becomes a result and is sent on, from a thread of its own.

The score itself is stored already: nothing is lost if this process ends, for the clock's next run
of results does the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from flask import Flask, current_app

from lms_bridge.bootstrap import Bridge
from lms_bridge.sync.run import BUSY

_log = structlog.get_logger(__name__)
_NAME = "lti_scores"
WAITS = (0.2, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0)
"""Seconds between attempts while another run of the centre is under way."""


class Sender:
    """Sends the scores of centres on, with one thread for each centre at most: however many
    scores come while it works, it goes round once more."""

    def __init__(self, send: Callable[[str], str], waits: tuple[float, ...] = WAITS) -> None:
        """``send`` does it for the centre with that code, and gives the status of its run."""
        self._send, self._waits = send, waits
        self._lock = threading.Lock()
        self._asked: dict[str, bool] = {}

    def soon(self, centre: str) -> None:
        """Returns at once."""
        with self._lock:
            working = centre in self._asked
            self._asked[centre] = True
        if not working:
            thread = threading.Thread(target=self._work, args=(centre,), daemon=True, name="scores")
            thread.start()

    @property
    def idle(self) -> bool:
        with self._lock:
            return not self._asked

    def _work(self, centre: str) -> None:
        while self._was_asked(centre):
            try:
                if not self._try(centre):
                    _log.info("scores left to the clock: the centre is busy", centre=centre)
            except Exception as error:  # later scores are to be sent on all the same
                _log.warning("scores not sent on", centre=centre, error=type(error).__name__)

    def _was_asked(self, centre: str) -> bool:
        """Whether there was a request since the last round; where not, the thread ends."""
        with self._lock:
            if self._asked[centre]:
                self._asked[centre] = False
                return True
            del self._asked[centre]
            return False

    def _try(self, centre: str) -> bool:
        for seconds in (*self._waits, None):
            if self._send(centre) != BUSY:
                return True
            if seconds is not None:
                threading.Event().wait(seconds)
        return False


def add_to(app: Flask, bridge: Bridge) -> None:
    app.extensions[_NAME] = Sender(lambda centre: bridge.send_scores(centre).status)


def send_soon(centre: str) -> None:
    """Has the scores of a centre's offerings sent on, in the background."""
    sender = current_app.extensions[_NAME]
    if not isinstance(sender, Sender):
        raise RuntimeError("the application does not send scores on")
    sender.soon(centre)
