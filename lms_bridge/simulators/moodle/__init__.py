"""A simulated Moodle 4.5, held to recordings of a real one (``tests/recordings/moodle``).

In a test: ``with serve(sample_site()) as server: … server.url …``, with :data:`SERVICE_TOKEN`.
In a process of its own: ``python -m lms_bridge.simulators.moodle``.
"""

from .facts import AUTHORING_CAPABILITIES, ENROLMENT_CAPABILITIES
from .faults import Fault, FaultKind, FaultPlan
from .pace import ServiceTime, measured
from .sample import SampleSize, fill, sample_site
from .saved import restore, save
from .server import RunningServer, serve
from .site.records import CustomField
from .site.state import ADMIN_TOKEN, SERVICE_TOKEN, MoodleState

__all__ = [
    "ADMIN_TOKEN",
    "AUTHORING_CAPABILITIES",
    "ENROLMENT_CAPABILITIES",
    "SERVICE_TOKEN",
    "CustomField",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "MoodleState",
    "RunningServer",
    "SampleSize",
    "ServiceTime",
    "fill",
    "measured",
    "restore",
    "sample_site",
    "save",
    "serve",
]
