"""The contract suite: what every connector has to do, as tests for connectors by others.

Subclass the side that the connector serves, and give it a *peer*: a fake of the outside system
that can be filled, looked into and broken. docs/connectors.md shows a whole example. ::

    class TestMine(CentreContract):
        capabilities = frozenset({ReadsOfferings})
        faults = frozenset({Fault.BUSY})

        @pytest.fixture
        def peer(self) -> CentrePeer:
            return MyPeer()

Only the tests that these two declarations call for are collected, and none of them is ever skipped.
pytest is needed, and nothing but tests imports from here.
"""

from lms_bridge.testing.academy import AcademyContract
from lms_bridge.testing.centre import CentreContract
from lms_bridge.testing.peers import AcademyPeer, CentrePeer, Fault, Peer

__all__ = ["AcademyContract", "AcademyPeer", "CentreContract", "CentrePeer", "Fault", "Peer"]
