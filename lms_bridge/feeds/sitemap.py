"""Sitemaps (the protocol 0.9 of sitemaps.org): an index, and parts of at most 50,000 pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lms_bridge.feeds.addresses import Addresses
from lms_bridge.feeds.entry import Entry
from lms_bridge.feeds.text import xml
from lms_bridge.feeds.times import utc

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


def part(entries: Iterable[Entry], addresses: Addresses, *, first: bool) -> Iterator[bytes]:
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
    """``robots.txt`` (RFC 9309), which tells where the sitemap is."""
    sitemap = addresses.under("/sitemap.xml")
    return f"User-agent: *\nAllow: /\nSitemap: {sitemap}\n".encode()
