"""The contract of the Academy's platform."""

from __future__ import annotations

from lms_bridge.testing.academy_failing import AcademyFailing
from lms_bridge.testing.academy_reading import AcademyReading
from lms_bridge.testing.academy_writing import AcademyWriting


class AcademyContract(AcademyReading, AcademyWriting, AcademyFailing):
    """Subclass it in a class whose name begins with ``Test``, declare ``capabilities`` and
    ``faults``, and override ``peer``."""
