"""Requests for feeds: their parameters, and responses that anybody may cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import chain, islice
from threading import Lock

from flask import Flask, Response, g, request
from werkzeug.http import is_resource_modified

from lms_bridge import __version__
from lms_bridge.bridge import Bridge
from lms_bridge.catalogue.entry import Addresses, Provider
from lms_bridge.catalogue.feed_queries import CatalogueState, in_blocks
from lms_bridge.catalogue.queries import (
    CURRENT,
    EVERYTHING,
    FREE,
    OPEN_NOW,
    PAID,
    CatalogueFilters,
    Moments,
)
from lms_bridge.domain.availability import Availability
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import digest
from lms_bridge.domain.errors import Refused
from lms_bridge.reference import reference
from lms_bridge.web.access import the_bridge
from lms_bridge.web.environ import CLIENT_LEFT
from lms_bridge.web.languages import LONGEST, LONGEST_HEADER
from lms_bridge.web.visitors import FEEDS, visitor

AVAILABILITIES = (
    OPEN_NOW,
    CURRENT,
    *(each for each in Availability if each != Availability.NOT_ON_OFFER),
    EVERYTHING,
)
_LONGEST = 500
"""Characters of a parameter."""
_MAX_AGE = 300
"""Seconds for which a cache may use its copy without asking."""
_RETRY_SECONDS = 30
_MOST, _SHARE = 512, 8
"""Feeds that are read at once, of all addresses and of one."""


def addresses() -> Addresses:
    """Addresses of this server, as the settings name it: a request could name any host."""
    return Addresses(the_bridge().settings.public_address)


def feed_address() -> str:
    """The address of the feed that this request is for."""
    return addresses().under(request.path, **request.args.to_dict())


def feed_params(centres: Mapping[str, Provider], *also: str) -> CatalogueFilters:
    """The filters in the query of the address. ``also`` are further parameters of the route.

    Raises:
        Refused: a parameter or a value is unknown. A misspelt filter would match everything.
    """
    names = [name for name in CatalogueFilters.__slots__ if name != "at"]
    known = (*names, *also)
    if set(request.args) - set(known):
        raise Refused(
            "unknown-parameter",
            "The address has an unknown parameter.",
            f"Known are: {', '.join(known)}.",
        )
    texts = {name: request.args.get(name, "").strip()[:_LONGEST] for name in names}
    filters = CatalogueFilters(at=None, **texts)
    words = reference()
    for name, value, allowed in (
        ("region", filters.region, words.regions),
        ("modality", filters.modality, words.modalities),
        ("level", filters.level, words.levels),
        ("availability", filters.availability, AVAILABILITIES),
        ("price", filters.price, (FREE, PAID)),
    ):
        if value and value not in allowed:
            raise Refused(
                "unknown-value",
                f"There is no such {name}.",
                f"There are: {', '.join(allowed)}.",
            )
    for name in ("starts_from", "starts_to"):
        if texts[name] and day_of(texts[name]) is None:
            raise Refused("unknown-value", f"{name} is not a day.", "Write it as 2030-12-31.")
    if filters.centre and filters.centre not in centres:
        raise Refused("unknown-value", "There is no such centre.")
    if filters.code and not filters.availability:
        return filters  # whoever asks for one offering gets it, also when it is over
    return replace(filters, at=moments())


def day_of(text: str) -> date | None:
    """The day of a parameter; None where it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def moments() -> Moments:
    """The moment of this request."""
    now = utc_now()
    return Moments(now, now + the_bridge().settings.rules.soon)


def feed_languages() -> list[str]:
    """The languages in which the reader wants texts, the best first: that of the address
    (``lang``), then those of the request. A cookie has no effect, so that caches may keep feeds."""
    is_short = len(request.headers.get("Accept-Language", "")) <= LONGEST_HEADER
    accepted = request.accept_languages.values() if is_short else ()
    tags = [request.args.get("lang", ""), *accepted]
    return [tag for tag in tags if tag and tag != "*" and len(tag) <= LONGEST]


