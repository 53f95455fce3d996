"""Cards of the catalogue's list. One is rendered once for each language and each change of its
offering: rendering takes most of the time of a page."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from flask import current_app
from markupsafe import Markup
from sqlalchemy import Connection

from lms_bridge.catalogue.index import CatalogueIndex
from lms_bridge.catalogue.queries import ListedOffering, listed_by_number
from lms_bridge.domain.translations import reader_texts
from lms_bridge.web.languages import language, wanted_languages

_MOST = 20_000
"""Cards of about one kilobyte."""


@dataclass
class Cards:
    """The cards of one process."""

    _kept: dict[Hashable, Markup] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, tx: Connection, index: CatalogueIndex, places: Sequence[int]) -> list[Markup]:
        """The cards of these places, in their order, without what is gone meanwhile."""
        reader = (language(), *wanted_languages()[:4], index.generation, index.centres_stamp)
        keys: dict[int, Hashable] = {
            place: (
                index.numbers[place],
                index.stamp_at(place),
                index.availability_at(place),
                *reader,
            )
            for place in places
        }
        there = {place: self._kept.get(key) for place, key in keys.items()}
        missing = [index.numbers[place] for place, card in there.items() if card is None]
        found = listed_by_number(tx, missing) if missing else {}
        for place, card in there.items():
            number = index.numbers[place]
            if card is None and number in found:
                made = _card(found[number], index.availability_at(place))
                there[place] = self._keep(keys[place], made)
        return [card for card in there.values() if card is not None]

    def _keep(self, key: Hashable, card: Markup) -> Markup:
        with self._lock:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            self._kept[key] = card
        return card


def _card(listed: ListedOffering, state: str) -> Markup:
    texts = reader_texts(listed.fields, wanted_languages())
    template = current_app.jinja_env.get_template("catalogue_card.html")
    html = template.render(each=listed, texts=texts, fields=texts.fields, state=state)
    return Markup(html)  # noqa: S704 (the template escapes)
