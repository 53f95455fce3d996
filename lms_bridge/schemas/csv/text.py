"""From bytes to lines: the encoding and the delimiter of a file, found from its first bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from lms_bridge.domain.errors import NotUnderstood

LONGEST_HEADER = 16_384
"""Characters: beyond this the first line is no header."""

_DELIMITERS = ",;\t"
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Text:
    """The lines of a file, line ends kept; ``encoding`` is its name for people."""

    lines: Iterator[str]
    delimiter: str
    encoding: str
    bad: re.Pattern[str]

    @property
    def damage(self) -> str:
        return f"holds a NUL character or bytes that are not {self.encoding}"

    def damaged(self, text: str) -> bool:
        return self.bad.search(text) is not None


@contextmanager
def opened(source: str | Path | BinaryIO) -> Iterator[Text]:
    """The text of a path or of a binary stream, which stays open.

    Raises:
        NotUnderstood: the file is empty or its first line is too long for a header.
    """
    if isinstance(source, (str, Path)):
        with Path(source).open("rb") as stream, opened(stream) as text:
            yield text
        return
    buffered = io.BufferedReader(cast(io.RawIOBase, source))
    utf16 = buffered.peek(2)[:2] in _BYTE_ORDER_MARKS
    # Bytes that are no UTF-8 become lone surrogates and so can be told from anything that a person
    # wrote; UTF-16 has no such handler.
    wrapped = io.TextIOWrapper(
        buffered,
        encoding="utf-16" if utf16 else "utf-8-sig",
        errors="replace" if utf16 else "surrogateescape",
        newline="",
    )
    try:
        yield _text(wrapped, utf16=utf16)
    finally:
        with suppress(ValueError):  # the stream was closed before its rows came to an end
            wrapped.detach()
            buffered.detach()


def _text(wrapped: io.TextIOWrapper, *, utf16: bool) -> Text:
    first = wrapped.readline(LONGEST_HEADER)
    if not first.strip():
        raise NotUnderstood("csv-no-header", "The file has no header in its first line.")
    if len(first) == LONGEST_HEADER:
        raise NotUnderstood("csv-no-header", "The first line is too long for a header.")
    if "\x00" in first:
        raise NotUnderstood(
            "csv-encoding",
            "The first line holds NUL characters: it is neither UTF-8 nor UTF-16 with a mark.",
            "Save it as CSV UTF-8.",
        )
    delimiter = max(_DELIMITERS, key=first.count)
    bad = re.compile("[\x00\ufffd]" if utf16 else "[\x00\ud800-\udfff]")
    return Text(chain([first], wrapped), delimiter, "UTF-16" if utf16 else "UTF-8", bad)
