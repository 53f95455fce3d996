"""Bounds of numbers that people set: they stand beside the field that they bound."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest value that a number may have; both are allowed.

    Used as ``Annotated[int, Bounds(1, 64)]`` on a setting, and as ``bounds`` of a connector's
    option.
    """

    least: float
    most: float

    def __str__(self) -> str:
        return f"{plain_number(self.least)} to {plain_number(self.most)}"

    def __contains__(self, value: float) -> bool:
        return self.least <= value <= self.most

    def complaint(self, value: float) -> str:
        """What is said of a value outside; empty for one inside."""
        if value in self:
            return ""
        least, most = plain_number(self.least), plain_number(self.most)
        return f"is {plain_number(value)}; it must be {least} to {most}"


def plain_number(value: float) -> str:
    """A number as people write it in a setting: no exponent, no decimal zero."""
    return str(int(value)) if float(value).is_integer() else str(value)
