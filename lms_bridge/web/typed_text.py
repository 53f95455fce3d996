"""Texts that people type into forms and addresses, without what no database can store."""

from __future__ import annotations


def line(text: str, longest: int | None = None) -> str:
    """One line, without blanks around it. A longer one is cut."""
    return text.replace("\x00", "").strip()[:longest]


def lines(text: str, longest: int | None = None) -> str:
    """A text of several lines. Browsers send the end of a line as two characters."""
    return line(text.replace("\r\n", "\n"), longest)
