"""Figures of days and of years, with plots that the server draws."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from flask.testing import FlaskClient

from lms_bridge.domain.clock import utc_now
from lms_bridge.store import run_days, runs
from lms_bridge.store.database import Database
from tests.databases import BOTH

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def run(
    database: Database,
    centre: str,
    at: datetime,
    status: str = "done",
    *,
    seconds: int = 4,
    flows: str = "enrolments",
) -> None:
    counts = {"offering.create.applied": 2, "offering.create.acknowledged": 1, "pages.read": 9}
    counts |= {"enrolment.create.failed": 5} if status == "failed" else {}
    with database.writing() as tx:
        number = runs.start_run(tx, centre, flows, "clock", at - timedelta(seconds=seconds))
        runs.finish_run(tx, number, status, counts, at)


@BOTH
def test_runs_are_added_up_by_day_and_decisions_are_left_out(database: Database) -> None:
    run(database, "A", NOON - timedelta(days=1))
    run(database, "A", NOON, seconds=10)
    run(database, "A", NOON + timedelta(hours=1), "failed")
    run(database, "B", NOON + timedelta(hours=2))
    run(database, "A", NOON + timedelta(hours=5))
    run(database, "A", NOON, flows="tokens")
    first = NOON.date() - timedelta(days=2)
    with database.reading() as tx:
        before, yesterday, today = run_days.figures(tx, first, NOON.date())
        of_b = run_days.figures(tx, NOON.date(), NOON.date(), code="B")
        nobodys = run_days.figures(tx, first, NOON.date(), within=[])
    assert before == run_days.DayFigures(first)
    assert (yesterday.runs, yesterday.lag) == (1, 0)
    assert (today.runs, today.failed, today.changes, today.refused) == (4, 1, 12, 5)
    assert (today.longest, today.average) == (10.0, 5.5)
    assert today.lag == 24 * 3600  # from yesterday's run of A to today's first good one
    assert (of_b[0].runs, of_b[0].lag) == (1, 0)
    assert [each.runs for each in nobodys] == [0, 0, 0]


@BOTH
def test_the_plots_have_a_text_and_a_table_and_name_a_centre_that_is_silent(
    either: FlaskClient, database: Database
) -> None:
    now = utc_now()
    run(database, "ARB", now - timedelta(hours=30))
    page = either.get("/figures").text
    plots = re.findall(r'<svg[^>]* role="img" aria-label="([^"]+)"', page)
    assert len(plots) == 5
    assert plots[4].startswith("Longest time between two good runs: at most 30 h, ")
    assert "style=" not in page
    assert page.count('<th scope="row" class="plain">') == 30
    year = either.get("/figures?days=365&centre=ARB").text
    assert "Each bar and row is a week." in year
    assert year.count('<th scope="row" class') == 53
    assert re.search(r'aria-label="Runs: at most 1, ', year)
    for odd in ("days=31", "days=x", "centre=nowhere", "centre=%3Cscript%3E"):
        assert either.get(f"/figures?{odd}").status_code == 200
    assert '<html lang="ar" dir="rtl">' in either.get("/figures?lang=ar").text


@BOTH
def test_the_figures_of_a_year_are_shown_by_region_and_centre(
    either: FlaskClient, database: Database
) -> None:
    page = either.get("/figures/year?year=2040").text
    assert "The figures of 2040" in page
    assert "Africa" in page
    for figure in ("planned", "completed"):  # each figure has one column; the chosen one has bars
        shown = either.get(f"/figures/year?year=2040&figure={figure}").text
        headings = re.findall(r'<th scope="col"[^>]*>([^<]+)</th>', shown.split("By centre")[-1])
        assert len(headings) == len(set(headings)) == 9
        assert 'class="share"' in shown
    assert "Real &lt;b&gt;Centre" in page
    assert "Real" not in either.get("/figures/year?year=2040&region=africa").text
    table = either.get("/figures/year.csv?year=2040")
    assert table.mimetype == "text/csv"
    assert b"total" in table.data
    assert either.get("/figures/year?region=atlantis").status_code == 404
    for odd in ("year=0", "year=x", "figure=x"):
        assert either.get(f"/figures/year?{odd}").status_code == 200
