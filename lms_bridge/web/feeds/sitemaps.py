"""``/sitemap.xml`` and ``/robots.txt``: where search engines find the catalogue's pages."""

from __future__ import annotations

from flask import Blueprint, Response

from lms_bridge.domain.errors import NotFound
from lms_bridge.feeds import sitemap
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.feeds.answering import answer
from lms_bridge.web.feeds.asking import addresses
from lms_bridge.web.feeds.reading import all_entries
from lms_bridge.web.queries import feeds as queries
from lms_bridge.web.queries.asked import Asked

routes = Blueprint("sitemaps", __name__)


@routes.get("/robots.txt")
def robots() -> Response:
    return Response(sitemap.robots(addresses()), content_type="text/plain; charset=utf-8")


@routes.get("/sitemap.xml")
def index() -> Response:
    with the_bridge().database.reading() as tx:
        state = queries.state(tx, queries.givers(tx))
        starts = queries.part_starts(tx, sitemap.MOST_OFFERINGS)
    here = addresses()
    parts = [here.under(f"/sitemaps/{start}.xml") for start in starts]
    return answer(lambda: sitemap.index(parts), sitemap.MEDIA_TYPE, state)


@routes.get("/sitemaps/<int:start>.xml")
def part(start: int) -> Response:
    """The part that begins after a number."""
    if start >= 1 << 48:
        raise NotFound("no-such-part", "There is no such part of the sitemap.")
    database = the_bridge().database
    with database.reading() as tx:
        centres = queries.givers(tx)
        state = queries.state(tx, centres)
    here = addresses()
    return answer(
        lambda: sitemap.part(
            all_entries(database, centres, Asked(), after=start, most=sitemap.MOST_OFFERINGS),
            here,
            first=start == 0,
        ),
        sitemap.MEDIA_TYPE,
        state,
    )
