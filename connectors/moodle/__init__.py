"""Connectors ``moodle`` and ``academy_moodle``: Moodle 4.1 or later, by its REST web services."""

from __future__ import annotations

from lms_bridge.connectors.moodle.academy import open_academy
from lms_bridge.connectors.moodle.centre import open_centre
from lms_bridge.connectors.moodle.options import ACADEMY, CENTRE
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
