"""Answers that may be kept by anybody, and that are not sent again to who has them already."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flask import Response, request
from werkzeug.http import is_resource_modified

from lms_bridge import __version__
from lms_bridge.domain.document import digest
from lms_bridge.web.feeds.asking import addresses
from lms_bridge.web.feeds.reading import in_blocks
from lms_bridge.web.queries.feeds import State

_SECONDS = 300
"""How long a copy may be used without asking."""


def answer(
    pieces: Callable[[], Iterable[bytes]], media_type: str, state: State, *, file_name: str = ""
) -> Response:
    """The answer with these pieces, which are made only where they are to be sent. The validators
    are those of the whole catalogue: cheap, and never too old."""
    response = Response(content_type=media_type)
    response.set_etag(_tag(state), weak=True)
    if state.at is not None:
        response.last_modified = state.at
    response.cache_control.public = True
    response.cache_control.max_age = _SECONDS
    # Open data: pages of other sites may read it, too (no cookie means anything here).
    response.headers["Access-Control-Allow-Origin"] = "*"
    if file_name:
        response.headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    etag = response.headers["ETag"]
    if not is_resource_modified(request.environ, etag=etag, last_modified=state.at):
        response.status_code = 304
    sent = response.status_code == 200 and request.method != "HEAD"
    response.response = in_blocks(pieces()) if sent else iter(())  # never a length of 0
    return response


def _tag(state: State) -> str:
    parts = [state.mark, addresses().base, request.full_path, __version__]
    return digest(parts).hex()
