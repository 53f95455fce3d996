"""JSON as other systems write it.

Programs that cut a text to its longest length may cut a character in two, which JSON writes as half
a pair (``\\ud83d``). orjson refuses the whole document then; here the half becomes a sign for an
unreadable character. An id with that sign may be that of several records, so it is none.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
import orjson

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)",  # half a pair; any other escape
    re.DOTALL,
)
_HALF = len(rb"\ud83d")
_Checked = TypeVar("_Checked")
_NOT_WHOLE = re.compile("[\x00\ud800-\udfff\ufffd]")


def loads(text: bytes) -> Any:
    """Raises ValueError where it is not JSON."""
    try:
        return orjson.loads(text)
    except ValueError:
        whole = _ESCAPE.sub(_mended, text)
        if whole == text:
            raise
        return orjson.loads(whole)


def check(text: bytes, decoder: msgspec.json.Decoder[_Checked]) -> _Checked:
    """What is needed to believe an answer. The rest of its text is checked to be JSON, and becomes
    no Python objects: that takes a fifth of the time of ``loads``, and most answers are known.

    Raises ValueError where it is not JSON, or not what the decoder is for.
    """
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except ValueError:
        whole = _ESCAPE.sub(_mended, text)
        if whole == text:
            raise
        return decoder.decode(whole)
    except RecursionError:
        raise ValueError("nested too deep") from None


def is_whole(text: str) -> bool:
    """Whether all characters of a text are there, and can be stored: an id has to be so."""
    return _NOT_WHOLE.search(text) is None


def _mended(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if len(escape[0]) == _HALF else escape[0]
