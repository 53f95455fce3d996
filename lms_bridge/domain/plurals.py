"""Numbers of things in English sentences of commands and of the API."""

from __future__ import annotations


def counted(number: int, one: str) -> str:
    """ "1 row", "2 rows"."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"
