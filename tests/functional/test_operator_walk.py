"""A day of the demo's operator: a centre, a hold, three hundred people, and how it all went."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import select

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Kind, Learner
from lms_bridge.store import holds, learners
from lms_bridge.store.database import Database
from lms_bridge.store.tables import enrolment, offering

CENTRE = "ESMT"
PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "java_script_enabled": False}


@contextmanager
def data_of(folder: Path) -> Iterator[Database]:
    (file,) = (folder / "data" / "demo").glob("*.sqlite3")
    database = Database(f"sqlite:///{file}")
    yield database
    database.close()


def people_wait(folder: Path, many: int = 300) -> None:
    """So many people wait; name and address of every second one agree with an account."""
    people = [Learner(f"wait-{n}", "W", f"N{n}", f"wait{n}@example.org") for n in range(many)]
    with data_of(folder) as database, database.writing() as tx:
        rows = [
            {
                "centre": CENTRE,
                "learner_id": id_,
                "suggestions": [[f"90{n}", f"same-email, {'same' if n % 2 else 'other'} name"]],
                "reason": "same-email",
                "since": utc_now(),
            }
            for n, id_ in enumerate(learners.add_learners(tx, people))
        ]
        holds.queue_person(tx, rows)


def hold_waits(folder: Path) -> int:
    """A plan to end some enrolments waits."""
    with data_of(folder) as database, database.writing() as tx:
        query = select(enrolment.c.id).join(offering).where(offering.c.centre == CENTRE)
        ids = list(tx.scalars(query.order_by(enrolment.c.id).limit(30)))
        number, _ = holds.ask(
            tx,
            centre=CENTRE,
            system="academy",
            kind=Kind.ENROLMENT,
            reason=holds.REMOVALS,
            record_ids=ids,
            out_of=55,
            run_id=1,
            at=utc_now(),
        )
    return number


def operator_at(demo: str, context: BrowserContext) -> Page:
    tab = context.new_page()
    tab.goto(demo)
    tab.get_by_role("button", name="Be the operator").click()
    expect(tab).to_have_url(re.compile("/operations"))
    return tab


@pytest.mark.parametrize("context", [{"accept_downloads": True}], indirect=True)
def test_an_operator_works_through_a_day(
    demo: str, demo_folder: Path, context: BrowserContext, tmp_path: Path
) -> None:
    people_wait(demo_folder)
    number = hold_waits(demo_folder)
    site = demo.removesuffix("/demo")
    tab = operator_at(demo, context)
    complaints: list[str] = []
    tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)

    # A centre: its check renews itself until it ends, and a pause says what it does.
    tab.goto(f"{site}/centres/{CENTRE}")
    tab.get_by_role("button", name="Check", exact=True).click()
    expect(tab.get_by_text("Asked for by")).to_be_visible()
    expect(tab.get_by_role("button", name="Check again")).to_have_count(0)
    tab.goto(f"{site}/centres/{CENTRE}")
    tab.get_by_role("button", name="Pause").click()
    expect(tab.get_by_text("nothing runs for it").first).to_be_visible()
    tab.get_by_role("button", name="Resume").click()
    expect(tab.get_by_role("button", name="Pause")).to_be_visible()

    # A hold: how many of how many, the decision, and somebody else who is too late.
    tab.goto(f"{site}/holds")
    tab.get_by_role("link", name=f"Look and decide {number}").click()
    expect(tab.get_by_text("Removals: Enrolments, 30 of 55")).to_be_visible()
    expect(tab.get_by_role("heading", name="The first records")).to_be_visible()
    other = context.new_page()
    other.goto(tab.url)
    tab.get_by_role("button", name="Keep").click()
    expect(tab.get_by_text("Your decision is kept.")).to_be_visible()
    other.get_by_role("button", name="Carry out").click()
    expect(other.get_by_role("alert")).to_contain_text("Somebody else decided this before you")
    other.close()
    tab.go_back()
    expect(tab.get_by_role("button", name="Carry out")).to_have_count(0)

    # People: some are ticked, all who agree are accepted, the rest goes through the table.
    tab.goto(f"{site}/people?centre={CENTRE}&agreeing=1")
    tab.get_by_role("checkbox", name="wait-1", exact=True).check()
    tab.get_by_role("checkbox", name="wait-3", exact=True).check()
    tab.get_by_role("button", name="Accept the ticked ones").click()
    expect(tab.get_by_role("definition").first).to_have_text("2")
    tab.goto(f"{site}/people?centre={CENTRE}")
    tab.get_by_role("link", name="Tick all where name and address agree: 148").click()
    tab.get_by_role("button", name="Accept the ticked ones").click()
    expect(tab.get_by_role("definition").first).to_have_text("148")
    tab.goto(f"{site}/people?centre={CENTRE}")
    with tab.expect_download() as waiting:
        tab.get_by_role("link", name="Download as a table (CSV)").click()
    waiting.value.save_as(tmp_path / "people.csv")
    with (tmp_path / "people.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 150
    for row in rows:
        row["account"] = row["suggested"].split(" ")[0]
    rows.append({**rows[0], "learner": "nobody"})
    with (tmp_path / "filled.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    tab.get_by_role("link", name="Send the filled table back").click()
    tab.get_by_label("File, at most 1 MB").set_input_files(tmp_path / "filled.csv")
    tab.get_by_role("button", name="Compare").click()
    expect(tab.get_by_role("definition").first).to_have_text("150")
    expect(tab.locator("td.refused")).to_have_count(1)
    tab.get_by_role("button", name="Decide so").click()
    expect(tab.get_by_text("Your decisions are kept.")).to_be_visible()
    tab.goto(f"{site}/people?centre={CENTRE}")
    expect(tab.get_by_role("heading", name="Nobody waits to be matched")).to_be_visible()

    # What cannot be used, with the value and the way to the course.
    tab.goto(f"{site}/quarantine")
    expect(tab.get_by_text("is not a number").first).to_be_visible()
    expect(tab.get_by_role("link", name="The course at its LMS").first).to_be_visible()

    # How it all went, and live.
    tab.goto(f"{site}/figures")
    expect(tab.get_by_role("img")).to_have_count(5)
    tab.get_by_role("link", name="The figures of a year").click()
    expect(tab.get_by_role("heading", name="By region")).to_be_visible()
    tab.goto(f"{site}/runs")
    tab.get_by_role("link", name="Show it live").click()
    with tab.expect_response(lambda answer: "live=1" in answer.url, timeout=60_000):
        pass  # the list renews itself
    expect(tab.locator("#live table")).to_be_visible()
    assert complaints == []


@pytest.mark.parametrize("context", [PHONE], indirect=True)
def test_on_a_phone_without_a_script_in_arabic_the_pages_are_whole(
    demo: str, context: BrowserContext
) -> None:
    site = demo.removesuffix("/demo")
    tab = operator_at(demo, context)
    for path in ("/people", "/holds", "/quarantine", "/conflicts", "/figures", "/figures/year"):
        tab.goto(f"{site}{path}?lang=ar")
        expect(tab.locator("html")).to_have_attribute("dir", "rtl")
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert tab.evaluate(wide) <= 0, path
    tab.goto(f"{site}/runs?live=1&lang=en")
    tab.get_by_role("link", name="Refresh").click()
    expect(tab.get_by_role("link", name="Stop renewing")).to_be_visible()
