"""Sitemaps (sitemaps.org, protocol 0.9) and `/robots.txt`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask import Blueprint, Response

from lms_bridge.catalogue import feed_queries as queries
from lms_bridge.catalogue.entry import Addresses, CatalogueEntry
from lms_bridge.catalogue.feed_queries import all_entries
from lms_bridge.catalogue.queries import CatalogueFilters
from lms_bridge.catalogue.requests import addresses, cacheable_response
from lms_bridge.catalogue.text import utc, xml
from lms_bridge.domain.errors import NotFound
from lms_bridge.web.access import the_bridge

MEDIA_TYPE = "application/xml; charset=utf-8"
MOST_PAGES = 50_000
MOST_OFFERINGS = MOST_PAGES - 1
"""In one part: the first one names the catalogue as well."""
_SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def index(parts: Iterable[str]) -> Iterator[bytes]:
    """The index of the parts' addresses."""
    yield f"{_DECLARATION}<sitemapindex {_SPACE}>\n".encode()
    for address in parts:
        yield f"<sitemap><loc>{xml(address)}</loc></sitemap>\n".encode()
    yield b"</sitemapindex>\n"


def part(
    entries: Iterable[CatalogueEntry], addresses: Addresses, *, first: bool
) -> Iterator[bytes]:
    """The pages of some offerings; in the first part that of the catalogue, too."""
    yield f"{_DECLARATION}<urlset {_SPACE}>\n".encode()
    if first:
        yield f"<url><loc>{xml(addresses.catalogue)}</loc></url>\n".encode()
    for entry in entries:
        changed = entry.changed_at
        when = f"<lastmod>{utc(changed)}</lastmod>" if changed is not None else ""
        page = xml(addresses.offering(entry.offering.code))
        yield f"<url><loc>{page}</loc>{when}</url>\n".encode()
    yield b"</urlset>\n"


def robots(addresses: Addresses) -> bytes:
    """``robots.txt`` (RFC 9309), with the address of the sitemap."""
    sitemap = addresses.under("/sitemap.xml")
    return f"User-agent: *\nAllow: /\nSitemap: {sitemap}\n".encode()


routes = Blueprint("sitemaps", __name__)


@routes.get("/robots.txt")
def show_robots() -> Response:
    return Response(robots(addresses()), content_type="text/plain; charset=utf-8")


@routes.get("/sitemap.xml")
def show_index() -> Response:
    with the_bridge().database.reading() as tx:
        state = queries.state(tx, queries.providers(tx))
        starts = queries.part_starts(tx, MOST_OFFERINGS)
    here = addresses()
    parts = [here.under(f"/sitemaps/{start}.xml") for start in starts]
    return cacheable_response(lambda: index(parts), MEDIA_TYPE, state)


@routes.get("/sitemaps/<int:start>.xml")
def show_part(start: int) -> Response:
    """The part that begins after a number."""
    if start >= 1 << 48:
        raise NotFound("no-such-part", "There is no such part of the sitemap.")
    database = the_bridge().database
    with database.reading() as tx:
        centres = queries.providers(tx)
        state = queries.state(tx, centres)
    here = addresses()
    return cacheable_response(
        lambda: part(
            all_entries(database, centres, CatalogueFilters(), after=start, most=MOST_OFFERINGS),
            here,
            first=start == 0,
        ),
        MEDIA_TYPE,
        state,
    )
