"""Texts that people type into forms and addresses, without what no database can store, and without
invisible characters that make a text read as another one."""

from __future__ import annotations

from lms_bridge.schemas.characters import visible


def line(text: str, longest: int | None = None) -> str:
    """One line, without blanks around it. A longer one is cut."""
    return visible(text).strip()[:longest]


def lines(text: str, longest: int | None = None) -> str:
    """A text of several lines. Browsers send the end of a line as two characters."""
    return line(text.replace("\r\n", "\n"), longest)


def file_name(text: str, longest: int) -> str:
    """The name of a file that somebody sent. Of a longer one, the end is kept: it has the kind."""
    return " ".join(visible(text).split())[-longest:]
