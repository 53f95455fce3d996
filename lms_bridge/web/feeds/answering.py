"""Answers that may be kept by anybody, and that are not sent again to who has them already."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from itertools import chain, islice
from threading import BoundedSemaphore

from flask import Response, current_app, request
from werkzeug.http import is_resource_modified

from lms_bridge import __version__
from lms_bridge.domain.document import digest
from lms_bridge.web.feeds.asking import addresses
from lms_bridge.web.feeds.reading import in_blocks
from lms_bridge.web.queries.feeds import State

_SECONDS = 300
"""How long a copy may be used without asking."""
_RETRY_SECONDS = 30
PLACES = "lms_bridge_feeds"
"""The extension that holds the places for long answers."""


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
    if response.status_code == 304 or request.method == "HEAD":
        response.response = iter(())  # never a length of 0
        return response
    return _with_body(response, in_blocks(pieces()))


def _with_body(response: Response, blocks: Generator[bytes]) -> Response:
    """The answer with its body: a short one as a whole, a long one while it is made.

    A long one holds a thread of the server until its reader has read it. So many at once are let in
    that slow readers cannot take all threads from everybody else.
    """
    begun = list(islice(blocks, 2))
    if len(begun) < 2:
        response.set_data(b"".join(begun))
        return response
    places: BoundedSemaphore = current_app.extensions[PLACES]
    if not places.acquire(blocking=False):
        blocks.close()
        busy = "Too many long feeds are being read at the moment. Please try again later.\n"
        retry = {"Retry-After": str(_RETRY_SECONDS), "Cache-Control": "no-store"}
        return Response(busy, 503, retry, content_type="text/plain; charset=utf-8")
    response.response = chain(begun, blocks)
    response.call_on_close(blocks.close)
    response.call_on_close(places.release)
    return response


def _tag(state: State) -> str:
    parts = [state.mark, addresses().base, request.full_path, __version__]
    return digest(parts).hex()
