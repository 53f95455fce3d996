"""JSON responses with entity tags (ETag), and conditional requests (If-Match, If-None-Match)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from flask import Response, request

from lms_bridge.domain.errors import Refused
from lms_bridge.web.fast_responses import CompleteResponse

FORM = 1
"""Raised when the same record gets another JSON form: copies of the old form are outdated."""
JSON = "application/json"
_CONDITIONS = {
    *("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE"),
    *("HTTP_RANGE", "HTTP_IF_RANGE"),
}
_STRONG_ETAG = re.compile(rf'(?<!/)"{FORM}-([0-9]{{1,9}})(?:-[0-9a-f]{{6}})?"')
_MOMENTARY = ("availability", "actions", "next_step")
"""Fields of a record that time alone changes. Its ETag is of them, too; its revision is not."""


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response before it is sent. ``revision`` is the one of the record in it, for the ETag."""

    document: Mapping[str, Any]
    status: int = 200
    revision: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.document)

    def all_headers(self) -> dict[str, str]:
        if self.revision is None:
            return dict(self.headers)
        record = self.document.get("offering", self.document)
        record = record if isinstance(record, Mapping) else self.document
        return {**self.headers, "ETag": f'"{record_etag(self.revision, record)}"'}


def record_etag(revision: int, record: Mapping[str, Any]) -> str:
    """The entity tag of a record. The revision in it is what ``If-Match`` is compared with."""
    momentary = [record[name] for name in _MOMENTARY if name in record]
    if not momentary:
        return f"{FORM}-{revision}"
    mark = hashlib.sha256(orjson.dumps(momentary)).hexdigest()[:6]
    return f"{FORM}-{revision}-{mark}"


def json_response(document: Mapping[str, Any] | bytes, revision: int | None = None) -> Response:
    """A response to a read, or 304 where the client has it already.

    Args:
        document: the body, or the JSON of it.
        revision: that of the record, for the ETag; without one the ETag is a hash of the body.
    """
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    if revision is None or isinstance(document, bytes):
        etag = f"{FORM}-{hashlib.sha256(body).hexdigest()[:24]}"
    else:
        etag = record_etag(revision, document)
    if _CONDITIONS.isdisjoint(request.environ):
        return CompleteResponse(body, content_type=JSON, headers={"ETag": f'"{etag}"'})
    response = Response(body, mimetype=JSON)
    response.set_etag(etag)
    response.make_conditional(request)
    return response


def if_match_revision() -> int | None:
    """The revision that ``If-Match`` names; None where it names none.

    Raises:
        Refused: it names no revision of ours, so the record has changed since it was read.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    found = _STRONG_ETAG.search(header)
    if found is not None:
        return int(found[1])
    raise Refused("changed-meanwhile", "If-Match names no revision of this record.")
