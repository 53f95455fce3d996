"""What a site keeps for one login: under a word that nobody can guess, and taken once."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Generic, TypeVar

Value = TypeVar("Value")
SECONDS = 600.0


class Once(Generic[Value]):
    """Kept in memory, for so many seconds."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._kept: dict[str, tuple[float, Value]] = {}
        self._lock = threading.Lock()

    def put(self, value: Value, word: str = "") -> str:
        """The word under which the value can be taken; a new one, or the one that is given."""
        word = word or secrets.token_urlsafe(24)
        with self._lock:
            self._forget()
            self._kept[word] = (time.monotonic() + self._seconds, value)
        return word

    def look(self, word: str) -> Value | None:
        with self._lock:
            self._forget()
            found = self._kept.get(word)
        return None if found is None else found[1]

    def take(self, word: str) -> Value | None:
        with self._lock:
            self._forget()
            found = self._kept.pop(word, None)
        return None if found is None else found[1]

    def _forget(self) -> None:
        now = time.monotonic()
        for word in [word for word, (until, _) in self._kept.items() if until < now]:
            del self._kept[word]
