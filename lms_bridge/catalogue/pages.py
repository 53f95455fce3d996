"""`/catalogue`: the offerings that the Academy acknowledged, as a list, a calendar and a map."""

from __future__ import annotations

import gc
from contextlib import suppress
from datetime import datetime
from typing import Any

from flask import Blueprint, Flask, current_app, render_template, request
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.catalogue import feed_queries
from lms_bridge.catalogue.cards import Cards
from lms_bridge.catalogue.choices import CatalogueFilters, asked, choices
from lms_bridge.catalogue.index import OPEN_NOW, CatalogueIndex
from lms_bridge.catalogue.jsonld import in_page
from lms_bridge.catalogue.queries import listed_by_number, one_listed, other_dates
from lms_bridge.catalogue.region_map import HEIGHT, WIDTH, regions_of_map
from lms_bridge.catalogue.requests import addresses
from lms_bridge.domain.availability import availability
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.dates import zone_of
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.translations import reader_texts
from lms_bridge.web.access import the_bridge
from lms_bridge.web.languages import wanted_languages
from lms_bridge.web.month import Span, midnight, month_after, month_of, month_param, span_of
from lms_bridge.web.paging import Paging, page_param

pages = Blueprint("catalogue", __name__)
SIZE = 20
"""Courses on a page of the list."""
MOST_IN_MONTH, MOST_A_DAY = 300, 5
VIEWS = ("list", "calendar", "map")
_INDEX, _CARDS = "lms_bridge.catalogue_index", "lms_bridge.catalogue_cards"


def the_index() -> CatalogueIndex:
    """The sets of this application."""
    index: CatalogueIndex = current_app.extensions.setdefault(_INDEX, CatalogueIndex())
    return index


def fill_index(app: Flask) -> None:
    """Reads the whole catalogue before anybody asks: with 100,000 offerings this takes seconds. A
    database that is away is asked again by the first reader."""
    with app.app_context(), suppress(SQLAlchemyError):
        index, bridge = the_index(), the_bridge()
        soon = bridge.settings.rules.soon
        with bridge.database.reading() as tx, index.current(tx, utc_now(), soon):
            pass
    gc.freeze()  # the garbage collector need not search a million small objects again and again


@pages.get("/catalogue")
def show() -> str:
    view = request.args.get("view", "")
    view, now, what = (view if view in VIEWS else "list"), utc_now(), asked()
    index, page = the_index(), page_param()
    shown: dict[str, Any] = {}
    soon = the_bridge().settings.rules.soon
    with the_bridge().database.reading() as tx, index.current(tx, now, soon):
        skip = (page - 1) * SIZE if view == "list" else 0
        found = index.search(tx, what.question, skip=skip, most=SIZE if view == "list" else 0)
        if view == "list":
            cards: Cards = current_app.extensions.setdefault(_CARDS, Cards())
            shown["cards"] = cards.of(tx, index, found.places)
        elif view == "calendar":
            shown |= _month(tx, index, what, now)
        else:
            regions = regions_of_map(index, found.counts)
            shown |= {"regions": regions, "width": WIDTH, "height": HEIGHT}
        offered = choices(index, found.counts, what.params)
    others = found.counts["availability"].get("current", 0) - found.total
    return render_template(
        "catalogue.html",
        view=view,
        views=VIEWS,
        total=found.total,
        closed=others if what.params["availability"] == OPEN_NOW else 0,
        choices=offered,
        params=what.params,
        asked=what,
        chosen=what.set,
        paging=Paging(page, found.total, SIZE),
        **shown,
    )


def _month(
    tx: Connection, index: CatalogueIndex, what: CatalogueFilters, now: datetime
) -> dict[str, Any]:
    """The courses of the month, each on the days of its own time zone."""
    utc = zone_of("UTC")
    first = month_param(now.date())
    start, end = midnight(first, utc).timestamp(), midnight(month_after(first), utc).timestamp()
    whole = index.matching(tx, what.question)
    total, places = index.under_way(whole, start, end, MOST_IN_MONTH)
    found = listed_by_number(tx, [index.numbers[place] for place in places]) if places else {}
    wanted, spans = wanted_languages(), list[Span]()
    for place in places:
        each = found.get(index.numbers[place])
        record = each.offering if each is not None else None
        if each is None or record is None or record.starts_at is None:
            continue
        course, zone = (each.code, reader_texts(each.fields, wanted)), zone_of(record.time_zone)
        spans.append(span_of(course, record.starts_at, record.ends_at, zone))
    month = month_of(first, spans, most_a_day=MOST_A_DAY)
    return {"month": month, "in_month": total, "most_in_month": MOST_IN_MONTH}


@pages.get("/catalogue/<path:code>")
def show_one(code: str) -> str:
    now, soon = utc_now(), the_bridge().settings.rules.soon
    with the_bridge().database.reading() as tx:
        offering = one_listed(tx, code)
        entry = feed_queries.entry(tx, feed_queries.providers(tx), code)
        others = other_dates(tx, offering) if offering is not None else []
    if offering is None or entry is None:
        raise NotFound("no-such-offering", "The catalogue has no such offering, or no longer.")
    wanted = wanted_languages()
    texts = reader_texts(offering.fields, wanted)
    return render_template(
        "offering.html",
        offering=offering,
        texts=texts,
        lacks=texts.lacks(wanted),
        fields=texts.fields,
        availability=availability(offering.offering, now, soon),
        other_dates=[
            (each, reader_texts(each.fields, wanted), availability(each.offering, now, soon))
            for each in others
        ],
        linked_data=in_page(entry, addresses()),
    )
