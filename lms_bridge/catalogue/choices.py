"""The filters of the catalogue's page: what a reader chose, and what there is, with counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlencode

from flask import request
from flask_babel import gettext
from markupsafe import Markup, escape

from lms_bridge.catalogue import queries
from lms_bridge.catalogue.index import FILTERS, OPEN_NOW, CatalogueIndex, CatalogueQuestion
from lms_bridge.catalogue.requests import day_of
from lms_bridge.web.filters import AVAILABILITIES, availability_label, labels, number_text
from lms_bridge.web.filters import language as language_name
from lms_bridge.web.languages import language, wanted_languages, word

_LONGEST = 100
DAYS = ("starts_from", "starts_to")


@dataclass(frozen=True, slots=True)
class CatalogueParams:
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
    def feed_query(self) -> str:
        """The same filters for a feed, where open courses have to be asked for."""
        availability = self.params["availability"] or queries.OPEN_NOW
        return urlencode({**self.set, "availability": availability})

    @property
    def more(self) -> bool:
        """Whether a filter is set that the page folds away."""
        return any(self.params[name] for name in ("modality", "level", "price", *DAYS))


def asked() -> CatalogueParams:
    """What the address asks for. A day that is none does not count."""
    params = {
        name: request.args.get(name, "").strip()[:_LONGEST] for name in ("text", *FILTERS, *DAYS)
    }
    for name in DAYS:
        params[name] = params[name] if day_of(params[name]) else ""
    return CatalogueParams(params)


def options(
    index: CatalogueIndex, found: Mapping[str, Mapping[str, int]], params: Mapping[str, str]
) -> dict[str, Markup]:
    """{filter: its choices as HTML} of those that fit something, and of those that are chosen."""
    return {
        name: Markup("".join(_options(index, name, found[name], params[name])))  # noqa: S704 (escaped)
        for name in FILTERS
    }


def _options(
    index: CatalogueIndex, name: str, counts: Mapping[str, int], chosen: str
) -> Iterator[str]:
    locale = language()
    for value, label in _labels(index, name, counts, chosen):
        many = counts.get(value, 0)
        if many or value == chosen:
            yield f"{_option(value, label, value == chosen)} ({number_text(many, locale)})</option>"


@lru_cache(8_192)
def _option(value: str, label: str, chosen: bool) -> str:
    """A choice up to its count: how many offerings fit it and all other filters. A page has some
    hundred of them, and a template takes ten times as long."""
    selected = " selected" if chosen else ""
    return f'<option value="{escape(value)}"{selected} dir="auto">{escape(label)}'


def _labels(
    index: CatalogueIndex, name: str, counts: Mapping[str, int], chosen: str
) -> Iterable[tuple[str, str]]:
    if name == "centre":
        return ((code, each.name) for code, each in index.centres.items())
    if name == "topic":
        return ((key, word(area)) for key, area in index.areas.items())
    if name == "language":
        mine = [tag.lower().partition("-")[0] for tag in wanted_languages()]
        first = [tag for tag in dict.fromkeys(mine) if tag in counts]
        rest = {*counts, chosen} - {*first, ""}
        others = sorted(rest, key=lambda tag: (-counts.get(tag, 0), tag))
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
