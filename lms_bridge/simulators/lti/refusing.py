"""What a sample site does not accept."""

from __future__ import annotations


class NotAccepted(Exception):
    """``reason`` is shown to whoever asked: the people and tokens of a sample are no secrets, but
    it names parts by their names and never quotes them."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
