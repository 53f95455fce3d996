"""Moodle 4.1 and later, over its REST web services: as a centre's LMS, and as the Academy."""

from __future__ import annotations

from connectors.moodle.academy import open_academy
from connectors.moodle.centre import open_centre
from connectors.moodle.options import ACADEMY, CENTRE
from lms_bridge.domain.ports import Connector

centre = Connector(
    name="moodle",
    title="Moodle, a training centre's",
    sides=frozenset({"centre"}),
    open=open_centre,
    options=CENTRE,
)
academy = Connector(
    name="academy_moodle",
    title="Moodle, the Academy's",
    sides=frozenset({"academy"}),
    open=open_academy,
    options=ACADEMY,
)
