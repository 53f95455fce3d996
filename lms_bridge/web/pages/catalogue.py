"""`/catalogue`: the offerings that the Academy acknowledged."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from lms_bridge.domain.errors import NotFound
from lms_bridge.feeds.jsonld import in_page
from lms_bridge.sync.work import utc_now
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.feeds.asking import addresses
from lms_bridge.web.paging import SIZE, Paging, asked_page
from lms_bridge.web.queries import feeds
from lms_bridge.web.queries.catalogue import (
    Filters,
    centres_with_offerings,
    count_listed,
    listed,
    one_listed,
)

pages = Blueprint("catalogue", __name__)


@pages.get("/catalogue")
def show() -> str:
    asked = {name: request.args.get(name, "").strip()[:100] for name in Filters.__slots__}
    filters, page = Filters(**asked), asked_page()
    with the_bridge().database.reading() as tx:
        paging = Paging(page, count_listed(tx, filters))
        offerings = listed(tx, filters, utc_now(), limit=SIZE, offset=paging.offset)
        centres = centres_with_offerings(tx)
    return render_template(
        "catalogue.html",
        offerings=offerings,
        filters=filters,
        asked={name: text for name, text in asked.items() if text},
        paging=paging,
        centres=centres,
    )


@pages.get("/catalogue/<path:code>")
def show_one(code: str) -> str:
    with the_bridge().database.reading() as tx:
        offering = one_listed(tx, code)
        shown = feeds.entry(tx, feeds.givers(tx), code)
    if offering is None or shown is None:
        raise NotFound("no-such-offering", "The catalogue has no such offering, or no longer.")
    return render_template(
        "offering.html",
        offering=offering,
        fields=offering.fields,
        linked_data=in_page(shown, addresses()),
    )
