"""``/catalogue.ics``, ``.atom``, ``.jsonld``: for calendars, news readers, search engines."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, request

from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.feeds import atom, calendar, jsonld
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.feeds.answering import answer
from lms_bridge.web.feeds.asking import addresses, asked_for, name_of, source
from lms_bridge.web.feeds.reading import all_entries
from lms_bridge.web.queries import feeds as queries

routes = Blueprint("feeds", __name__)
PAGE = 100
"""Changes on one page of the news."""
_FIRST, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_PLACE = re.compile(r"(\d{1,16})\.(\d{1,18})", re.ASCII)


@routes.get("/catalogue.ics")
def calendar_feed() -> Response:
    database = the_bridge().database
    with database.reading() as tx:
        centres = queries.givers(tx)
        asked = asked_for(centres)
        state = queries.state(tx, centres)
        known = not asked.code or queries.numbers(tx, centres, asked, most=1, cancelled=True)
    if not known:
        raise NotFound("no-such-offering", "The catalogue has no such offering, or no longer.")
    here, name, own = addresses(), name_of(asked, centres), source()
    return answer(
        lambda: calendar.calendar(
            all_entries(database, centres, asked, cancelled=True),
            here,
            name=name,
            source=own,
            at=state.at,
        ),
        calendar.MEDIA_TYPE,
        state,
    )


@routes.get("/catalogue.jsonld")
def data_feed() -> Response:
    database = the_bridge().database
    with database.reading() as tx:
        centres = queries.givers(tx)
        asked = asked_for(centres)
        state = queries.state(tx, centres)
    here, name, own = addresses(), name_of(asked, centres), source()
    return answer(
        lambda: jsonld.data_feed(
            all_entries(database, centres, asked), here, name=name, source=own, at=state.at
        ),
        jsonld.MEDIA_TYPE,
        state,
    )


@routes.get("/catalogue.atom")
def news() -> Response:
    with the_bridge().database.reading() as tx:
        centres = queries.givers(tx)
        asked = asked_for(centres, "before")
        state = queries.state(tx, centres)
        before = _place(request.args.get("before", ""))
        page = queries.changes(tx, centres, asked, before=before, most=PAGE + 1)
    here, name, own = addresses(), name_of(asked, centres), source()
    filters = {name: text for name, text in request.args.items() if name != "before"}
    links = [("self", own), ("first", here.under(request.path, **filters))]
    if len(page) > PAGE:
        last = _text(page[PAGE - 1][0])
        links.append(("next", here.under(request.path, **filters, before=last)))
    changed = [each for _, each in page[:PAGE]]
    at = max((each.changed_at for each in changed if each.changed_at), default=None)
    return answer(
        lambda: atom.feed(changed, here, name=name, at=at, links=links),
        atom.MEDIA_TYPE,
        state,
    )


def _text(place: queries.Place) -> str:
    """A place in the order of changes as a part of an address: microseconds, and the number."""
    return f"{(place.changed_at - _FIRST) // _MICROSECOND}.{place.record_id}"


def _place(text: str) -> queries.Place | None:
    """The place that an address names; none where it names none.

    Raises:
        Refused: it is not one that this server gave.
    """
    if not text:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise Refused("unknown-value", "The address names no page of this feed.")
    since, number = int(found[1]), int(found[2])
    return queries.Place(_FIRST + since * _MICROSECOND, number)
