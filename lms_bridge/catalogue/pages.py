"""`/catalogue`: the offerings that the Academy acknowledged, as a list, a calendar and a map."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, current_app, render_template, request
from markupsafe import Markup, escape
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.catalogue import feed_queries
from lms_bridge.catalogue.cards import Cards
from lms_bridge.catalogue.choices import DAYS, CatalogueParams, asked, options
from lms_bridge.catalogue.index import OPEN_NOW, CatalogueFound, CatalogueIndex
from lms_bridge.catalogue.jsonld import in_page
from lms_bridge.catalogue.page_cache import cached, the_index
from lms_bridge.catalogue.queries import listed_by_number, one_listed, other_dates
from lms_bridge.catalogue.region_map import HEIGHT, WIDTH, regions_of_map
from lms_bridge.catalogue.requests import addresses
from lms_bridge.domain.availability import availability
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.dates import zone_of
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.translations import reader_texts
from lms_bridge.web.access import current_user, the_bridge
from lms_bridge.web.filters import number
from lms_bridge.web.languages import address_here, wanted_languages
from lms_bridge.web.month import Span, midnight, month_after, month_of, month_param, span_of
from lms_bridge.web.paging import Paging, address_with, page_param
from lms_bridge.web.skeletons import filled

pages = Blueprint("catalogue", __name__)
SIZE = 20
"""Courses on a page of the list."""
MOST_IN_MONTH, MOST_A_DAY = 300, 5
VIEWS = ("list", "calendar", "map")
_CARDS = "lms_bridge.catalogue_cards"


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
@cached()
def show() -> str:
    view = request.args.get("view", "")
    view, now, what = (view if view in VIEWS else "list"), utc_now(), asked()
    index, page = the_index(), page_param()
    shown, cards = dict[str, Any](), list[Markup]()
    soon = the_bridge().settings.rules.soon
    with the_bridge().database.reading() as tx, index.current(tx, now, soon):
        skip = (page - 1) * SIZE if view == "list" else 0
        found = index.search(tx, what.question, skip=skip, most=SIZE if view == "list" else 0)
        if view == "list":
            kept: Cards = current_app.extensions.setdefault(_CARDS, Cards())
            cards = kept.of(tx, index, found.places)
        elif view == "calendar":
            shown |= _month(tx, index, what, now)
        else:
            regions = regions_of_map(index, found.counts)
            shown |= {"regions": regions, "width": WIDTH, "height": HEIGHT}
        offered = options(index, found.counts, what.params)
    texts = _texts(what, found, offered)
    states = {"view": view, "more": what.more, "chosen": bool(what.set)}
    if view != "list":
        return render_template("catalogue.html", **states, **texts, **shown)
    texts["cards"] = Markup("").join(cards)
    texts["paging_links"] = _paging_links(Paging(page, found.total, SIZE))
    states["any"] = bool(cards)
    if current_user() is not None:  # whose menu is their own
        return render_template("catalogue.html", **states, **texts)
    return filled("catalogue.html", {**texts, "this_address": address_here()}, **states)


def _texts(
    what: CatalogueParams, found: CatalogueFound, offered: Mapping[str, Markup]
) -> dict[str, str]:
    """What differs from page to page. Only ``closed`` decides about other parts of the page."""
    others = found.counts["availability"].get("current", 0) - found.total
    is_open = what.params["availability"] == OPEN_NOW
    shown = {
        **{name: what.params[name] for name in ("text", *DAYS)},
        "total": number(found.total),
        "feed_query": what.feed_query,
        "list_address": address_with(view="", page=""),
        "calendar_address": address_with(view="calendar", page=""),
        "map_address": address_with(view="map", page=""),
        "current_address": address_with(availability="current", page=""),
    }
    texts: dict[str, str] = {name: escape(text) for name, text in shown.items()}
    texts |= {f"{name}_options": html for name, html in offered.items()}
    return {**texts, "closed": number(others) if is_open and others > 0 else ""}


def _paging_links(paging: Paging) -> Markup:
    parts: Any = current_app.jinja_env.get_template("parts.html").module
    return Markup(parts.pages(paging))  # noqa: S704 (the template escapes)


def _month(
    tx: Connection, index: CatalogueIndex, what: CatalogueParams, now: datetime
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
    next_start = None if spans else index.first_start(whole, end)
    later = datetime.fromtimestamp(next_start, UTC).date() if next_start is not None else None
    month = month_of(first, spans, later=later, most_a_day=MOST_A_DAY)
    return {"month": month, "in_month": total, "most_in_month": MOST_IN_MONTH}


@pages.get("/catalogue/<path:code>")
@cached()
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
