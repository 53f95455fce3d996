"""`/catalogue`: the offerings that the Academy acknowledged."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from lms_bridge.catalogue import feed_queries
from lms_bridge.catalogue.jsonld import in_page
from lms_bridge.catalogue.queries import (
    Moments,
    PageFilters,
    centres_with_offerings,
    count_listed,
    listed,
    one_listed,
)
from lms_bridge.catalogue.requests import addresses
from lms_bridge.domain.availability import availability
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.translations import reader_texts
from lms_bridge.web.access import the_bridge
from lms_bridge.web.filters import AVAILABILITIES, availability_label
from lms_bridge.web.languages import wanted_languages
from lms_bridge.web.paging import SIZE, Paging, page_param

pages = Blueprint("catalogue", __name__)


@pages.get("/catalogue")
def show() -> str:
    params = {name: request.args.get(name, "").strip()[:100] for name in PageFilters.__slots__}
    filters, page = PageFilters(**params), page_param()
    chosen = {name: text for name, text in params.items() if text}
    now, soon = utc_now(), the_bridge().settings.rules.soon
    at = Moments(now, now + soon)
    with the_bridge().database.reading() as tx:
        paging = Paging(page, count_listed(tx, filters, at))
        offerings = listed(tx, filters, at, limit=SIZE, offset=paging.offset)
        centres = centres_with_offerings(tx)
    wanted = wanted_languages()
    return render_template(
        "catalogue.html",
        offerings=[(each, reader_texts(each.fields, wanted)) for each in offerings],
        availability={each.code: availability(each.offering, now, soon) for each in offerings},
        availabilities={word: availability_label(word) for word in AVAILABILITIES},
        filters=filters,
        params=chosen,
        feed_params=chosen,
        paging=paging,
        centres=centres,
    )


@pages.get("/catalogue/<path:code>")
def show_one(code: str) -> str:
    with the_bridge().database.reading() as tx:
        offering = one_listed(tx, code)
        entry = feed_queries.entry(tx, feed_queries.providers(tx), code)
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
        availability=availability(offering.offering, utc_now(), the_bridge().settings.rules.soon),
        linked_data=in_page(entry, addresses()),
    )
