"""The contract of a centre's LMS."""

from __future__ import annotations

from lms_bridge.testing.centre_enrolling import CentreEnrolling
from lms_bridge.testing.centre_people import CentrePeople
from lms_bridge.testing.centre_reading import CentreReading


class CentreContract(CentreReading, CentrePeople, CentreEnrolling):
    """Subclass it in a class whose name begins with ``Test``, declare ``capabilities`` and
    ``faults``, and override ``peer``."""
