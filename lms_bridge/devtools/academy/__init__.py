"""A small Academy platform in memory that keeps the contract of docs/academy-api.md.

::

    academy = Academy()
    with serve(academy) as address:
        ...

Faults are planned with ``academy.faults``; what it holds is open to read.
"""

from lms_bridge.devtools.academy.app import serve
from lms_bridge.devtools.academy.state import SimulatedAcademy
from lms_bridge.devtools.faults import FaultKind, SimulatedFault

__all__ = ["FaultKind", "SimulatedAcademy", "SimulatedFault", "serve"]
