"""A small Academy platform in memory that keeps the contract of docs/academy-api.md.

::

    academy = Academy()
    with serve(academy) as address:
        ...

Faults are planned with ``academy.faults``; what it holds is open to read.
"""

from lms_bridge.simulators.academy.faults import Fault, FaultKind
from lms_bridge.simulators.academy.server import serve
from lms_bridge.simulators.academy.state import Academy

__all__ = ["Academy", "Fault", "FaultKind", "serve"]
