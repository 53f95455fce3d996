"""`/holds`, `/quarantine`, `/people`: what waits for a person. To look at only."""

from __future__ import annotations

from flask import Blueprint, render_template

from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.paging import SIZE, Paging, asked_page
from lms_bridge.web.queries import operations

pages = Blueprint("waiting", __name__)
EXAMPLES = 10


@pages.get("/holds")
def show_holds() -> str:
    return _show("holds")


@pages.get("/quarantine")
def show_quarantine() -> str:
    return _show("quarantine")


@pages.get("/people")
def show_people() -> str:
    return _show("people")


def _show(what: str) -> str:
    page = asked_page()
    with the_bridge().database.reading() as tx:
        total, rows = operations.page_of(tx, what, limit=SIZE, offset=(page - 1) * SIZE)
        examples = operations.offerings_held(tx, rows, EXAMPLES) if what == "holds" else {}
    return render_template(f"{what}.html", rows=rows, paging=Paging(page, total), examples=examples)
