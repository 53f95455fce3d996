"""Feeds over HTTP: iCalendar, Atom, JSON-LD, CSV and OneRoster, open to everybody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, request

from lms_bridge.catalogue import atom, csv, ical, jsonld, oneroster
from lms_bridge.catalogue import feed_queries as queries
from lms_bridge.catalogue.entry import CatalogueEntry
from lms_bridge.catalogue.feed_queries import all_entries
from lms_bridge.catalogue.requests import (
    addresses,
    cacheable_response,
    feed_address,
    feed_languages,
    feed_name,
    feed_params,
)
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.web.access import the_bridge

routes = Blueprint("feeds", __name__)
PAGE = 100
"""Changes on one page of the Atom feed."""


@routes.get("/catalogue.ics")
def calendar() -> Response:
    database = the_bridge().database
    with database.reading() as tx:
        centres = queries.providers(tx)
        filters = feed_params(centres, "lang")
        state = queries.state(tx, centres, filters)
        known = not filters.code or queries.numbers(tx, centres, filters, most=1, cancelled=True)
    if not known:
        raise NotFound("no-such-offering", "The catalogue has no such offering, or no longer.")
    here, name, source = addresses(), feed_name(filters, centres), feed_address()
    wanted = feed_languages()
    return cacheable_response(
        lambda: ical.calendar(
            (
                each.in_language(wanted)
                for each in all_entries(database, centres, filters, cancelled=True)
            ),
            here,
            name=name,
            source=source,
            at=state.at,
        ),
        ical.MEDIA_TYPE,
        state,
        languages=wanted,
    )


@routes.get("/catalogue.jsonld")
def linked_data() -> Response:
    database = the_bridge().database
    with database.reading() as tx:
        centres = queries.providers(tx)
        filters = feed_params(centres)
        state = queries.state(tx, centres, filters)
    here, name, source = addresses(), feed_name(filters, centres), feed_address()
    return cacheable_response(
        lambda: jsonld.data_feed(
            all_entries(database, centres, filters), here, name=name, source=source, at=state.at
        ),
        jsonld.MEDIA_TYPE,
        state,
    )


@routes.get("/catalogue.csv")
def table() -> Response:
    return _file(csv.table, csv.MEDIA_TYPE, "catalogue.csv")


@routes.get("/catalogue.oneroster.zip")
def roster() -> Response:
    return _file(oneroster.roster, oneroster.MEDIA_TYPE, "catalogue.oneroster.zip")


def _file(
    write: Callable[[Iterable[CatalogueEntry]], Iterator[bytes]], media_type: str, name: str
) -> Response:
    database = the_bridge().database
    with database.reading() as tx:
        centres = queries.providers(tx)
        filters = feed_params(centres)
        state = queries.state(tx, centres, filters)
    return cacheable_response(
        lambda: write(all_entries(database, centres, filters)), media_type, state, file_name=name
    )


@routes.get("/catalogue.atom")
def news() -> Response:
    with the_bridge().database.reading() as tx:
        centres = queries.providers(tx)
        filters = feed_params(centres, "before", "lang")
        if not filters.availability:  # whoever follows changes learns also of what is over
            filters = replace(filters, at=None)
        state = queries.state(tx, centres, filters)
        before = _place(request.args.get("before", ""))
        page = queries.changes(tx, centres, filters, before=before, most=PAGE + 1)
    here, name = addresses(), feed_name(filters, centres)
    params = {name: text for name, text in request.args.items() if name != "before"}
    links = [("self", feed_address()), ("first", here.under(request.path, **params))]
    if len(page) > PAGE:
        last = _place_text(page[PAGE - 1][0])
        links.append(("next", here.under(request.path, **params, before=last)))
    wanted = feed_languages()
    changed = [each.in_language(wanted) for _, each in page[:PAGE]]
    at = max((each.changed_at for each in changed if each.changed_at), default=None)
    return cacheable_response(
        lambda: atom.feed(changed, here, name=name, at=at, links=links),
        atom.MEDIA_TYPE,
        state,
        languages=wanted,
    )


_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_PLACE = re.compile(r"(\d{1,16})\.(\d{1,18})", re.ASCII)


def _place_text(place: queries.ChangePlace) -> str:
    """A place in the order of changes, for an address: microseconds, and the record's number."""
    return f"{(place.changed_at - _EPOCH) // _MICROSECOND}.{place.record_id}"


def _place(text: str) -> queries.ChangePlace | None:
    """The inverse; None for the first page.

    Raises:
        Refused: the text is not a place.
    """
    if not text:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise Refused("unknown-value", "The address names no page of this feed.")
    since, number = int(found[1]), int(found[2])
    return queries.ChangePlace(_EPOCH + since * _MICROSECOND, number)
