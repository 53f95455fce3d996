"""What the interface answers: JSON with an entity tag, pages with a cursor."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from flask import Response, request

from lms_bridge.domain.errors import Refused
from lms_bridge.web.headers import Complete

VERSION = 1
"""Raised when the same record is shown in another form: copies of the old form are outdated."""
JSON = "application/json"
_CONDITIONS = {
    *("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE"),
    *("HTTP_RANGE", "HTTP_IF_RANGE"),
}
_TAG = re.compile(rf'(?<!/)"{VERSION}-([0-9]{{1,9}})"')
"""A strong tag of a revision."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is sent. ``revision`` is that of the record it shows, for its tag."""

    document: Mapping[str, Any]
    status: int = 200
    revision: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.document)

    def head(self) -> dict[str, str]:
        tag = {} if self.revision is None else {"ETag": f'"{tag_of(self.revision)}"'}
        return {**self.headers, **tag}


def tag_of(revision: int) -> str:
    return f"{VERSION}-{revision}"


def shown(document: Mapping[str, Any], revision: int | None = None) -> Response:
    """An answer to a reader, or 304 where the reader has it already. Without a revision the tag
    is made of the answer's bytes."""
    body = orjson.dumps(document)
    tag = tag_of(revision) if revision is not None else hashed(body)
    return tagged(body, tag)


def tagged(body: bytes, tag: str = "") -> Response:
    """The same for an answer that is made already."""
    tag = tag or hashed(body)
    if _CONDITIONS.isdisjoint(request.environ):
        return Complete(body, content_type=JSON, headers={"ETag": f'"{tag}"'})
    response = Response(body, mimetype=JSON)
    response.set_etag(tag)
    response.make_conditional(request)
    return response


def hashed(body: bytes) -> str:
    return f"{VERSION}-{hashlib.sha256(body).hexdigest()[:24]}"


def wanted_revision() -> int | None:
    """The revision that ``If-Match`` names; None where it names none.

    Raises:
        Refused: it names something that is no revision of ours: whatever was read, it changed.
    """
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return None
    found = _TAG.search(given)
    if found is not None:
        return int(found[1])
    raise Refused("changed-meanwhile", "If-Match names no state of this record that there was.")


# ---- pages -----------------------------------------------------------------------------------


def cursor(last: int) -> str:
    """Where the next page begins, in a form that nobody takes for a number of a page."""
    return base64.urlsafe_b64encode(f"after:{last}".encode()).decode().rstrip("=")


def after(text: str) -> int:
    """The id that a cursor stands for; 0 at the beginning.

    Raises:
        Refused: nobody was given such a cursor.
    """
    if not text:
        return 0
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        plain = ""
    mark, _, number = plain.partition(":")
    if mark != "after" or not (number.isdecimal() and len(number) < 19):
        raise Refused(
            "bad-cursor", "The cursor is not one that was given out.", "Begin without one."
        )
    return int(number)


def page(rows: Sequence[Mapping[str, Any]], last: int | None) -> dict[str, Any]:
    """A page: ``items``, and ``next``, the cursor of the page after it, or null."""
    return {"items": list(rows), "next": None if last is None else cursor(last)}


def page_of(rows: Sequence[str], last: int | None) -> bytes:
    """The same of rows that are JSON already."""
    end = "null" if last is None else f'"{cursor(last)}"'
    return f'{{"items":[{",".join(rows)}],"next":{end}}}'.encode()
