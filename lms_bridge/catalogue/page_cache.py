"""The page cache: a public page that was just made is not made again for the next reader.

A page is kept for whoever is not signed in, by its address and the languages that its reader wants:
nothing else of a request is in it. It ends when the catalogue changes, whichever process changes
it, when time alone moves an availability, and after some seconds in any case. Only the body is
kept; headers and cookies are those of each request. docs/performance.md has what it saves.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import wraps
from threading import Lock
from typing import Any

from flask import Response, current_app, request
from werkzeug.http import is_resource_modified

from lms_bridge.catalogue.index import CatalogueIndex
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import Overloaded
from lms_bridge.web.access import current_user, the_bridge
from lms_bridge.web.fast_responses import CompleteResponse
from lms_bridge.web.languages import language, wanted_languages

MOST_BYTES = 32_000_000
"""Of all pages of a process."""
SECONDS = 60.0
"""How long a page is used at most."""
_LONGEST, _OF_ENTRY = 1_000, 2_000
"""Characters of a query, and what an entry takes beside its page."""
_INDEX, _CACHE = "lms_bridge.catalogue_index", "lms_bridge.page_cache"


def the_index() -> CatalogueIndex:
    """The sets of this application."""
    index: CatalogueIndex = current_app.extensions.setdefault(_INDEX, CatalogueIndex())
    return index


@dataclass(frozen=True, slots=True)
class FinishedPage:
    """``version`` is that of the catalogue before the page was made, so it is never too new."""

    body: bytes
    etag: str
    version: int
    until: float


class PageCache:
    """The pages of one process. What was not asked for longest goes first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._pages: OrderedDict[Hashable, FinishedPage] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Hashable, version: int, now: float) -> FinishedPage | None:
        with self._lock:
            page = self._pages.get(key)
            if page is None:
                return None
            if page.version != version or page.until <= now:
                self._drop(key)
                return None
            self._pages.move_to_end(key)
            return page

    def keep(self, key: Hashable, page: FinishedPage) -> None:
        with self._lock:
            if key in self._pages:
                self._drop(key)
            self._pages[key] = page
            self._bytes += len(page.body) + _OF_ENTRY
            while self._bytes > self._most:
                self._drop(next(iter(self._pages)))

    def _drop(self, key: Hashable) -> None:
        self._bytes -= len(self._pages.pop(key).body) + _OF_ENTRY


View = Callable[..., str]
CachedView = Callable[..., str | Response]


def cached(seconds: float = SECONDS) -> Callable[[View], CachedView]:
    """For a view whose page depends on nothing but its address, the reader's languages, and what
    the catalogue and its centres say now. ``seconds`` is how old anything else in it may be."""

    def declare(view: View) -> CachedView:
        @wraps(view)
        def shown(**path: Any) -> str | Response:
            if current_user() is not None or len(request.query_string) > _LONGEST:
                return view(**path)
            version = _version()
            if version is None:
                return view(**path)
            cache: PageCache = current_app.extensions.setdefault(_CACHE, PageCache())
            wanted = (language(), *wanted_languages())
            key = (request.script_root, request.path, request.query_string, wanted)
            now = time.monotonic()
            page = cache.find(key, version, now)
            if page is None:
                page = _finished(view(**path), version, now + seconds)
                cache.keep(key, page)
            return _response(page)

        return shown

    return declare


def _finished(html: str, version: int, until: float) -> FinishedPage:
    body = html.encode()
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:24]}"'
    return FinishedPage(body, etag, version, until)


def _version() -> int | None:
    """That of the catalogue now; None as long as nobody has read it, or while it is read anew."""
    bridge = the_bridge()
    try:
        return the_index().version(bridge.database, utc_now(), bridge.settings.rules.soon)
    except Overloaded:
        return None


def _response(page: FinishedPage) -> Response:
    if "HTTP_IF_NONE_MATCH" in request.environ and not is_resource_modified(
        request.environ, etag=page.etag
    ):
        return Response(status=304, headers={"ETag": page.etag})
    return CompleteResponse(page.body, mimetype="text/html", headers={"ETag": page.etag})
