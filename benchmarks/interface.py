"""A page of the catalogue through the interface, beside a bare "hello" on the same server."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from itertools import count, product
from pathlib import Path
from statistics import median

from benchmarks.beside_hello import beside_hello, hellos, on_both, rate, rates
from benchmarks.report import Row
from lms_bridge.domain.model import Level, Modality
from lms_bridge.reference import reference

OFFERINGS, PAGE = 100_000, 50
REQUESTS = 1_500
LEAST = 0.2
"""The share of the rate of "hello" that a page of the catalogue must reach."""
_STEP, _LAST = 7_919, OFFERINGS - 5_000
"""Pages begin so far from each other, and none so late that it is not whole. The two have no
divisor in common: no page is asked for twice in as many requests."""


def interface(folder: Path) -> list[Row]:
    """Rates on SQLite and on PostgreSQL, each in alternation with those of "hello"."""

    def measured(name: str, address: str) -> list[Row]:
        unlimited = "API__OPEN_REQUESTS_PER_MINUTE"
        with beside_hello(address, OFFERINGS, folder, unlimited) as (ours, theirs):
            return [_row(name, ours, theirs)]

    return on_both(folder, measured)


def _row(name: str, ours: str, theirs: str) -> Row:
    pages = _pages()
    rate(ours, pages, 200)
    rate(theirs, hellos(), 200)
    own, bare = rates(ours, theirs, pages, REQUESTS)
    share = median(page / hello for page, hello in zip(own, bare, strict=True))
    return Row(
        f"{name}: a page of {PAGE} offerings of {OFFERINGS:,} that nobody asked for before, two "
        "filters: rate / hello",
        f"{share:.0%} ({median(own):,.0f}/s of {median(bare):,.0f}/s)",
        f">= {LEAST:.0%}",
        share >= LEAST,
        {"rates": own, "hello": bare},
    )


def _pages() -> Iterator[str]:
    """Each with another beginning, and in turn with each pair of filters."""
    pairs = filters()
    for number in count():
        after = number * _STEP % _LAST
        cursor = urlsafe_b64encode(f"after:{after}".encode()).decode().rstrip("=")
        yield f"/api/v1/offerings?{pairs[number % len(pairs)]}&cursor={cursor}"


def filters() -> list[str]:
    """Pairs of filters that find whole pages of the sample offerings, as many of each kind."""
    regions = list(enumerate(reference().regions))
    modalities = list(enumerate(Modality))
    kinds = (
        # Every second modality is that of every second centre, hence of every second region.
        [
            f"region={region}&modality={modality}"
            for (first, region), (second, modality) in product(regions, modalities)
            if first % 2 == second % 2
        ],
        [f"region={region}&level={level}" for (_, region), level in product(regions, Level)],
        [f"modality={each}&level={level}" for (_, each), level in product(modalities, Level)],
        [
            f"region={each}&language={language}"
            for (_, each) in regions
            for language in ("en", "fr")
        ],
    )
    return [pair for kind in zip(*kinds, strict=False) for pair in kind]
