"""The embedded connector keeps the contract of the Academy's side."""

from collections.abc import Mapping

import pytest

from lms_bridge.connectors.embedded import connector
from lms_bridge.domain.ports import SystemAccess, WritesOfferings, WritesResults
from lms_bridge.testing.academy import AcademyContract
from lms_bridge.testing.peers import AcademyPeer, Fault


class EmbeddedPeer(AcademyPeer):
    """Nothing is behind the connector, so there is nothing to fill, break or look into."""

    connector = connector

    def access(self) -> SystemAccess:
        return SystemAccess("academy", "", "")

    def catalogue(self) -> Mapping[str, str] | None:
        return None

    def results(self) -> Mapping[str, str] | None:
        return None


class TestEmbedded(AcademyContract):
    capabilities = frozenset({WritesOfferings, WritesResults})
    faults = frozenset[Fault]()

    @pytest.fixture
    def peer(self) -> EmbeddedPeer:
        return EmbeddedPeer()
