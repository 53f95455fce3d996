"""A learner's page with a hundred courses, in a catalogue of 100,000, on both databases."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from cryptography.fernet import Fernet
from sqlalchemy import select, text

from benchmarks.catalogue import fill
from benchmarks.databases import both
from benchmarks.report import Row
from benchmarks.timed import Timed, timed
from lms_bridge.bootstrap import build
from lms_bridge.bridge import Bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Enrolment, EnrolmentStatus, Learner, Result
from lms_bridge.server.app import create_app
from lms_bridge.settings import (
    SecretsSettings,
    Settings,
    SignInSettings,
    StoreSettings,
    WebSettings,
)
from lms_bridge.store import enrolments, learners, results
from lms_bridge.store.tables import offering
from lms_bridge.web import sessions
from tests.operators import COOKIE

OFFERINGS, COURSES, LEARNERS, ROUNDS = 100_000, 100, 500, 20
MOST_SECONDS = 0.05


def learning(folder: Path, offerings: int = OFFERINGS) -> list[Row]:
    """Median seconds of the page in this process, one request at a time."""
    folder.mkdir()
    rows = []
    for databases in both(folder):
        address = databases.fresh("learning")
        fill(address, offerings)
        bridge = build(
            Settings(
                store=StoreSettings(address),
                secrets=SecretsSettings(key=Fernet.generate_key().decode()),
                web=WebSettings(requests_per_minute=0),
            )
        )
        try:
            took = _page(bridge, _enrol(bridge))
        finally:
            bridge.close()
        what = f"{databases.name}, {offerings:,} offerings: /my with {COURSES} courses"
        rows.append(took.row(what, MOST_SECONDS))
    return rows


def _enrol(bridge: Bridge) -> int:
    """Many learners in a hundred courses each, with results; the number of one of them."""
    people = [
        Learner(f"S{number}", "Sample", f"Learner {number}", f"s{number}@example.org")
        for number in range(LEARNERS)
    ]
    with bridge.database.writing() as tx:
        numbers = learners.add_learners(tx, people)
        courses = tx.execute(select(offering.c.id, offering.c.code).order_by(offering.c.id)).all()
        step = max(1, len(courses) // COURSES)
        for place, number in enumerate(numbers):
            chosen = [courses[(place + each * step) % len(courses)] for each in range(COURSES)]
            status = EnrolmentStatus.ENROLLED
            new = [
                (number, row.id, Enrolment(people[place].academy_id, row.code, status))
                for row in chosen
            ]
            made = enrolments.add_enrolments(tx, new)
            scored = [
                (id_, Result(people[place].academy_id, row.code, Decimal(70)))
                for id_, row in zip(made, chosen, strict=True)
            ]
            results.add_results(tx, scored)
        tx.execute(text("ANALYZE"))
    return numbers[LEARNERS // 2]


def _page(bridge: Bridge, learner: int) -> Timed:
    now = utc_now()
    with bridge.database.writing() as tx:
        _, secret = sessions.open_session(
            tx, "learner", None, SignInSettings(), now, half=False, learner=learner
        )
    browser = create_app(bridge).test_client()
    browser.set_cookie(COOKIE, secret)

    def ask() -> None:
        page = browser.get("/my")
        if page.status_code != 200 or page.text.count("<h3") != COURSES:
            raise RuntimeError(f"/my: {page.status}")

    return timed(ask, ROUNDS, bridge.database)
