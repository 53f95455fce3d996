"""The filters of the catalogue's page: what a reader chose, and what there is, with counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import request
from flask_babel import gettext

from lms_bridge.catalogue import queries
from lms_bridge.catalogue.index import FILTERS, OPEN_NOW, CatalogueIndex, CatalogueQuestion
from lms_bridge.catalogue.requests import day_of
from lms_bridge.web.filters import AVAILABILITIES, availability_label, labels
from lms_bridge.web.filters import language as language_name
from lms_bridge.web.languages import wanted_languages, word

_LONGEST = 100
DAYS = ("starts_from", "starts_to")


@dataclass(frozen=True, slots=True)
class FilterValue:
    """A value of a filter. ``count`` is how many offerings fit it and all other filters."""

    value: str
    label: str
    count: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class CatalogueFilters:
    """The parameters of the address, by name; an empty text means everything."""

    params: Mapping[str, str]

    @property
    def question(self) -> CatalogueQuestion:
        chosen = {name: self.params[name] for name in FILTERS}
        first, last = (day_of(self.params[name]) for name in DAYS)
        return CatalogueQuestion(
            self.params["text"],
            chosen,
            queries.first_moment(first) if first else None,
            queries.last_moment(last) if last else None,
        )

    @property
    def set(self) -> dict[str, str]:
        return {name: text for name, text in self.params.items() if text}

    @property
    def for_feeds(self) -> dict[str, str]:
        """The same filters for a feed, where open courses have to be asked for."""
        return {**self.set, "availability": self.params["availability"] or queries.OPEN_NOW}

    @property
    def more(self) -> bool:
        """Whether a filter is set that the page folds away."""
        return any(self.params[name] for name in ("modality", "level", "price", *DAYS))


def asked() -> CatalogueFilters:
    """What the address asks for. A day that is none does not count."""
    params = {
        name: request.args.get(name, "").strip()[:_LONGEST] for name in ("text", *FILTERS, *DAYS)
    }
    for name in DAYS:
        params[name] = params[name] if day_of(params[name]) else ""
    return CatalogueFilters(params)


def choices(
    index: CatalogueIndex, found: Mapping[str, Mapping[str, int]], params: Mapping[str, str]
) -> dict[str, list[FilterValue]]:
    """{filter: its choices} of those that fit something, and of those that are chosen."""
    return {
        name: [
            FilterValue(value, label, found[name].get(value, 0), value == params[name])
            for value, label in _labels(index, name, found[name])
            if found[name].get(value) or (value and value == params[name])
        ]
        for name in FILTERS
    }


def _labels(
    index: CatalogueIndex, name: str, counts: Mapping[str, int]
) -> Iterable[tuple[str, Any]]:
    if name == "centre":
        return ((code, each.name) for code, each in index.centres.items())
    if name == "topic":
        return ((key, word(area)) for key, area in index.areas.items())
    if name == "language":
        mine = [tag.lower().partition("-")[0] for tag in wanted_languages()]
        first = [tag for tag in dict.fromkeys(mine) if tag in counts]
        others = sorted(set(counts) - set(first), key=lambda tag: -counts[tag])
        return ((tag, language_name(tag)) for tag in (*first, *others))
    if name == "price":
        return (("free", gettext("Free")), ("paid", gettext("Paid")))
    if name == "availability":
        words = [each for each in AVAILABILITIES if each != "all"]
        states = [(each, availability_label(each)) for each in words]
        return (
            (OPEN_NOW, gettext("Open for registration now")),
            ("current", gettext("Current and future courses")),
            *states,
            ("all", availability_label("all")),
        )
    return labels({"region": "regions", "modality": "modalities", "level": "levels"}[name]).items()
