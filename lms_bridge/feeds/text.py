"""Texts as feeds need them: without markup, on one line, without characters that XML forbids."""

from __future__ import annotations

import html
import re

import nh3

_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|&[a-zA-Z#]\w*;")
_BREAKS = re.compile(
    r"</?(?:br|p|div|[uod]l|li|d[dt]|h[1-6]|tr|table|blockquote)\b[^<>]*>", re.IGNORECASE
)
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")
# XML 1.0, section 2.2 (Char); lone surrogates have no bytes in UTF-8 at all.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(text: str, *, longest: int = 0) -> str:
    """A text that may hold HTML as plain text, its lines kept; cut where it is too long."""
    if _MARKUP.search(text):
        text = html.unescape(nh3.clean(_BREAKS.sub("\n", text), tags=set()))
    text = _LINES.sub("\n", _SPACES.sub(" ", allowed(text).replace("\r", "\n"))).strip()
    return f"{text[: longest - 1].rstrip()}…" if longest and len(text) > longest else text


def line(text: str) -> str:
    """A text on one line."""
    return " ".join(allowed(text).split())


def allowed(text: str) -> str:
    """The text without the characters that XML 1.0 cannot hold."""
    return _FORBIDDEN.sub("", text)


def xml(text: str) -> str:
    """The text as the content of an element or of an attribute in double quotes."""
    return html.escape(allowed(text))
