"""Passwords of local accounts: Argon2id, with the costs that RFC 9106 recommends where memory is
scarce (section 4, second option)."""

from __future__ import annotations

import threading
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.profiles import RFC_9106_LOW_MEMORY

from lms_bridge.domain.errors import Overloaded, Refused

SHORTEST, LONGEST = 12, 200
_HASHER = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
AT_ONCE = 2
"""Each hash takes 64 MiB and a good part of a second of a processor."""
_places = threading.BoundedSemaphore(AT_ONCE)
MOST_WAITING = 2
"""More people do not wait: each holds one of the threads that answer everybody."""
_waiting = threading.BoundedSemaphore(AT_ONCE + MOST_WAITING)
WAIT_SECONDS = 5.0


def hash_of(password: str) -> str:
    """The text that is kept in place of a password.

    Raises:
        Refused: the password is too short, or too long.
        Overloaded: too many passwords are being checked.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise Refused(
            "password-length",
            "A password has 12 to 200 characters.",
            "Several words that have nothing to do with each other are good.",
        )
    with _Place():
        return _HASHER.hash(password)


def is_right(password: str, kept: str) -> bool:
    """Whether this is the password. It takes as long where none is kept, so that the time shows
    nothing.

    Raises:
        Overloaded: too many passwords are being checked.
    """
    with _Place():
        try:
            _HASHER.verify(kept or _nobodys(), password[: LONGEST + 1])
        except (Argon2Error, InvalidHashError):
            return False
    return bool(kept)


@lru_cache(1)
def _nobodys() -> str:
    return _HASHER.hash("nobody has this password")


class _Place:
    """One of the few places in which passwords are hashed."""

    def __enter__(self) -> None:
        if not _waiting.acquire(blocking=False):
            raise _busy()
        if not _places.acquire(timeout=WAIT_SECONDS):
            _waiting.release()
            raise _busy()

    def __exit__(self, *error: object) -> None:
        _places.release()
        _waiting.release()


def _busy() -> Overloaded:
    return Overloaded("sign-in-busy", "Too many people sign in at this moment.", after=WAIT_SECONDS)
