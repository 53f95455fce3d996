"""A simulated Moodle, and the connector opened on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from connectors.moodle import academy, centre
from connectors.moodle.academy import MoodleAcademy
from connectors.moodle.centre import MoodleCentre
from lms_bridge.domain.ports import Access, Limits
from lms_bridge.simulators.moodle import (
    SERVICE_TOKEN,
    CustomField,
    MoodleState,
    RunningServer,
    serve,
)

LIMITS = Limits(attempts=2, backoff_seconds=0.0, connect_seconds=5, read_seconds=10)
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

    def make(limits: Limits = LIMITS, **options: object) -> MoodleCentre:
        system = centre.open(access(server.url, options, limits))
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


def access(url: str, options: dict[str, object], limits: Limits) -> Access:
    return Access("centre:demo", url, SERVICE_TOKEN, options, limits=limits, private_addresses=True)
