"""A simulated Moodle, and the connector opened on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from lms_bridge.connectors.moodle import academy, centre
from lms_bridge.connectors.moodle.academy import MoodleAcademy
from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.devtools.moodle.records import CustomField
from lms_bridge.devtools.moodle.server import RunningServer, serve
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from lms_bridge.domain.ports import Limits, Removal, SystemAccess
from lms_bridge.store.database import Database
from tests.integration.moodle.site_nights import MoodleNights

LIMITS = Limits(attempts=2, backoff_seconds=0.0, connect_seconds=120, read_seconds=120)
FIELDS = (
    CustomField("itu_modality", "Modality", "select", ("Online instructor-led", "Face-to-face")),
    CustomField("itu_price", "Price", "text"),
    CustomField("itu_publish", "Publish", "checkbox"),
    CustomField("itu_regclose", "Registration closes", "date"),
    CustomField("itu_objectives", "Objectives", "textarea"),
)


@pytest.fixture
def site() -> MoodleState:
    """Courses 2 to 5 in category 1 (5 hidden), people p0 to p9 with the ids of ``person``."""
    state = MoodleState()
    for field in FIELDS:
        state.catalogue.define_field(field)
    for number in range(4):
        state.catalogue.add_course(
            f"C{number}",
            f"Course & {number}",
            idnumber=f"ITU-{number}",
            startdate=1767225600,
            visible=int(number < 3),
            customfields={"itu_modality": 2, "itu_price": "0", "itu_regclose": 1767000000},
        )
    for number in range(10):
        state.people.add(
            f"p{number}",
            "Given",
            f"Family {number}",
            f"p{number}@example.org",
            idnumber=f"a-{number}",
        )
    return state


@pytest.fixture
def server(site: MoodleState) -> Iterator[RunningServer]:
    with serve(site) as running:
        yield running


@pytest.fixture
def person(site: MoodleState) -> Callable[[int], int]:
    return lambda number: site.people.with_any("idnumber", [f"a-{number}"])[0].id


@pytest.fixture
def centre_of(server: RunningServer) -> Iterator[Callable[..., MoodleCentre]]:
    """Opens a centre with the options given."""
    opened: list[MoodleCentre] = []

    def make(
        limits: Limits = LIMITS,
        languages: tuple[str, ...] = (),
        removal: Removal = Removal.SUSPEND,
        **options: object,
    ) -> MoodleCentre:
        opening = access(server.url, options, limits)
        opening = replace(opening, languages=languages, removal=removal)
        system = centre.open(opening)
        assert isinstance(system, MoodleCentre)
        opened.append(system)
        return system

    yield make
    for system in opened:
        system.close()


@pytest.fixture
def academy_of(server: RunningServer) -> Iterator[Callable[..., MoodleAcademy]]:
    opened: list[MoodleAcademy] = []

    def make(**options: object) -> MoodleAcademy:
        system = academy.open(access(server.url, {"category": 1, **options}, LIMITS))
        assert isinstance(system, MoodleAcademy)
        opened.append(system)
        return system

    yield make
    for system in opened:
        system.close()


@pytest.fixture
def nights(site: MoodleState, server: RunningServer, sqlite_database: Database) -> MoodleNights:
    """Runs of the bridge on the simulated Moodle. Its courses are known after the first night."""
    del server  # it only has to run
    running = MoodleNights(sqlite_database, site=site)
    running.good_night()
    return running


def access(url: str, options: dict[str, object], limits: Limits) -> SystemAccess:
    return SystemAccess(
        "centre:demo", url, SERVICE_TOKEN, options, limits=limits, private_addresses=True
    )
