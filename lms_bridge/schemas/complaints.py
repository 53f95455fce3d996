"""What schemas complain of: a text for people, with a stable code for programs."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import ValidationError

INVALID = "invalid"
"""The code of a complaint that has none of its own."""


class Complaint(str):
    """A text that goes on from a field's name, as "is not a date". Libraries take it for a plain
    text and hand it on."""

    __slots__ = ("allowed", "code")

    code: str
    allowed: tuple[str, ...]

    def __new__(cls, text: str, code: str, allowed: Sequence[str] = ()) -> Complaint:
        made = super().__new__(cls, text)
        made.code, made.allowed = code, tuple(allowed)
        return made


def complaint(
    text: str, code: str, field: str | None = None, allowed: Sequence[str] = ()
) -> ValidationError:
    """The error to raise in a schema; ``field`` is needed where a whole record is looked at."""
    told = Complaint(text, code, allowed)
    return ValidationError([told], field) if field else ValidationError([told])
