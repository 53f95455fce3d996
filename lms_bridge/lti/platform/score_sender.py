"""Sends results on soon after a score arrived, from a thread for each centre.

The score itself is stored already. If this process ends, the next scheduled run does the same.
"""

from __future__ import annotations

import threading

import structlog
from flask import Flask, current_app

from lms_bridge.bridge import Bridge
from lms_bridge.sync.run_state import BUSY

_log = structlog.get_logger(__name__)
_NAME = "lti_scores"
WAITS: tuple[float, ...] = (0.2, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0)
"""Seconds between attempts while another run of the centre is under way."""


class ScoreSender:
    """Has at most one thread for each centre. If more scores come while it works, it does one more
    round."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge, self._waits = bridge, WAITS
        self._lock = threading.Lock()
        self._requested: dict[str, bool] = {}
        self._closed = threading.Event()

    def soon(self, centre: str) -> None:
        """Returns at once."""
        with self._lock:
            working = centre in self._requested
            self._requested[centre] = True
        if not working:
            thread = threading.Thread(target=self._work, args=(centre,), daemon=True, name="scores")
            thread.start()

    def close(self) -> None:
        """Waits no more for a busy centre. The schedule sends what is left."""
        self._closed.set()

    @property
    def idle(self) -> bool:
        with self._lock:
            return not self._requested

    def _work(self, centre: str) -> None:
        while self._next_round(centre):
            try:
                if not self._retry_while_busy(centre):
                    _log.info("scores left to the schedule: the centre is busy", centre=centre)
            except Exception as error:  # later scores must be sent all the same
                _log.warning("scores not sent on", centre=centre, error=type(error).__name__)

    def _next_round(self, centre: str) -> bool:
        """Whether there was a request since the last round. If not, the thread has to end."""
        with self._lock:
            if self._requested[centre]:
                self._requested[centre] = False
                return True
            del self._requested[centre]
            return False

    def _retry_while_busy(self, centre: str) -> bool:
        for seconds in (*self._waits, None):
            if self._bridge.send_scores(centre).status != BUSY:
                return True
            if seconds is None or self._closed.wait(seconds):
                break
        return False


def add_score_sender_to(app: Flask, bridge: Bridge) -> None:
    sender = app.extensions[_NAME] = ScoreSender(bridge)
    bridge.at_close(sender.close)


def send_soon(centre: str) -> None:
    """Sends the results of a centre's offerings in the background."""
    sender = current_app.extensions[_NAME]
    if not isinstance(sender, ScoreSender):
        raise RuntimeError("the application does not send scores on")
    sender.soon(centre)
