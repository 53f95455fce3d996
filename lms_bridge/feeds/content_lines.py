"""Content lines of iCalendar (RFC 5545, section 3.1) and the escaping of texts (3.3.11)."""

from __future__ import annotations

from lms_bridge.feeds.text import allowed

LONGEST_LINE = 75
"""Octets in a line, its end not counted."""


def content_line(name: str, value: str) -> bytes:
    """``NAME:value`` with its line end, folded; the value is escaped already where it is a text."""
    octets = f"{name}:{value}".encode("utf-8", "replace")
    return octets + b"\r\n" if len(octets) <= LONGEST_LINE else _folded(octets)


def text_line(name: str, text: str) -> bytes:
    """A property whose value is one text."""
    return content_line(name, escaped(text))


def escaped(text: str) -> str:
    """A text as a value: backslash, semicolon, comma and line ends escaped."""
    text = allowed(text).replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return text.replace("\r\n", "\\n").replace("\r", "\\n").replace("\n", "\\n").replace("\t", " ")


def _folded(octets: bytes) -> bytes:
    """Folded where no character is torn: not every reader joins the lines before it decodes."""
    lines, start, room = [], 0, LONGEST_LINE
    while len(octets) - start > room:
        end = start + room
        while octets[end] & 0xC0 == 0x80:
            end -= 1
        lines.append(octets[start:end])
        start, room = end, LONGEST_LINE - 1  # the space that begins a folded line counts, too
    lines.append(octets[start:])
    return b"\r\n ".join(lines) + b"\r\n"
