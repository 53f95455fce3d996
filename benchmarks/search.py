"""The catalogue's page with words and three filters, beside a bare "hello" on the same server: by
questions that nobody asked before, and by questions that readers ask again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import accumulate, count, islice
from pathlib import Path
from statistics import median, quantiles

import requests

from benchmarks.beside_hello import beside_hello, on_both, rates
from benchmarks.report import Row
from lms_bridge.domain.model import Level, Modality
from lms_bridge.reference import reference

OFFERINGS = 100_000
SINGLE, REQUESTS = 1_000, 400
READERS, QUESTIONS = 1_500, 3_000
"""Requests of a round of readers, and the different questions that they ask."""
MOST_MS, LEAST = 100.0, 0.2
"""The slowest of a hundred pages, one at a time; the share of the rate of "hello"."""
_WORDS = (
    "spectrum",
    "management",
    "monit",
    "edition",
    "networks",
    "licence",
    "course plan",
    "services",
)


def search(folder: Path, offerings: int = OFFERINGS) -> list[Row]:
    """Times and rates on SQLite and on PostgreSQL."""

    def measured(name: str, address: str) -> list[Row]:
        unlimited = "WEB__REQUESTS_PER_MINUTE"
        with beside_hello(address, offerings, folder, unlimited) as (ours, theirs):
            pages = _pages(offerings)
            times = _one_at_a_time(ours, pages)
            own, bare = rates(ours, theirs, pages, REQUESTS)
            again = rates(ours, theirs, _readers(offerings), READERS)
        what = f"{name}: words and three filters over {offerings:,} offerings"
        return [*_rows(what, times, own, bare), _rate_row(f"{what}, as readers ask", *again)]

    return on_both(folder, measured)


def _rows(what: str, times: list[float], own: list[float], bare: list[float]) -> list[Row]:
    first, *others = times
    slow = quantiles(others, n=100)[-1]
    return [
        Row(
            f"{what}: p99, one at a time",
            f"{slow:.0f} ms (median {median(others):.0f} ms; the very first {first:,.0f} ms)",
            f"< {MOST_MS:.0f} ms",
            slow < MOST_MS,
            {"milliseconds": times},
        ),
        _rate_row(f"{what}, never asked before", own, bare),
    ]


def _rate_row(what: str, own: list[float], bare: list[float]) -> Row:
    share = median(page / hello for page, hello in zip(own, bare, strict=True))
    return Row(
        f"{what}: rate / hello",
        f"{share:.0%} ({median(own):,.0f}/s of {median(bare):,.0f}/s)",
        f">= {LEAST:.0%}",
        share >= LEAST,
        {"rates": own, "hello": bare},
    )


def _pages(offerings: int) -> Iterator[str]:
    """Questions in an order that is always the same, each asked once: some of words that nobody
    asked for before."""
    chance, regions, asked = random.Random(14), list(reference().regions), set[str]()
    for number in count():
        rare = f"{chance.randrange(offerings)}"
        text = rare if number % 4 == 0 else chance.choice(_WORDS)
        filters = [
            f"region={chance.choice(regions)}",
            f"modality={chance.choice(list(Modality))}",
            f"level={chance.choice(list(Level))}",
            f"language={chance.choice(('en', 'fr'))}",
            f"price={chance.choice(('free', 'paid'))}",
            f"starts_from={2060 + chance.randrange(2)}-{1 + chance.randrange(12):02}-01",
        ]
        chosen = "&".join(chance.sample(filters, 3))
        page = f"/catalogue?text={text.replace(' ', '+')}&{chosen}"
        if page not in asked:
            asked.add(page)
            yield page


def _readers(offerings: int) -> Iterator[str]:
    """Other questions, as often as readers ask them by Zipf's law: the second most popular one half
    as often as the first, the hundredth a hundredth as often. The first ten of them are a third of
    all requests, and each of the rarer half is asked once or twice in 20,000."""
    pages = list(islice(_pages(offerings), 20_000, 20_000 + QUESTIONS))
    chance, weights = (
        random.Random(41),
        list(accumulate(1 / rank for rank in range(1, QUESTIONS + 1))),
    )
    while True:
        yield chance.choices(pages, cum_weights=weights)[0]


def _one_at_a_time(address: str, pages: Iterator[str]) -> list[float]:
    """Milliseconds of each page. The first one is asked for until the index is filled."""
    found: list[float] = []
    with requests.Session() as session:
        for _ in range(SINGLE + 1):
            path, began = next(pages), time.perf_counter()
            answer = session.get(address + path, timeout=120)
            while answer.status_code == 503 and not found:
                time.sleep(0.1)
                answer = session.get(address + path, timeout=120)
            found.append((time.perf_counter() - began) * 1000)
            if answer.status_code != 200:
                raise RuntimeError(f"{path} answered {answer.status_code}")
    return found
