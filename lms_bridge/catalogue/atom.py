"""Atom (RFC 4287): the newest changes first, in pages (RFC 5005, section 3), with tombstones of
what the catalogue no longer shows (RFC 6721)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from lms_bridge import __version__
from lms_bridge.catalogue.entry import Addresses, CatalogueEntry, stable_id
from lms_bridge.catalogue.text import line, plain, utc, xml
from lms_bridge.domain.model import OfferingStatus

MEDIA_TYPE = "application/atom+xml; charset=utf-8"
LONGEST_SUMMARY = 1_000
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)


def feed(
    entries: Iterable[CatalogueEntry],
    addresses: Addresses,
    *,
    name: str,
    at: datetime | None,
    links: Iterable[tuple[str, str]],
) -> Iterator[bytes]:
    """One page. ``links`` are (relation, address): ``self`` and ``first``, and ``next`` where
    there is an older page. ``at`` is when the newest of all changes was."""
    yield "".join(_head(name, addresses, at, list(links))).encode()
    for entry in entries:
        text = _tombstone(entry) if entry.withdrawn else _entry(entry, addresses)
        yield "".join(text).encode()
    yield b"</feed>\n"


def _head(
    name: str, addresses: Addresses, at: datetime | None, links: list[tuple[str, str]]
) -> Iterator[str]:
    first = dict(links).get("first", "")
    yield '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom"'
    yield ' xmlns:at="http://purl.org/atompub/tombstones/1.0">\n'
    yield f"<id>{stable_id('atom', first).urn}</id>\n"
    yield f"<title>{xml(line(name))}</title>\n<updated>{utc(at or _UNKNOWN)}</updated>\n"
    yield f'<generator version="{xml(__version__)}">lms_bridge</generator>\n'
    for relation, address in links:
        yield f'<link rel="{xml(relation)}" type="application/atom+xml" href="{xml(address)}"/>\n'
    yield f'<link rel="alternate" type="text/html" href="{xml(addresses.catalogue)}"/>\n'


def _tombstone(entry: CatalogueEntry) -> Iterator[str]:
    when = utc(entry.changed_at or _UNKNOWN)
    yield f'<at:deleted-entry ref="{_id(entry)}" when="{when}">'
    if entry.offering.status is OfferingStatus.CANCELLED:
        yield "<at:comment>Cancelled</at:comment>"
    yield "</at:deleted-entry>\n"


def _entry(entry: CatalogueEntry, addresses: Addresses) -> Iterator[str]:
    offering = entry.offering
    page = addresses.offering(offering.code)
    yield f"<entry>\n<id>{_id(entry)}</id>\n<title>{xml(line(offering.title))}</title>\n"
    yield f"<updated>{utc(entry.changed_at or _UNKNOWN)}</updated>\n"
    yield f"<author><name>{xml(line(entry.provider.name))}</name></author>\n"
    yield f'<link rel="alternate" type="text/html" href="{xml(page)}"/>\n'
    calendar = addresses.under("/catalogue.ics", code=offering.code)
    yield f'<link rel="related" type="text/calendar" href="{xml(calendar)}"/>\n'
    for topic in offering.topics:
        yield f'<category term="{xml(line(topic))}"/>\n'
    yield f"<summary>{xml(_summary(entry))}</summary>\n</entry>\n"


def _summary(entry: CatalogueEntry) -> str:
    offering = entry.offering
    facts = [f"Status: {offering.status}."]
    if offering.starts_at is not None:
        facts.append(f"Starts {offering.starts_at.astimezone(entry.zone).date().isoformat()}.")
    if entry.provider.sample:
        facts.append("A sample, invented for demonstration.")
    return f"{' '.join(facts)}\n{plain(offering.description, longest=LONGEST_SUMMARY)}".strip()


def _id(entry: CatalogueEntry) -> str:
    return stable_id("offering", entry.offering.code).urn
