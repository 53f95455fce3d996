"""Waiting for a run of a centre to end: never by all threads of a process, so that one busy centre
keeps nobody from the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, current_app

from lms_bridge.bootstrap import Bridge

FREE = 2
"""Threads of a process that are left to those who need not wait."""
_NAME = "lms_bridge_waiting"


class Room:
    """Room for so many waiting requests."""

    def __init__(self, size: int) -> None:
        self._places = threading.BoundedSemaphore(size)

    @contextmanager
    def place(self) -> Iterator[bool]:
        """A place for as long as the block lasts; False where there is none left."""
        taken = self._places.acquire(blocking=False)
        try:
            yield taken
        finally:
            if taken:
                self._places.release()


def add_to(app: Flask, bridge: Bridge) -> None:
    app.extensions[_NAME] = Room(max(1, bridge.settings.web.threads - FREE))


def room() -> Room:
    """That of this process."""
    found = current_app.extensions[_NAME]
    if not isinstance(found, Room):
        raise RuntimeError("the application was not made by create_app")
    return found
