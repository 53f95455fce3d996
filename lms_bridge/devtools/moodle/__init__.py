"""A simulated Moodle 4.5, held to recordings of a real one (``tests/recordings/moodle``).

In a test: ``with serve(sample_site()) as server: … server.url …``, with ``SERVICE_TOKEN``.
In a process of its own: ``python -m lms_bridge.devtools.moodle``.
"""

from lms_bridge.devtools.faults import FaultKind, FaultPlan, SimulatedFault
from lms_bridge.devtools.moodle.facts import AUTHORING_CAPABILITIES, ENROLMENT_CAPABILITIES
from lms_bridge.devtools.moodle.pace import ServiceTime, measured
from lms_bridge.devtools.moodle.records import CustomField
from lms_bridge.devtools.moodle.sample import SampleSize, fill, sample_site
from lms_bridge.devtools.moodle.saved import restore, save
from lms_bridge.devtools.moodle.server import RunningServer, serve
from lms_bridge.devtools.moodle.state import ADMIN_TOKEN, SERVICE_TOKEN, MoodleState

__all__ = [
    "ADMIN_TOKEN",
    "AUTHORING_CAPABILITIES",
    "ENROLMENT_CAPABILITIES",
    "SERVICE_TOKEN",
    "CustomField",
    "FaultKind",
    "FaultPlan",
    "MoodleState",
    "RunningServer",
    "SampleSize",
    "ServiceTime",
    "SimulatedFault",
    "fill",
    "measured",
    "restore",
    "sample_site",
    "save",
    "serve",
]
