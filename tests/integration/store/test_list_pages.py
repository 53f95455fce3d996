"""Pages of a list in an order of several columns, on both databases."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, case, func, select, update

from lms_bridge.domain.model import Offering
from lms_bridge.store import offerings
from lms_bridge.store.database import Database
from lms_bridge.store.list_pages import LATEST, ListPage, ListPlace, list_page
from lms_bridge.store.tables import offering

_DAYS = {"A": 3, "B": None, "C": 1, "D": 3, "E": None, "F": 2}
_ORDER = (
    case((offering.c.title == "last", 1), else_=0),
    func.coalesce(offering.c.starts_at, LATEST),
    offering.c.centre,
    offering.c.id,
)


def fill(tx: Connection) -> None:
    offerings.add_offerings(
        tx,
        [
            Offering(code, "SAMPLE", "", "last" if code == "C" else "x", starts_at=_day(day))
            for code, day in _DAYS.items()
        ],
    )


def _day(number: int | None) -> datetime | None:
    return None if number is None else datetime(2030, 1, number, 8, tzinfo=UTC)


def page(
    tx: Connection, most: int, after: str = "", before: str = "", falling: bool = False
) -> ListPage:
    query = select(offering.c.code)
    return list_page(tx, query, _ORDER, ListPlace(after, before), most=most, falling=falling)


def codes(found: ListPage) -> str:
    return "".join(row.code for row in found.rows)


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("most", [1, 2, 3, 5, 6, 9])
def test_pages_show_each_row_once_in_both_directions(
    database: Database, most: int, falling: bool
) -> None:
    with database.writing() as tx:
        fill(tx)
        shown = [page(tx, most, falling=falling)]
        while shown[-1].next and len(shown) < 9:
            shown.append(page(tx, most, after=shown[-1].next, falling=falling))
        back = [shown[-1]]
        while back[0].previous and len(back) < 9:
            back.insert(0, page(tx, most, before=back[0].previous, falling=falling))
    assert "".join(map(codes, shown)) == ("CEBDAF" if falling else "FADBEC")
    assert not shown[0].previous
    assert [codes(each) for each in back] == [codes(each) for each in shown]


def test_a_row_that_changes_meanwhile_hides_no_other(database: Database) -> None:
    with database.writing() as tx:
        fill(tx)
        first = page(tx, 2)
        tx.execute(update(offering).where(offering.c.code == "A").values(title="last"))
        second = page(tx, 2, after=first.next)
    assert (codes(first), codes(second)) == ("FA", "DB")


def place(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        *("x", "é", "9" * 5_000, place("7"), place("[]"), place("[" * 300), place("[0, 1, 2, 3]")),
        place('[0, "2030-01-01T00:00:00+00:00", "SAMPLE", 1, 1]'),
        place('[0, "0001-01-01T00:00:00+14:00", "SAMPLE", 1]'),
        place('[0, "2030-01-01T00:00:00+00:00", "\\u0000", 1]'),
        place('[0, "2030-01-01T00:00:00+00:00", "\\ud800", 1]'),
        place('[0, "2030-01-01T00:00:00+00:00", "SAMPLE", true]'),
        place(f'[0, "2030-01-01T00:00:00+00:00", "SAMPLE", {2**63}]'),
        place(f'[{2**31}, "2030-01-01T00:00:00+00:00", "SAMPLE", 1]'),
    ],
)
def test_a_text_that_is_no_place_leads_to_the_first_page(database: Database, text: str) -> None:
    with database.writing() as tx:
        fill(tx)
        assert codes(page(tx, 2, after=text)) == "FA"
        assert codes(page(tx, 2, before=text)) == "FA"
