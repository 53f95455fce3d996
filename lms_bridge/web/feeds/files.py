"""``/catalogue.csv`` and ``/catalogue.oneroster.zip``: the catalogue as files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from flask import Blueprint, Response

from lms_bridge.feeds import oneroster, table
from lms_bridge.feeds.entry import Entry
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.feeds.answering import answer
from lms_bridge.web.feeds.asking import asked_for
from lms_bridge.web.feeds.reading import all_entries
from lms_bridge.web.queries import feeds as queries

routes = Blueprint("feed_files", __name__)


@routes.get("/catalogue.csv")
def as_table() -> Response:
    return _file(table.table, table.MEDIA_TYPE, "catalogue.csv")


@routes.get("/catalogue.oneroster.zip")
def as_roster() -> Response:
    return _file(oneroster.roster, oneroster.MEDIA_TYPE, "catalogue.oneroster.zip")


def _file(
    write: Callable[[Iterable[Entry]], Iterator[bytes]], media_type: str, name: str
) -> Response:
    database = the_bridge().database
    with database.reading() as tx:
        centres = queries.givers(tx)
        asked = asked_for(centres)
        state = queries.state(tx, centres)
    return answer(
        lambda: write(all_entries(database, centres, asked)), media_type, state, file_name=name
    )