def feed_name(filters: CatalogueFilters, centres: Mapping[str, Provider]) -> str:
    """The title of a feed, as a feed reader lists it."""
    parts = [
        reference().regions.get(filters.region, filters.region),
        centres[filters.centre].name if filters.centre else "",
        filters.topic,
        reference().modalities.get(filters.modality, ""),
        reference().levels.get(filters.level, ""),
        filters.language,
        {FREE: "free", PAID: "paid"}.get(filters.price, ""),
        " to ".join(each for each in (filters.starts_from, filters.starts_to) if each),
        filters.text,
        filters.code,
    ]
    return ": ".join(["Training catalogue", *(part for part in parts if part)])


def cacheable_response(
    pieces: Callable[[], Iterable[bytes]],
    media_type: str,
    state: CatalogueState,
    *,
    file_name: str = "",
    languages: Sequence[str] | None = None,
) -> Response:
    """The response with these pieces, which are made only if they are sent.

    The ETag is that of the whole catalogue: it costs little, and changes with every change. Without
    a public address the links lead to this machine, so no shared cache may keep the response.
    ``languages`` are the reader's, where the response depends on them.
    """
    response = Response(content_type=media_type)
    response.set_etag(_etag(state, languages or ()), weak=True)
    if languages is not None:
        response.vary.add("Accept-Language")
    if state.at is not None:
        response.last_modified = state.at
    if the_bridge().settings.lti.address:
        response.cache_control.public = True
    else:
        response.cache_control.private = True
    response.cache_control.max_age = _MAX_AGE
    # Open data: pages of other sites may read it too, as no cookie has an effect here.
    response.headers["Access-Control-Allow-Origin"] = "*"
    if file_name:
        response.headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    etag = response.headers["ETag"]
    if not is_resource_modified(request.environ, etag=etag, last_modified=state.at):
        response.status_code = 304
    if response.status_code == 304 or request.method == "HEAD":
        response.response = iter(())  # an empty list would get a Content-Length of 0
        return response
    return _with_body(response, in_blocks(pieces()))


def _etag(state: CatalogueState, languages: Sequence[str]) -> str:
    parts = [state.mark, addresses().base, request.full_path, __version__, *languages]
    return digest(parts).hex()


def _with_body(response: Response, blocks: Generator[bytes]) -> Response:
    """The response with its body, which is made while it is sent: by threads of its own on the
    bridge's server. On another one a short body is made here, so that it holds no thread later."""
    begun = [] if CLIENT_LEFT in request.environ else list(islice(blocks, 2))
    if len(begun) == 1:
        response.set_data(begun[0])
        return response
    response.response = chain(begun, blocks)
    response.call_on_close(blocks.close)
    return response


class FeedReaders:
    """Counts the feeds that are being read: so many at once, and of one address its share."""

    def __init__(self) -> None:
        self._readers: Counter[str] = Counter()
        self._lock = Lock()

    def begin(self, reader: str, most: int) -> bool:
        """Whether this reader may have another one now."""
        with self._lock:
            if self._readers.total() >= most or self._readers[reader] >= min(most, _SHARE):
                return False
            self._readers[reader] += 1
            return True

    def end(self, reader: str) -> None:
        with self._lock:
            self._readers[reader] -= 1
            self._readers += Counter()  # keeps those that read something


def limit_feeds(app: Flask, bridge: Bridge) -> None:
    """Limits the feeds that are read at once, before anything is looked up for one of them."""
    readers = FeedReaders()
    threads = bridge.settings.web.threads

    @app.before_request
    def _begin() -> Response | None:
        if request.blueprint not in FEEDS:
            return None
        # Under another server each long feed holds one of its threads until it is read.
        most = _MOST if CLIENT_LEFT in request.environ else max(1, threads // 2)
        reader = visitor()
        if readers.begin(reader, most):
            g.feed_reader = reader
            return None
        busy = "Too many feeds are being read at the moment. Please try again later.\n"
        retry = {"Retry-After": str(_RETRY_SECONDS), "Cache-Control": "no-store"}
        return Response(busy, 503, retry, content_type="text/plain; charset=utf-8")

    @app.after_request
    def _end(response: Response) -> Response:
        reader = g.pop("feed_reader", None)
        if reader is not None:
            response.call_on_close(lambda: readers.end(reader))
        return response
